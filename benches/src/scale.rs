//! What size does to `radiusd` alone: how fast it starts on a large store, how much memory it
//! takes there, and whether its rate falls while `radacct` grows.

use std::time::Duration;

use anyhow::Result;

use crate::contest::{Ground, Running, SECRET, Site};
use crate::generator::Load;
use crate::results::{Case, Server};
use crate::traffic::{Logins, Method};

/// A start on a large store.
#[derive(Clone, Debug)]
pub struct Start {
    pub users: u32,
    /// All of them open.
    pub sessions: u32,
    pub ready_ms: f64,
    pub rss_mib: f64,
    /// After each user came once.
    pub visited_rss_mib: Option<f64>,
}

/// The rate at one size of `radacct`.
#[derive(Clone, Debug)]
pub struct Growth {
    pub rows: u32,
    pub rate: f64,
    pub server_us: f64,
    pub store_us: f64,
}

const STARTS: usize = 3;

/// Starts a few times on the same store; the last time every user comes once.
pub fn starts(ground: &Ground, users: u32, sessions: u32) -> Result<Vec<Start>> {
    let database = "large_start";
    ground.cluster.seed(database, users, sessions, 1, SECRET)?;
    let mut starts = Vec::new();
    for number in 1..=STARTS {
        let running = ground.start_on(Server::Ours, Site::Postgres(database.into()), false)?;
        std::thread::sleep(Duration::from_secs(1));
        let mut start = Start {
            users,
            sessions,
            ready_ms: running.ready_ms.unwrap_or(f64::NAN),
            rss_mib: running.rss_mib(),
            visited_rss_mib: None,
        };
        if number == STARTS {
            visit(ground, &running, users)?;
            start.visited_rss_mib = Some(running.rss_mib());
        }
        eprintln!(
            "  answered after {:.0} ms, {:.0} MiB, with each of {users} users seen once {:.0} MiB",
            start.ready_ms,
            start.rss_mib,
            start.visited_rss_mib.unwrap_or(f64::NAN)
        );
        starts.push(start);
    }
    ground.cluster.drop_database(database)?;
    Ok(starts)
}

/// Every user once.
pub fn visit(ground: &Ground, running: &Running, users: u32) -> Result<()> {
    let mut generator = ground.generator(running.target(Case::Pap))?;
    let mut traffic = Logins::each_once(Method::Pap, users, 1);
    let load = Load::Closed { window: 512 };
    generator.run(&mut traffic, load, Duration::from_secs(120)).map(drop)
}

/// The same accounting load, a few times at each size.
pub fn growth(
    ground: &Ground,
    sizes: &[u32],
    rounds: usize,
    time: Duration,
) -> Result<Vec<Growth>> {
    let mut all = Vec::new();
    for &rows in sizes {
        let database = format!("grown_{rows}");
        ground.cluster.seed(&database, ground.users, rows, 20, SECRET)?;
        let site = Site::Postgres(database.clone());
        let running = ground.start_on(Server::Ours, site, false)?;
        let mut generator = ground.generator(running.target(Case::AccountingFull))?;
        let mut sessions = ground.sessions()?;
        let load = Load::Closed { window: 1024 };
        generator.run(&mut sessions, load, time)?;
        for _ in 0..rounds {
            let seen = ground.observe(&running, &mut generator, &mut sessions, load, time)?;
            let rate = seen.outcome.rate();
            eprintln!("  {rows:>10} rows {rate:>8.0}/s  store {:.1} µs", seen.store_us);
            let (server_us, store_us) = (seen.server_us, seen.store_us);
            all.push(Growth { rows, rate, server_us, store_us });
        }
        drop(running);
        ground.cluster.drop_database(&database)?;
    }
    Ok(all)
}
