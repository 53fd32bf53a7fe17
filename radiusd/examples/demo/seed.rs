//! An ISP that has been there for a year.

use std::path::Path;
use std::sync::Arc;

use rand::Rng;
use schema::{
    Actor, Ask, Error, GroupRows, Membership, NasRow, Options, Row, Scope, Session, Step, Store,
    User, Writes,
};

use super::fleet;

const PLANS: [(&str, &str, &str); 3] =
    [("home-50", "50M/10M", "1"), ("home-200", "200M/40M", "2"), ("business", "1G/1G", "8")];
const BATCH: usize = 1_000;
const DAY: i64 = 86_400;

/// False when somebody was here before.
pub async fn seed(
    data_dir: &Path,
    users: u32,
    sessions: u32,
) -> Result<bool, Box<dyn std::error::Error>> {
    let url = format!("sqlite:{}", data_dir.join("radiusd.db").display());
    let store = Store::open(&Options { url, ..Options::default() }).await?;
    store.migrate().await?;
    if !store.list_nas().await?.is_empty() {
        store.close().await;
        return Ok(false);
    }
    let actor = Actor {
        operator: None,
        name: "demo".into(),
        means: "command line".into(),
        source: "here".into(),
        keys: Arc::new(mgmt::keys::audit_keys(data_dir)?),
    };
    for nas in fleet::all() {
        let row = NasRow {
            nasname: nas.address.to_string(),
            shortname: nas.name.into(),
            r#type: nas.kind.into(),
            secret: fleet::SECRET.into(),
            description: Some(nas.place.into()),
            ..NasRow::default()
        };
        store.add_nas(&actor, &row, None).await?;
    }
    for (name, rate, limit) in PLANS {
        let rows = GroupRows {
            name: name.into(),
            check: vec![row("Simultaneous-Use", ":=", limit)],
            reply: vec![
                row("Mikrotik-Rate-Limit", "=", rate),
                row("Acct-Interim-Interval", "=", "60"),
            ],
        };
        store.add_group(&actor, &rows, None).await?;
    }
    for number in 0..users {
        store.add_user(&actor, Scope::Everything, &user(number).into(), None).await?;
    }
    history(&store, users, sessions).await?;
    store.close().await;
    Ok(true)
}

fn row(attribute: &str, op: &str, value: &str) -> Row {
    Row { id: 0, attribute: attribute.into(), op: op.into(), value: value.into() }
}

/// Some have expired, some are disabled.
fn user(number: u32) -> User {
    let mut check = vec![row("Cleartext-Password", ":=", &fleet::password(number))];
    match number % 40 {
        7 => check.push(row("Expiration", ":=", "1 Jan 2024 00:00:00")),
        23 => check.push(row("Auth-Type", ":=", "Reject")),
        _ => {}
    }
    let (plan, ..) = PLANS[number as usize % PLANS.len()];
    let groups = vec![Membership { priority: 1, group: plan.into() }];
    User { name: fleet::user(number), check, reply: Vec::new(), groups }
}

/// Sessions of the last year, the oldest first.
async fn history(store: &Store, users: u32, each: u32) -> Result<(), Error> {
    let now = jiff::Timestamp::now().as_second();
    let nases = fleet::all();
    let mut rng = rand::rng();
    let total = u64::from(users) * u64::from(each);
    let mut rows = Vec::with_capacity(BATCH);
    for number in 0..total {
        let user = (number % u64::from(users)) as u32;
        let age = 365 * DAY * (total - number) as i64 / total.max(1) as i64;
        let start = now - age - rng.random_range(0..DAY);
        let seconds = rng.random_range(300..20_000);
        let seconds = seconds.min(now - start - 60).max(60);
        let nas = &nases[number as usize % nases.len()];
        rows.push(Session {
            acctsessionid: format!("h{number:08x}"),
            acctuniqueid: format!("{number:032x}"),
            username: Some(fleet::user(user)),
            nasipaddress: nas.address.to_string(),
            nasportid: Some(format!("ether{}", user % 24)),
            nasporttype: Some("Ethernet".into()),
            acctstarttime: Some(start),
            acctupdatetime: Some(start + seconds),
            acctstoptime: Some(start + seconds),
            acctsessiontime: Some(seconds),
            acctauthentic: Some("RADIUS".into()),
            acctinputoctets: Some(seconds * rng.random_range(1_000..60_000)),
            acctoutputoctets: Some(seconds * rng.random_range(20_000..900_000)),
            calledstationid: Some(nas.name.into()),
            callingstationid: Some(fleet::station(user)),
            acctterminatecause: Some("User-Request".into()),
            servicetype: Some("Framed-User".into()),
            framedprotocol: Some("PPP".into()),
            framedipaddress: Some(fleet::address(user).to_string()),
            ..Session::default()
        });
        if rows.len() == BATCH || number + 1 == total {
            let writes = Writes { rows: std::mem::take(&mut rows), ..Writes::default() };
            store.write_sessions(&Ask::default(), |_| Step::Write(writes.clone())).await?;
        }
    }
    Ok(())
}
