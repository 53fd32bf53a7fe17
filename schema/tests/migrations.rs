//! The tables: made from nothing, found and left alone, the same on both engines.

use std::collections::BTreeSet;

use crate::both::{Place, options};
use crate::postgres::Cluster;
use schema::{Error, Store};

#[tokio::test]
async fn an_empty_store_gets_all_once() {
    for place in Place::both_empty().await {
        let store = &place.store;
        assert!(!store.status().await.unwrap().ours);
        let report = store.migrate().await.unwrap();
        let all = [
            "0001_radius",
            "0002_attempts",
            "0003_sessions",
            "0004_nas",
            "0005_usage",
            "0006_archive",
            "0007_operators",
            "0008_audit",
            "0009_factors",
            "0010_tenants",
            "0011_coa",
            "0012_attempt_counts",
            "0013_users",
        ];
        assert_eq!(report.applied, all);
        assert!(!report.taken);
        assert_eq!(report.lacking, Vec::<String>::new());
        let status = store.status().await.unwrap();
        assert!(status.ours && status.notified);
        assert_eq!(status.lacking, Vec::<String>::new());
        assert!(status.migrations.iter().all(|(_, applied)| *applied));
        let again = store.migrate().await.unwrap();
        assert_eq!((again.applied, again.added), (vec![], vec![]), "{}", place.url);
        assert_eq!(store.print_sql().await.unwrap(), "");
    }
}

#[tokio::test]
async fn two_processes_migrate_at_once() {
    for place in Place::both_empty().await {
        let (a, b) = (place.again().await, place.again().await);
        let (a, b) = tokio::join!(a.migrate(), b.migrate());
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.applied.len() + b.applied.len(), 13, "{a:?} {b:?}");
        assert_eq!(place.again().await.migrate().await.unwrap().applied, Vec::<String>::new());
        let history = place.ours("mgmt_migrations");
        assert_eq!(place.sql(&format!("SELECT count(*) FROM {history}")), "13");
    }
}

#[tokio::test]
async fn every_statement_prepares() {
    for place in Place::both().await {
        let count = place.again().await.prepare_every_statement().await.unwrap();
        assert!(count > 50, "{count}");
    }
}

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let [postgres, sqlite] = Place::both().await;
    let postgres = postgres.sql(
        "SELECT table_name || '.' || column_name FROM information_schema.columns \
         WHERE table_schema IN ('public', 'mgmt')",
    );
    let sqlite = sqlite.sql(
        "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' \
         AND m.name NOT LIKE 'mgmt_users_searched%'",
    );
    let set = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let mut sqlite = set(&sqlite);
    // FreeRADIUS itself has these on PostgreSQL only.
    sqlite.insert("radpostauth.calledstationid".into());
    sqlite.insert("radpostauth.callingstationid".into());
    assert_eq!(set(&postgres), sqlite);
    assert!(sqlite.contains("mgmt_session_marks.state"));
}

/// FreeRADIUS's own schema file, if Debian's package is here.
fn shipped(path: &str) -> Option<String> {
    std::fs::read_to_string(format!("/etc/freeradius/3.0/mods-config/sql/{path}/schema.sql")).ok()
}

#[tokio::test]
async fn an_empty_postgres_gets_what_freeradius_makes() {
    let (Some(main), Some(pool)) = (shipped("main/postgresql"), shipped("ippool/postgresql"))
    else {
        return;
    };
    let theirs = Place::on_postgres(Cluster::shared().database("template1")).await;
    theirs.sql(&main);
    theirs.sql(&pool);
    let ours = Place::on_postgres(Cluster::shared().database("template1")).await;
    ours.store.migrate_tables().await.unwrap();
    let tables = "SELECT table_name, column_name, data_type, column_default, is_nullable, \
        character_maximum_length FROM information_schema.columns WHERE table_schema = 'public' \
        ORDER BY table_name, ordinal_position";
    assert_eq!(ours.sql(tables), theirs.sql(tables));
    let indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";
    assert_eq!(ours.sql(indexes), theirs.sql(indexes));
}

