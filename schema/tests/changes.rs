//! Changes of any program are told in time, whatever breaks meanwhile.

use std::time::{Duration, Instant};

use crate::both::{Place, options};
use crate::postgres::Cluster;
use schema::{Change, Options, Store, User};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// The next that is no heartbeat.
async fn next(changes: &mut Receiver<Change>, within: Duration) -> Option<Change> {
    let until = Instant::now() + within;
    loop {
        let left = until.checked_duration_since(Instant::now())?;
        match timeout(left, changes.recv()).await.ok()?? {
            Change::Heartbeat => {}
            change => return Some(change),
        }
    }
}

async fn started(store: &Store) -> Receiver<Change> {
    let mut changes = store.changes();
    let first = next(&mut changes, Duration::from_secs(5)).await;
    assert_eq!(first, Some(Change::Everything));
    changes
}

fn key(name: &str) -> [u8; 16] {
    Store::change_key(name)
}

const SOON: Duration = Duration::from_millis(500);

#[tokio::test]
async fn another_programs_rows_on_postgres() {
    let place = Place::postgres().await;
    let mut changes = started(&place.store).await;
    let user = |name| Some(Change::Users(vec![key(name)]));
    for (sql, change) in [
        ("INSERT INTO radcheck (username, attribute) VALUES ('bob', 'x')", user("bob")),
        ("UPDATE radcheck SET value = 'y' WHERE username = 'bob'", user("bob")),
        ("DELETE FROM radcheck WHERE username = 'bob'", user("bob")),
        ("INSERT INTO radreply (username, attribute) VALUES ('名前', 'x')", user("名前")),
        ("INSERT INTO radusergroup (username, groupname) VALUES ('eve', 'g')", user("eve")),
        (
            "INSERT INTO radgroupreply (groupname, attribute) VALUES ('gold', 'x')",
            Some(Change::Groups(vec![key("gold")])),
        ),
        (
            "INSERT INTO nas (nasname, shortname, secret) VALUES ('10.0.0.1', 'a', 'b')",
            Some(Change::Nas),
        ),
        ("TRUNCATE radreply", Some(Change::AllUsers)),
        ("TRUNCATE radgroupcheck", Some(Change::AllGroups)),
    ] {
        let began = Instant::now();
        place.sql(sql);
        assert_eq!(next(&mut changes, SOON).await, change, "{sql}");
        assert!(began.elapsed() < Duration::from_millis(400), "{sql}");
    }
    // A renamed user is told under both names; a statement that touches nothing is not told.
    place.sql("UPDATE radusergroup SET username = 'adam' WHERE username = 'nobody'");
    place.sql("UPDATE radusergroup SET username = 'adam' WHERE username = 'eve'");
    let mut both = vec![key("adam"), key("eve")];
    both.sort_unstable();
    assert_eq!(next(&mut changes, SOON).await, Some(Change::Users(both)));
    // Also by a session that replays another server's writes.
    place.sql("SET session_replication_role = replica; DELETE FROM radusergroup");
    assert_eq!(next(&mut changes, SOON).await, user("adam"));
    assert_eq!(next(&mut changes, SOON).await, None);
}

#[tokio::test]
async fn a_statement_that_touches_a_hundred_thousand_rows() {
    let place = Place::postgres().await;
    let mut changes = started(&place.store).await;
    let began = Instant::now();
    place.sql("INSERT INTO radcheck (username, attribute, op, value) \
               SELECT 'user' || n, 'Cleartext-Password', ':=', 'x' FROM generate_series(1, 100000) n");
    assert_eq!(next(&mut changes, SOON).await, Some(Change::AllUsers));
    assert!(began.elapsed() < Duration::from_secs(10));
    place.sql("UPDATE radcheck SET value = 'y'");
    assert_eq!(next(&mut changes, SOON).await, Some(Change::AllUsers));
    // A hundred names are told one by one, and many rows of one name as that one.
    place.sql("DELETE FROM radcheck WHERE id <= 100");
    let Some(Change::Users(keys)) = next(&mut changes, SOON).await else { panic!() };
    let mut told = keys.len();
    while told < 100 {
        let Some(Change::Users(keys)) = next(&mut changes, SOON).await else { panic!("{told}") };
        told += keys.len();
    }
    assert_eq!(told, 100);
    place.sql(
        "INSERT INTO radreply (username, attribute) SELECT 'one', 'x' \
               FROM generate_series(1, 100000)",
    );
    assert_eq!(next(&mut changes, SOON).await, Some(Change::Users(vec![key("one")])));
    assert_eq!(next(&mut changes, SOON).await, None);
}

