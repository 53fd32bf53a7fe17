//! Simultaneous-Use with checkrad at FreeRADIUS and at us, each on its own database.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use proto::Code;

use crate::harness::ask::Ask;
use crate::harness::checkrad::Checkrad;
use crate::harness::daemon;
use crate::harness::freeradius::FreeRadius;
use crate::harness::nas::{Nas, SECRET};
use crate::harness::postgres;
use crate::harness::site::{Engine, Site, ZONE};

/// By the session's name.
const SAYS: &str = "case $5 in *gone*) exit 0;; *live*) exit 1;; *) exit 2;; esac";

/// User, limit, sessions (NAS, name, station), and whether FreeRADIUS lets in where we don't.
type Login = (&'static str, u32, &'static [(&'static str, &'static str, &'static str)], bool);

const LOGINS: [Login; 12] = [
    ("gone", 1, &[("127.0.0.71", "gone-1", "x")], false),
    ("live", 1, &[("127.0.0.71", "live-1", "x")], false),
    ("both", 1, &[("127.0.0.71", "gone-2", "x"), ("127.0.0.71", "live-2", "x")], false),
    ("two", 2, &[("127.0.0.71", "gone-3", "x"), ("127.0.0.71", "live-3", "x")], false),
    ("full", 2, &[("127.0.0.71", "live-4", "x"), ("127.0.0.71", "live-5", "x")], false),
    ("below", 2, &[("127.0.0.71", "gone-4", "x")], false),
    ("other", 1, &[("127.0.0.72", "gone-5", "x")], false),
    ("typeless", 1, &[("127.0.0.73", "gone-6", "x")], false),
    ("unknown", 1, &[("10.9.9.9", "gone-7", "x")], false),
    // A further link, to a session that is there, and to one that is not.
    ("link", 1, &[("127.0.0.71", "live-6", "mine")], false),
    ("no.link", 1, &[("127.0.0.71", "gone-8", "mine"), ("127.0.0.71", "live-7", "x")], false),
    ("odd", 1, &[("127.0.0.71", "odd-1", "x")], true),
];

fn site() -> Site {
    let mut site = Site::new(Engine::Postgres);
    for (address, kind) in [("127.0.0.71", "cisco"), ("127.0.0.72", "other"), ("127.0.0.73", "")] {
        site.sql.rows(&format!(
            "INSERT INTO nas (nasname, shortname, type, secret) \
             VALUES ('{address}', 'lab', '{kind}', '{SECRET}')"
        ));
    }
    for (user, limit, sessions, _) in LOGINS {
        site.user(user, "hello");
        site.row("radcheck", user, "Simultaneous-Use", ":=", &limit.to_string());
        site.row(
            "radreply",
            user,
            "Port-Limit",
            "=",
            if user.contains("link") { "4" } else { "1" },
        );
        for (nas, name, station) in sessions {
            site.sql.rows(&format!(
                "INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, \
                 nasportid, acctstarttime, acctupdatetime, framedprotocol, callingstationid) \
                 VALUES ('{name}', '{name}', '{user}', '{nas}', '12', now(), now(), 'PPP', \
                 '{station}')"
            ));
        }
    }
    site
}

/// Each answer's code and what it says.
fn log_in(to: SocketAddr) -> Vec<(Code, Vec<Vec<u8>>)> {
    let mut nas = Nas::new(to);
    let answers = LOGINS.iter().map(|(user, ..)| {
        let ask = Ask::pap(user, "hello").with("Calling-Station-Id = mine");
        let answer = nas.ask(&ask).unwrap_or_else(|| panic!("{user}"));
        let said = answer.by_name().into_iter().filter(|item| item.name == "Reply-Message");
        (answer.code, said.map(|item| item.octets).collect())
    });
    answers.collect()
}

#[test]
fn nas_are_asked_as_freeradius_asks_them() {
    let mut reference = site();
    let database = reference.sql.value("SELECT current_database()");
    let (for_them, for_us) = (Checkrad::new(SAYS), Checkrad::new(SAYS));
    let freeradius =
        FreeRadius::start_with(postgres::shared(), &database, ZONE, &for_them.program());
    let theirs = log_in(freeradius.auth);
    let mut ours = site();
    let program = for_us.program().display().to_string();
    ours.settings.set("radius.checkrad", &daemon::text(&program));
    let daemon = ours.start();
    let answers = log_in(daemon.auth());
    for (((user, .., lets_in), theirs), answer) in LOGINS.iter().zip(&theirs).zip(&answers) {
        match lets_in {
            true => {
                assert_eq!(theirs.0, Code::AccessAccept, "needless deviation 3: {user}");
                assert_eq!(answer.0, Code::AccessReject, "{user}");
            }
            false => assert_eq!(answer, theirs, "{user}"),
        }
    }
    let sorted = |asked: Vec<String>| asked.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(for_us.asked()), sorted(for_them.asked()));
    let closed = "SELECT acctsessionid FROM radacct WHERE acctstoptime IS NOT NULL ORDER BY 1";
    let closed: Vec<String> = ours.sql.rows(closed).concat();
    assert_eq!(closed, ["gone-1", "gone-2", "gone-3", "gone-8"]);
}
