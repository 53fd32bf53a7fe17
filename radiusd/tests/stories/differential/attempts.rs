//! What radpostauth holds after the same logins at FreeRADIUS and at us, each on its own database.

use std::net::SocketAddr;
use std::time::Duration;

use proto::Code;

use crate::harness::ask::Ask;
use crate::harness::freeradius::FreeRadius;
use crate::harness::nas::Nas;
use crate::harness::postgres;
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site, ZONE};
use crate::harness::sql::Sql;

/// Who, and how.
const LOGINS: [(&str, &str); 9] = [
    ("bob", "pap hello"),
    ("bob", "pap other"),
    ("bob", "chap hello ; Calling-Station-Id = 00-11 ; Called-Station-Id = here"),
    ("bob", "mschap2 hello ; Class = 0x0102"),
    ("bob", "none"),
    ("nobody", "pap hello"),
    ("two names", "pap hello"),
    ("größe", "pap hello"),
    ("o'bob", "pap hello"),
];

const COLUMNS: &str = "reply, calledstationid, callingstationid, class, \
    now() - authdate < interval '10 minutes', username, pass";

/// The column of the password.
const PASS: usize = 6;

fn site() -> Site {
    let mut site = Site::new(Engine::Postgres);
    for (user, _) in LOGINS.into_iter().filter(|(user, _)| *user != "nobody") {
        site.user(user, "hello");
    }
    site.user("o=27bob", "hello");
    site.user("challenged", "hello");
    site.row("radcheck", "challenged", "Response-Packet-Type", ":=", "Access-Challenge");
    site
}

fn log_in(to: SocketAddr, sql: &mut Sql) -> Vec<Vec<String>> {
    let mut nas = Nas::new(to);
    // Of a challenge there is no row.
    let challenge = nas.ask(&Ask::pap("challenged", "hello")).expect("an answer");
    assert_eq!(challenge.code, Code::AccessChallenge, "{challenge}");
    for (at, (user, how)) in LOGINS.into_iter().enumerate() {
        let ask = Ask::access(user, how).expect("a login");
        nas.ask(&ask).unwrap_or_else(|| panic!("{user}: {how}"));
        // One at a time, so that their order is known.
        until("a row of radpostauth", Duration::from_secs(20), || {
            (sql.number("SELECT count(*) FROM radpostauth") == at as i64 + 1).then_some(())
        });
    }
    sql.rows(&format!("SELECT {COLUMNS} FROM radpostauth ORDER BY id"))
}

#[test]
fn attempts_are_written_as_freeradius_writes_them() {
    let mut reference = site();
    let database = reference.sql.value("SELECT current_database()");
    let freeradius = FreeRadius::start(postgres::shared(), &database, ZONE);
    let mut theirs = log_in(freeradius.auth, &mut reference.sql);
    let mut ours = site();
    let daemon = ours.start();
    let ours = log_in(daemon.auth(), &mut ours.sql);
    assert!(ours.iter().all(|row| row[PASS].is_empty()), "deviation 9: {ours:?}");
    let passwords = theirs.iter_mut().map(|row| std::mem::take(&mut row[PASS]));
    assert!(passwords.filter(|password| password == "hello").count() >= 3, "needless deviation 9");
    let escaped = theirs.last_mut().expect("rows");
    assert_eq!(escaped[PASS - 1], "o=27bob", "needless deviation 15");
    escaped[PASS - 1] = "o'bob".into();
    assert_eq!(ours, theirs);
}