#[tokio::test]
async fn our_trigger_never_fails_another_programs_statement() {
    let place = Place::postgres().await;
    place.sql(
        "CREATE ROLE stranger LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO stranger; \
               GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO stranger",
    );
    let mut changes = started(&place.store).await;
    let cluster = Cluster::shared();
    let insert = "INSERT INTO radcheck (username, attribute) VALUES ('bob', 'x')";
    // It may not even use our schema.
    cluster.psql_as("stranger", place.database(), insert).unwrap();
    assert_eq!(next(&mut changes, SOON).await, Some(Change::Users(vec![key("bob")])));
    // A broken function of ours.
    place.sql(
        "CREATE OR REPLACE FUNCTION mgmt.md5(bytea) RETURNS text LANGUAGE sql AS 'SELECT 1/0'; \
               ALTER FUNCTION mgmt.mgmt_notify_username() SET search_path = mgmt, pg_catalog",
    );
    place.sql(
        "DROP FUNCTION mgmt.md5(bytea); CREATE FUNCTION mgmt.md5(bytea) RETURNS text \
               LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no md5 here''; END'",
    );
    cluster.psql_as("postgres", place.database(), insert).unwrap();
    assert_eq!(next(&mut changes, SOON).await, Some(Change::AllUsers), "told without a key");
}

#[tokio::test]
async fn a_lost_listener_comes_back_and_drops_everything() {
    let place = Place::postgres().await;
    let mut changes = started(&place.store).await;
    place.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let back = next(&mut changes, Duration::from_secs(3)).await;
    assert_eq!(back, Some(Change::Everything));
    // Those of the pool were lost too.
    assert!(place.store.users_rows(&["bob"]).await.is_ok());
    place.sql("INSERT INTO radcheck (username, attribute) VALUES ('bob', 'x')");
    assert_eq!(next(&mut changes, SOON).await, Some(Change::Users(vec![key("bob")])));
}

#[tokio::test]
async fn the_store_goes_away_and_comes_back() {
    let cluster = Cluster::start();
    let url = cluster.url(&cluster.database("template1"));
    let store = Store::open(&options(&url)).await.unwrap();
    store.migrate().await.unwrap();
    let mut changes = started(&store).await;
    cluster.stop();
    assert!(store.users_rows(&["bob"]).await.is_err_and(|error| error.is_retryable()));
    let until = Instant::now() + Duration::from_secs(3);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        // Nothing is dropped while it can't be read again.
        match timeout(left, changes.recv()).await {
            Ok(Some(Change::Heartbeat)) | Err(_) => {}
            other => panic!("{other:?}"),
        }
    }
    cluster.resume();
    let back = next(&mut changes, Duration::from_secs(6)).await;
    assert_eq!(back, Some(Change::Everything));
    assert!(store.users_rows(&["bob"]).await.is_ok());
}

#[tokio::test]
async fn without_triggers_everything_is_new_every_two_seconds() {
    let place = Place::on_postgres(Cluster::shared().database("template1")).await;
    place.store.migrate().await.unwrap();
    let mut changes = started(&place.store).await;
    assert_eq!(next(&mut changes, Duration::from_secs(3)).await, None, "with triggers: silence");
    // As after a dump was restored over it.
    place.sql("DROP TRIGGER mgmt_changed_insert ON radcheck");
    assert!(!place.store.status().await.unwrap().notified);
    for _ in 0..2 {
        let polled = next(&mut changes, Duration::from_secs(5)).await;
        assert_eq!(polled, Some(Change::Everything));
    }
    place.store.migrate().await.unwrap();
    assert!(place.store.status().await.unwrap().notified);
}

#[tokio::test]
async fn a_listener_that_never_connects_leaves_the_pool() {
    let place = Place::postgres().await;
    let listen_url = Some("postgres://postgres@127.0.0.1:1/nowhere".into());
    let store = Store::open(&Options { listen_url, ..options(&place.url) }).await.unwrap();
    let mut changes = store.changes();
    for _ in 0..2 {
        let polled = next(&mut changes, Duration::from_secs(8)).await;
        assert_eq!(polled, Some(Change::Everything));
    }
}

#[tokio::test]
async fn another_process_on_sqlite() {
    let place = Place::sqlite().await;
    let mut changes = started(&place.store).await;
    place.sql("INSERT INTO radcheck (username, attribute) VALUES ('bob', 'x')");
    assert_eq!(next(&mut changes, SOON).await, Some(Change::Everything));
    // Our own writes are told by name, and don't count as another's.
    let (attribute, op, value) = ("x".into(), ":=".into(), String::new());
    let check = vec![schema::Row { id: 0, attribute, op, value }];
    let user = User { name: "eve".into(), check, ..User::default() };
    place
        .store
        .add_user(&crate::operators::actor(), schema::Scope::Everything, &user.clone().into(), None)
        .await
        .unwrap();
    assert_eq!(next(&mut changes, SOON).await, Some(Change::Users(vec![key("eve")])));
    assert_eq!(next(&mut changes, Duration::from_secs(1)).await, None);
}