#[tokio::test]
async fn an_empty_sqlite_gets_what_freeradius_makes() {
    let (Some(main), Some(pool)) = (shipped("main/sqlite"), shipped("ippool/sqlite")) else {
        return;
    };
    let theirs = Place::empty_sqlite().await;
    theirs.sql(&main);
    theirs.sql(&pool);
    let ours = Place::empty_sqlite().await;
    ours.store.migrate_tables().await.unwrap();
    let tables = "SELECT m.name, c.name, lower(c.type), c.\"notnull\", \
        lower(replace(c.dflt_value, 'NULL', '')) \
        FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
        AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'mgmt_%' \
        AND m.name || c.name <> 'radippoolid' ORDER BY m.name, c.name";
    assert_eq!(ours.sql(tables), theirs.sql(tables));
    let indexes = "SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' \
        AND tbl_name NOT LIKE 'mgmt_%' AND name NOT LIKE 'sqlite_%' ORDER BY 1, 2";
    assert_eq!(ours.sql(indexes), theirs.sql(indexes));
}

#[tokio::test]
async fn a_site_is_taken_as_it_is() {
    for place in Place::both_empty().await {
        let file = if place.is_postgres() { "main/postgresql" } else { "main/sqlite" };
        let Some(theirs) = shipped(file) else { return };
        place.sql(&theirs);
        place.sql(
            "INSERT INTO radcheck (username, attribute, op, value) \
                   VALUES ('bob', 'Cleartext-Password', ':=', 'secret')",
        );
        let before = rows_of_theirs(&place);
        let report = place.again().await.migrate().await.unwrap();
        assert!(report.taken);
        assert_eq!(
            report.applied,
            [
                "0002_attempts",
                "0003_sessions",
                "0004_nas",
                "0005_usage",
                "0006_archive",
                "0007_operators",
                "0008_audit",
                "0009_factors",
                "0010_tenants",
                "0011_coa",
                "0012_attempt_counts",
                "0013_users",
            ]
        );
        assert_eq!(rows_of_theirs(&place), before);
        let store = place.again().await;
        store.prepare_every_statement().await.unwrap();
        assert_eq!(store.status().await.unwrap().lacking, Vec::<String>::new());
        assert_eq!(store.users_rows(&["bob"]).await.unwrap()[0].check[0].value, "secret");
    }
}

/// Columns and rows of FreeRADIUS's tables.
fn rows_of_theirs(place: &Place) -> String {
    let columns = match place.is_postgres() {
        true => {
            "SELECT table_name, column_name, data_type FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY 1, 2"
        }
        false => {
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name LIKE 'rad%' ORDER BY name"
        }
    };
    place.sql(columns) + &place.sql("SELECT * FROM radcheck")
}

