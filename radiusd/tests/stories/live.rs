//! What another program changes in the tables acts at once, without a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::ask::Ask;
use crate::harness::nas::{Nas, SECRET};
use crate::harness::scratch::until;
use crate::harness::site::{Engine, Site, on_both};

/// How long a change may take to act, on a machine that does other things too: less than the five
/// seconds after which nothing is believed any more, watched or not.
const SOON: Duration = Duration::from_secs(4);

/// The Reply-Message of a login.
fn message(nas: &mut Nas, user: &str) -> Option<String> {
    nas.ask(&Ask::pap(user, "hello"))?.text("Reply-Message")
}

#[test]
fn every_table_is_live() {
    on_both(|mut site| {
        let daemon = site.start();
        let mut nas = daemon.nas();
        let login = Ask::pap("bob", "hello");
        let within = SOON;
        let accepted = |nas: &mut Nas| nas.ask(&login).map(|answer| answer.is_accept());
        assert_eq!(accepted(&mut nas), Some(false), "nobody knows bob");
        site.user("bob", "hello");
        until("a new user", within, || accepted(&mut nas).filter(|accepted| *accepted));
        assert_eq!(message(&mut nas, "bob"), None);
        site.row("radreply", "bob", "Reply-Message", "=", "one");
        until("a new reply row", within, || message(&mut nas, "bob").filter(|text| text == "one"));
        site.sql.rows("UPDATE radreply SET value = 'two' WHERE username = 'bob'");
        until("a changed row", within, || message(&mut nas, "bob").filter(|text| text == "two"));
        site.sql.rows("DELETE FROM radreply WHERE username = 'bob'");
        until("a row's end", within, || message(&mut nas, "bob").is_none().then_some(()));
        site.row("radgroupreply", "gold", "Reply-Message", "=", "gold");
        site.group("bob", "gold", 1);
        until("a membership", within, || message(&mut nas, "bob").filter(|text| text == "gold"));
        site.sql.rows("UPDATE radgroupreply SET value = 'golden' WHERE groupname = 'gold'");
        until("a group's reply", within, || {
            message(&mut nas, "bob").filter(|text| text == "golden")
        });
        site.row("radgroupcheck", "gold", "NAS-Port", "==", "7");
        until("a group's check", within, || message(&mut nas, "bob").is_none().then_some(()));
        site.sql.rows("UPDATE radcheck SET username = 'eve' WHERE username = 'bob'");
        until("a renamed user", within, || accepted(&mut nas).filter(|accepted| !*accepted));
        let eve = Ask::pap("eve", "hello");
        assert!(nas.ask(&eve).is_some_and(|answer| answer.is_accept()), "the other end of it");
        let empty = match site.engine {
            Engine::Postgres => "TRUNCATE radcheck",
            Engine::Sqlite => "DELETE FROM radcheck",
        };
        site.sql.rows(empty);
        until("nobody left", within, || nas.ask(&eve)?.is_reject().then_some(()));
    });
}

/// Half of all changes act within what is promised. Other stories keep this machine busy, so a
/// measurement that fails is made again, for two minutes.
#[test]
fn changes_act_as_soon_as_promised() {
    on_both(|mut site| {
        let promised = Duration::from_millis(match site.engine {
            Engine::Postgres => 200,
            Engine::Sqlite => 500,
        });
        site.user("bob", "hello");
        site.row("radreply", "bob", "Reply-Message", "=", "0");
        let daemon = site.start();
        let mut nas = daemon.nas();
        let begun = Instant::now();
        for measurement in 1.. {
            let mut took: Vec<Duration> = (0..20)
                .map(|change| {
                    let wanted = format!("{measurement}.{change}");
                    site.sql.rows(&format!("UPDATE radreply SET value = '{wanted}'"));
                    let written = Instant::now();
                    until("a change", SOON, || {
                        message(&mut nas, "bob").filter(|text| *text == wanted)
                    });
                    written.elapsed()
                })
                .collect();
            took.sort();
            let median = took[took.len() / 2];
            eprintln!("{:?}: median {median:?}, all {took:?}", site.engine);
            if median <= promised {
                return;
            }
            let busy = begun.elapsed() < Duration::from_secs(120);
            assert!(busy, "median {median:?} where {promised:?} is promised");
        }
    });
}

