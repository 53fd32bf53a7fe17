//! The store's ceiling: rows of radacct written by one multi-row upsert a transaction, and nothing else.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cluster::Cluster;
use crate::random::Random;
use crate::sql::{Array, Connection};
use crate::traffic::{User, digits};

const TEXT: i32 = 25;
const BIGINT: i32 = 20;
pub const ROWS: usize = 500;

/// The columns an accounting record fills, in the shape that a server would write them.
const UPSERT: &str = "
INSERT INTO radacct (acctuniqueid, acctsessionid, username, nasipaddress, nasportid, nasporttype, acctstarttime,
    acctupdatetime, acctstoptime, acctinterval, acctsessiontime, acctauthentic, connectinfo_start, acctinputoctets,
    acctoutputoctets, calledstationid, callingstationid, acctterminatecause, servicetype, framedprotocol, framedipaddress)
SELECT u, s, n, nas::inet, port, 'Ethernet', to_timestamp(started), to_timestamp(updated), to_timestamp(stopped), 300,
    updated - started, 'RADIUS', '1000000000/1000000000', input, output, 'internet', calling, cause, 'Framed-User', 'PPP', ip::inet
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::bigint[], $11::text[], $12::text[], $13::text[]) AS r (u, s, n, nas, port, started, updated, stopped, input, output,
    calling, cause, ip)
ON CONFLICT (acctuniqueid) DO UPDATE SET acctupdatetime = excluded.acctupdatetime, acctstoptime = excluded.acctstoptime,
    acctinterval = excluded.acctinterval, acctsessiontime = excluded.acctsessiontime, acctinputoctets = excluded.acctinputoctets,
    acctoutputoctets = excluded.acctoutputoctets, acctterminatecause = excluded.acctterminatecause,
    framedipaddress = excluded.framedipaddress";

/// How it went, by the row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ceiling {
    pub rows_per_second: f64,
    pub store_us: f64,
}

/// Two clients, 500 rows a transaction, a seventh of the rows new, the rest interims and stops.
pub fn measure(cluster: &Cluster, database: &str, time: Duration) -> Result<Ceiling> {
    let mut writers = Vec::new();
    for client in 0..2 {
        writers.push(Writer::new(cluster.connect(database)?, client)?);
    }
    for writer in &mut writers {
        // Some sessions to be updated later.
        for _ in 0..8 {
            writer.write(ROWS)?;
        }
    }
    let cpu = cluster.cpu_us();
    let begun = Instant::now();
    let counts: Vec<Result<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = writers
            .into_iter()
            .map(|mut writer| {
                scope.spawn(move || {
                    let mut rows = 0;
                    while begun.elapsed() < time {
                        writer.write(ROWS / 7)?;
                        rows += ROWS as u64;
                    }
                    Ok(rows)
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join()).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let rows = counts.into_iter().sum::<Result<u64>>()? as f64;
    Ok(Ceiling { rows_per_second: rows / seconds, store_us: (cluster.cpu_us() - cpu) / rows })
}

struct Writer {
    connection: Connection,
    client: u32,
    random: Random,
    /// Open sessions and the records each has had.
    open: Vec<(u32, u8)>,
    next: u32,
    columns: [Array; 13],
}

impl Writer {
    fn new(mut connection: Connection, client: u32) -> Result<Writer> {
        connection.prepare(UPSERT)?;
        let kinds = [
            TEXT, TEXT, TEXT, TEXT, TEXT, BIGINT, BIGINT, BIGINT, BIGINT, BIGINT, TEXT, TEXT, TEXT,
        ];
        Ok(Writer {
            connection,
            client,
            random: Random::new(u64::from(client)),
            open: Vec::new(),
            next: 0,
            columns: kinds.map(Array::new),
        })
    }

    fn write(&mut self, new: usize) -> Result<()> {
        let mut rows = Vec::with_capacity(ROWS);
        for _ in 0..new {
            rows.push((self.next, 0));
            self.next += 1;
        }
        while rows.len() < ROWS {
            let at = self.random.below(self.open.len().max(1) as u32) as usize;
            if self.open.is_empty() {
                break;
            }
            rows.push(self.open.swap_remove(at));
        }
        // The order in which a careful writer locks: by the unique id.
        let mut named: Vec<([u8; 32], u32, u8)> = rows
            .iter()
            .map(|&(session, age)| (unique(self.client, session), session, age))
            .collect();
        named.sort_unstable();
        self.columns.iter_mut().for_each(Array::clear);
        for (unique, session, age) in &named {
            self.put(unique, *session, *age);
        }
        self.connection.execute(&mut self.columns)?;
        let kept = rows.into_iter().filter(|(_, age)| *age < 6);
        self.open.extend(kept.map(|(session, age)| (session, age + 1)));
        Ok(())
    }

    fn put(&mut self, unique: &[u8], session: u32, age: u8) {
        let number = session % 100_000;
        let user = User(number);
        let started = 1_750_000_000 + i64::from(session % 3600);
        let updated = started + i64::from(age) * 300;
        let ip = std::net::Ipv4Addr::from(user.framed_ip()).to_string();
        let nas = format!("10.255.0.{}", number % 200);
        let stopped = (age == 6).then(|| updated.to_be_bytes());
        let cause = (age == 6).then_some(&b"User-Request"[..]);
        let values: [Option<&[u8]>; 13] = [
            Some(unique),
            Some(&digits(*b"ceiling-000000000", session)),
            Some(&user.name()),
            Some(nas.as_bytes()),
            Some(&digits(*b"ae1.demux.3221225472:000000", number)),
            Some(&started.to_be_bytes()),
            Some(&updated.to_be_bytes()),
            stopped.as_ref().map(|octets| &octets[..]),
            Some(&(i64::from(age) * 31_415_926).to_be_bytes()),
            Some(&(i64::from(age) * 1_271_828_182).to_be_bytes()),
            Some(&digits(*b"02-00-00-000000", number)),
            cause,
            Some(ip.as_bytes()),
        ];
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
    }
}

/// Something that looks and sorts like an Acct-Unique-Session-Id.
fn unique(client: u32, session: u32) -> [u8; 32] {
    use md5::{Digest, Md5};
    let digest = Md5::new()
        .chain_update(client.to_be_bytes())
        .chain_update(session.to_be_bytes())
        .finalize();
    let mut text = [0; 32];
    for (octet, pair) in digest.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = b"0123456789abcdef"[usize::from(octet >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(octet & 15)];
    }
    text
}
