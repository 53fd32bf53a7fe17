//! FreeRADIUS's own role is enough for RADIUS; an owner can add the rest.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::both::options;
use crate::postgres::Cluster;
use schema::{Ask, Attempt, Bounds, Error, Known, Reboot, Session, Step, Store, Writes};

/// A database with FreeRADIUS's tables and its role as its setup.sql makes it.
fn site() -> (&'static Cluster, String) {
    let cluster = Cluster::shared();
    cluster.psql(
        "postgres",
        "DO $$ BEGIN CREATE ROLE radius LOGIN; EXCEPTION WHEN OTHERS THEN END $$",
    );
    let name = cluster.database("template1");
    let tables = include_str!("../migrations/postgres/0001_radius.sql");
    cluster.psql(&name, tables);
    cluster.psql(
        &name,
        "DROP TABLE radippool; \
         GRANT SELECT ON radcheck, radreply, radusergroup, radgroupcheck, radgroupreply, nas TO radius; \
         GRANT SELECT, INSERT, UPDATE ON radacct, radpostauth, nasreload TO radius; \
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO radius; \
         INSERT INTO radcheck (username, attribute, op, value) VALUES ('bob', 'A', ':=', 'v'); \
         INSERT INTO nas (nasname, shortname, secret) VALUES ('10.0.0.1', 'a', 'b')",
    );
    (cluster, name)
}

async fn radius_works(store: &Store, id: &str) {
    assert_eq!(store.users_rows(&["bob"]).await.unwrap().len(), 1);
    assert_eq!(store.groups_rows(None).await.unwrap().len(), 0);
    assert_eq!(store.list_nas().await.unwrap().len(), 1);
    assert_eq!(store.list_named_nas().await.unwrap().len(), 0);
    assert_eq!(store.huntgroups().await.unwrap().len(), 0);
    let row = Session {
        acctuniqueid: id.into(),
        nasipaddress: "10.0.0.1".into(),
        username: Some("bob".into()),
        acctstarttime: Some(1_000),
        ..Session::default()
    };
    let insert = |_: Known| {
        let marks = vec![(id.to_owned(), Some("{}".to_owned()))];
        Step::Write(Writes { rows: vec![row.clone()], marks, ..Writes::default() })
    };
    let ask = Ask { ids: vec![id.into()], nases: vec!["10.0.0.1".into()], since: 0 };
    store.write_sessions(&ask, insert).await.unwrap();
    let update = |known: Known| {
        let mut rows: Vec<_> = known.rows.into_iter().map(|(row, _)| row).collect();
        rows[0].acctsessiontime = Some(60);
        Step::Write(Writes { rows, ..Writes::default() })
    };
    store.write_sessions(&ask, update).await.unwrap();
    assert!(store.session_seconds_ever(&["bob"]).await.unwrap() >= Some(60));
    assert!(!store.open_sessions(&["bob"]).await.unwrap().is_empty());
    let reboot = Reboot { nasipaddress: "10.0.0.1".into(), at: 1, off: false, cause: None };
    store.record_reboots(&[reboot]).await.unwrap();
    assert_eq!(store.sessions_to_close("10.0.0.1", 2_000, Some(5), 0, 1).await.unwrap().len(), 1);
    let attempt =
        Attempt { username: "bob".into(), trace: Some("{}".into()), ..Attempt::default() };
    store.write_attempts(&[attempt], Bounds { per_user: 1, in_all: 1 }).await.unwrap();
    store.purge_attempts(0, 10).await.unwrap();
    store.last_accept("bob").await.unwrap();
}

#[tokio::test]
async fn freeradius_own_role_is_enough() {
    let (cluster, name) = site();
    let store = Store::open(&options(&cluster.url_as("radius", &name))).await.unwrap();
    let report = store.migrate().await.unwrap();
    assert_eq!(report.applied, Vec::<String>::new());
    assert!(report.lacking.iter().any(|text| text.contains("permission denied")), "{report:?}");
    let status = store.status().await.unwrap();
    assert!(!status.ours && !status.notified);
    radius_works(&store, "x").await;
    let refused =
        store.remove_user(&crate::operators::actor(), schema::Scope::Everything, "bob").await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
}

#[tokio::test]
async fn an_owner_runs_what_is_printed() {
    let (cluster, name) = site();
    let url = cluster.url_as("radius", &name);
    let store = Store::open(&options(&url)).await.unwrap();
    let sql = store.print_sql().await.unwrap();
    cluster.psql(&name, &sql);
    let store = Store::open(&options(&url)).await.unwrap();
    let status = store.status().await.unwrap();
    assert!(status.ours && status.notified, "{status:?}");
    assert_eq!(status.lacking, Vec::<String>::new());
    let report = store.migrate().await.unwrap();
    assert_eq!((report.applied, report.lacking), (vec![], vec![]));
    assert_eq!(store.print_sql().await.unwrap(), "");
    radius_works(&store, "y").await;
    assert_eq!(store.list_traces("bob", 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_owner_of_an_empty_database() {
    let (cluster, _) = site();
    let name = cluster.database("template1");
    let url = cluster.url_as("radius", &name);
    let store = Store::open(&options(&url)).await.unwrap();
    let refused = store.migrate().await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    cluster.psql(&name, &store.print_sql().await.unwrap());
    let store = Store::open(&options(&url)).await.unwrap();
    let status = store.status().await.unwrap();
    assert!(status.ours && status.notified, "{status:?}");
    assert_eq!(status.lacking, Vec::<String>::new());
    assert!(
        store
            .remove_user(&crate::operators::actor(), schema::Scope::Everything, "bob")
            .await
            .is_ok()
    );
}