#[test]
fn a_nas_is_added_changed_and_removed_live() {
    on_both(|mut site| {
        site.user("bob", "hello");
        let daemon = site.start();
        let login = Ask::pap("bob", "hello");
        let ask = |secret: &str| {
            let from = "127.0.0.77".parse().expect("an address");
            Nas::with(from, daemon.auth(), secret).impatient().ask(&login)
        };
        let within = SOON + Duration::from_millis(400);
        assert_eq!(ask("secret-of-77"), None);
        site.sql.rows(
            "INSERT INTO nas (nasname, shortname, secret) \
             VALUES ('127.0.0.77', 'new', 'secret-of-77')",
        );
        until("the new NAS", within, || ask("secret-of-77"));
        site.sql.rows("UPDATE nas SET secret = 'another-one' WHERE nasname = '127.0.0.77'");
        until("its new secret", within, || ask("another-one"));
        assert_eq!(ask("secret-of-77"), None);
        site.sql.rows("DELETE FROM nas WHERE nasname = '127.0.0.77'");
        until("its end", within, || ask("another-one").is_none().then_some(()));
        assert!(daemon.nas().ask(&login).is_some(), "the others stay");
    });
}

/// A value that is read while it changes is not kept: each change acts, however busy the user is.
#[test]
fn a_fill_that_races_a_change_is_not_kept() {
    on_both(|mut site| {
        site.user("bob", "hello");
        site.row("radreply", "bob", "Reply-Message", "=", "0");
        let daemon = site.start();
        // How soon is another story's; a fill that is kept would stay for ever.
        let within = Duration::from_secs(20);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (daemon, done) = (&daemon, &done);
            for _ in 0..4 {
                scope.spawn(move || {
                    let mut nas = daemon.nas();
                    while !done.load(Ordering::Relaxed) {
                        message(&mut nas, "bob");
                    }
                });
            }
            let _done = Done(done);
            let mut nas = daemon.nas();
            for round in 1..=40 {
                site.sql.rows(&format!("UPDATE radreply SET value = '{round}'"));
                let wanted = round.to_string();
                until(&format!("change {round}"), within, || {
                    message(&mut nas, "bob").filter(|text| *text == wanted)
                });
            }
        });
    });
}

/// Tells the other threads that it is over, however it ends.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A statement over a hundred thousand rows neither fails the other program nor goes unseen.
#[test]
fn a_hundred_thousand_rows_at_once() {
    on_both(|mut site| {
        let rows = match site.engine {
            Engine::Postgres => "generate_series(1, 100000) AS series(n)".to_owned(),
            Engine::Sqlite => {
                "(WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series \
                 WHERE n < 100000) SELECT n FROM series) AS series"
                    .to_owned()
            }
        };
        site.user("bob", "hello");
        let daemon = site.start();
        let mut nas = daemon.nas();
        assert_eq!(message(&mut nas, "bob"), None);
        assert!(nas.ask(&Ask::pap("user77777", "hello")).expect("an answer").is_reject());
        site.sql.rows(&format!(
            "INSERT INTO radcheck (username, attribute, op, value) \
             SELECT 'user' || n, 'Cleartext-Password', ':=', 'hello' FROM {rows}; \
             INSERT INTO radreply (username, attribute, op, value) \
             SELECT 'user' || n, 'Reply-Message', '=', 'one' FROM {rows}"
        ));
        let within = SOON + Duration::from_secs(2);
        for user in ["user1", "user77777", "user100000"] {
            until(user, within, || message(&mut nas, user).filter(|text| text == "one"));
        }
        site.sql.rows("UPDATE radreply SET value = 'two'");
        for user in ["user1", "user77777", "user100000"] {
            until(user, within, || message(&mut nas, user).filter(|text| text == "two"));
        }
        let delete = "DELETE FROM radcheck WHERE username <> 'bob'";
        site.sql.rows(delete);
        for user in ["user1", "user77777", "user100000"] {
            until(user, within, || nas.ask(&Ask::pap(user, "hello"))?.is_reject().then_some(()));
        }
        assert!(nas.ask(&Ask::pap("bob", "hello")).is_some_and(|answer| answer.is_accept()));
    });
}