#[tokio::test]
async fn an_old_site_lacks_columns() {
    for place in Place::both_empty().await {
        let file = if place.is_postgres() { "main/postgresql" } else { "main/sqlite" };
        let Some(theirs) = shipped(file) else { return };
        place.sql(&theirs);
        if !place.is_postgres() {
            place.sql(
                "DROP INDEX class; DROP INDEX radpostauth_class;
                       DROP INDEX framedipv6prefix; DROP INDEX delegatedipv6prefix",
            );
        }
        place.sql(
            "ALTER TABLE radacct DROP COLUMN class; ALTER TABLE radpostauth DROP COLUMN class;
             ALTER TABLE radacct DROP COLUMN framedipv6prefix;
             ALTER TABLE radacct DROP COLUMN delegatedipv6prefix;
             ALTER TABLE nas DROP COLUMN community; DROP TABLE nasreload",
        );
        if place.is_postgres() {
            place.sql("ALTER TABLE radusergroup DROP COLUMN id");
        }
        place.sql(
            "INSERT INTO radusergroup (username, groupname, priority) \
                   VALUES ('bob', 'silver', 2), ('bob', 'gold', 1)",
        );
        let store = place.again().await;
        store.migrate().await.unwrap();
        assert_eq!(store.users_rows(&["bob"]).await.unwrap()[0].groups, ["gold", "silver"]);
        assert_eq!(store.open_sessions(&["bob"]).await.unwrap(), []);
        assert_eq!(store.huntgroups().await.unwrap(), []);
        assert_eq!(store.list_nas().await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_is_not_freeradius_is_refused() {
    for place in Place::both_empty().await {
        place.sql("CREATE TABLE radcheck (id integer, username varchar(64))");
        let Err(Error::Schema(message)) = Store::open(&options(&place.url)).await else {
            panic!("opened")
        };
        assert!(message.contains("radcheck has no column attribute"), "{message}");
        place.sql("DROP TABLE radcheck; CREATE TABLE radacct (radacctid integer)");
        assert!(matches!(Store::open(&options(&place.url)).await, Err(Error::Schema(_))));
    }
}

#[tokio::test]
async fn a_newer_store_is_refused() {
    for place in Place::both().await {
        place.sql(match place.is_postgres() {
            true => "INSERT INTO mgmt.mgmt_migrations VALUES (9999, '9999_future', 0, false)",
            false => "INSERT INTO mgmt_migrations VALUES (9999, '9999_future', 0, 0)",
        });
        let opened = Store::open(&options(&place.url)).await;
        assert!(matches!(opened, Err(Error::Schema(message)) if message.contains("9999")));
    }
}

#[tokio::test]
async fn ways_to_a_store() {
    let place = Place::postgres().await;
    let socket = Cluster::shared().socket_url(place.database());
    assert!(Store::open(&options(&socket)).await.is_ok());
    let refused = Store::open(&options("postgres://x@127.0.0.1:1/x")).await;
    assert!(matches!(&refused, Err(Error::Away(message)) if message.contains("refused")));
    let url = Cluster::shared().url("nowhere");
    assert!(matches!(Store::open(&options(&url)).await, Err(Error::Away(_))));
    let url = Cluster::shared().url_as("nobody", place.database());
    assert!(matches!(Store::open(&options(&url)).await, Err(Error::Denied(_))));
    assert!(matches!(Store::open(&options("mysql://x")).await, Err(Error::Options(_))));
    let nowhere = Store::open(&options("sqlite:/nowhere/at/all.db")).await;
    assert!(matches!(nowhere, Err(Error::Away(_))));
}

/// A store that is away at first: nothing gets through before its tables are ours, all does then.
#[tokio::test]
async fn a_store_that_is_reached_later() {
    for place in Place::both_empty().await {
        let store = Store::unopened(&options(&place.url)).unwrap();
        assert!(!store.is_open());
        let mut changes = store.changes();
        assert!(matches!(store.list_nas().await, Err(Error::Away(_))));
        assert!(matches!(store.record_reboots(&[]).await, Err(Error::Away(_))));
        assert!(matches!(store.ping().await, Err(Error::Away(_))));
        assert!(changes.try_recv().is_err(), "nothing is told");
        let report = store.reach().await.unwrap();
        assert!(!report.applied.is_empty() && store.is_open());
        assert_eq!(store.list_nas().await.unwrap(), []);
        let first = tokio::time::timeout(std::time::Duration::from_secs(10), changes.recv()).await;
        assert_eq!(first.unwrap(), Some(schema::Change::Everything));
        store.reach().await.unwrap();
        store.close().await;
    }
    let away = Store::unopened(&options("postgres://x@127.0.0.1:1/x")).unwrap();
    assert!(matches!(away.reach().await, Err(Error::Away(_))));
    assert!(matches!(away.list_nas().await, Err(Error::Away(_))));
    assert!(matches!(Store::unopened(&options("mysql://x")), Err(Error::Options(_))));
}