/// The listener's connection is cut, rows change meanwhile: nothing that was missed is trusted.
#[test]
fn a_lost_listener_is_noticed() {
    let mut site = Site::new(Engine::Postgres);
    site.user("bob", "hello");
    site.row("radreply", "bob", "Reply-Message", "=", "0");
    let daemon = site.start();
    let mut nas = daemon.nas();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for round in 1..=5 {
        assert!(message(&mut nas, "bob").is_some());
        assert!(site.sql.number(cut) > 0);
        site.sql.rows(&format!("UPDATE radreply SET value = '{round}'"));
        let wanted = round.to_string();
        until("the change", Duration::from_secs(10), || {
            message(&mut nas, "bob").filter(|text| *text == wanted)
        });
    }
}

/// Many users at once change while all are asked for: nobody keeps an old answer.
#[test]
fn many_users_change_while_they_log_in() {
    on_both(|mut site| {
        let users: Vec<String> = (0..50).map(|n| format!("user{n}")).collect();
        for user in &users {
            site.user(user, "hello");
            site.row("radreply", user, "Reply-Message", "=", "0");
        }
        let daemon = site.start();
        let mut nas = daemon.nas();
        for round in 1..=10 {
            site.sql.rows(&format!("UPDATE radreply SET value = '{round}'"));
            let changed = Instant::now();
            let wanted = round.to_string();
            for user in &users {
                let left = (SOON * 2).saturating_sub(changed.elapsed());
                let left = left.max(Duration::from_millis(200));
                until(user, left, || message(&mut nas, user).filter(|text| *text == wanted));
            }
        }
    });
}

/// Without a right to make triggers, and with another program that writes: at most 3 s.
#[test]
fn without_triggers_changes_are_polled() {
    let mut site = Site::new(Engine::Postgres);
    site.user("bob", "hello");
    let url = site.sql.value("SELECT current_database()");
    site.sql.rows(
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'reader') \
         THEN CREATE ROLE reader LOGIN; END IF; END $$; \
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; \
         GRANT INSERT, UPDATE ON radacct, radpostauth TO reader; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO reader",
    );
    let port = crate::harness::postgres::shared().port;
    let url = format!("postgres://reader@127.0.0.1:{port}/{url}");
    site.settings.set("store.url", &crate::harness::daemon::text(&url));
    let daemon = site.start();
    let mut nas = daemon.nas();
    assert_eq!(message(&mut nas, "bob"), None);
    let within = Duration::from_secs(4);
    site.row("radreply", "bob", "Reply-Message", "=", "one");
    until("a new row", within, || message(&mut nas, "bob").filter(|text| text == "one"));
    site.row("radgroupreply", "gold", "Reply-Message", ":=", "gold");
    site.group("bob", "gold", 1);
    until("a group", within, || message(&mut nas, "bob").filter(|text| text == "gold"));
    site.sql.rows("UPDATE radgroupreply SET value = 'golden'");
    until("a group's row", within, || message(&mut nas, "bob").filter(|text| text == "golden"));
    site.sql.rows(&format!(
        "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.78', 'new', '{SECRET}')"
    ));
    let from = "127.0.0.78".parse().expect("an address");
    let login = Ask::pap("bob", "hello");
    until("a NAS", within, || Nas::with(from, daemon.auth(), SECRET).impatient().ask(&login));
}
