//! radacct: many sessions in one transaction, by several writers, on both engines.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::both::Place;
use schema::{Ask, Error, Known, Reboot, Reuse, Session, Step, Store, Writes, Written};

fn session(id: &str) -> Session {
    Session {
        acctsessionid: format!("s{id}"),
        acctuniqueid: id.into(),
        username: Some("bob".into()),
        nasipaddress: "2001:db8::1".into(),
        nasportid: Some("7".into()),
        nasporttype: Some(String::new()),
        acctstarttime: Some(1_700_000_000),
        acctupdatetime: Some(1_700_000_000),
        acctsessiontime: Some(0),
        acctauthentic: Some("RADIUS".into()),
        acctinputoctets: Some(0),
        acctoutputoctets: Some(5_000_000_000),
        framedipaddress: Some("192.0.2.9".into()),
        framedipv6prefix: Some("2001:db8:5::/64".into()),
        ..Session::default()
    }
}

fn ask(ids: &[&str]) -> Ask {
    Ask { ids: ids.iter().map(|&id| id.to_owned()).collect(), ..Ask::default() }
}

async fn write(store: &Store, ids: &[&str], writes: Writes) -> Result<Written, Error> {
    store.write_sessions(&ask(ids), |_| Step::Write(writes.clone())).await
}

async fn insert(store: &Store, rows: Vec<Session>) -> Result<Written, Error> {
    write(store, &[], Writes { rows, ..Writes::default() }).await
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    for place in Place::both().await {
        let store = &place.store;
        let new = session("a");
        let written = insert(store, vec![new.clone()]).await.unwrap();
        assert_eq!(written, Written { inserted: 1, updated: 0 });
        let mut row = store.find_session("a").await.unwrap().unwrap();
        assert!(row.radacctid.take().is_some());
        assert_eq!(row, new, "{}", place.url);
        let seen = match place.is_postgres() {
            true => {
                "SELECT nasipaddress, extract(epoch from acctstarttime)::bigint, acctstoptime, \
                     framedipv6prefix, class, realm FROM radacct"
            }
            false => {
                "SELECT nasipaddress, acctstarttime, acctstoptime, framedipv6prefix, class, \
                      realm FROM radacct"
            }
        };
        assert_eq!(place.sql(seen), "2001:db8::1|1700000000||2001:db8:5::/64||");
        assert_eq!(store.find_session("b").await.unwrap(), None);
    }
}

#[tokio::test]
async fn every_kind_of_update() {
    for place in Place::both().await {
        let store = &place.store;
        insert(store, vec![session("a"), session("b"), session("c")]).await.unwrap();
        place.sql("UPDATE radacct SET class = 'kept'");
        let fold = |known: Known| {
            assert_eq!(known.rows.len(), 3);
            let mut rows: Vec<_> = known.rows.into_iter().map(|(row, _)| row).collect();
            for row in &mut rows {
                row.acctinputoctets = Some(99);
                row.acctupdatetime = Some(1_700_000_060);
            }
            rows[1].acctstoptime = Some(1_700_000_060);
            rows[1].acctterminatecause = Some("User-Request".into());
            rows[2].framedipaddress = None;
            rows[2].acctuniqueid = "c2".into();
            Step::Write(Writes { rows, ..Writes::default() })
        };
        let written = store.write_sessions(&ask(&["a", "b", "c", "d"]), fold).await.unwrap();
        assert_eq!(written, Written { inserted: 0, updated: 3 });
        let row = async |id: &str| store.find_session(id).await.unwrap().unwrap();
        for id in ["a", "b", "c2"] {
            assert_eq!(row(id).await.acctinputoctets, Some(99), "{id}");
        }
        assert_eq!(row("a").await.acctstoptime, None);
        assert_eq!(row("b").await.acctterminatecause.as_deref(), Some("User-Request"));
        assert_eq!(row("c2").await.framedipaddress, None);
        assert_eq!(place.sql("SELECT count(*) FROM radacct WHERE class = 'kept'"), "3");
    }
}

/// A plan is made while the tables are empty and kept while they grow.
#[tokio::test]
async fn no_table_is_read_whole() {
    let place = Place::postgres().await;
    let store = &place.store;
    let whole = "SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_user_tables WHERE relname IN \
                 ('radacct', 'mgmt_session_marks', 'mgmt_nas_reboots', 'mgmt_session_reuse')";
    let by_key = "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'radacct'";
    let before = place.sql(whole);
    for round in 0..3 {
        let fold = |known: Known| {
            let mut rows: Vec<_> = known.rows.into_iter().map(|(row, _)| row).collect();
            rows.iter_mut().for_each(|row| row.acctinputoctets = Some(round));
            if rows.is_empty() {
                rows = vec![session("a"), session("b")];
            }
            let marks = rows.iter().map(|row| (row.acctuniqueid.clone(), Some("{}".into())));
            Step::Write(Writes { marks: marks.collect(), rows, ..Writes::default() })
        };
        let asked = Ask { nases: vec!["2001:db8::1".into()], ..ask(&["a", "b"]) };
        store.write_sessions(&asked, fold).await.unwrap();
    }
    store.close().await;
    // What a connection has counted is told when it ends.
    while place.sql(by_key) == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(place.sql(whole), before);
}

#[tokio::test]
async fn marks_reuses_and_reboots() {
    for place in Place::both().await {
        let store = &place.store;
        let reboot = |at, cause: Option<&str>| Reboot {
            nasipaddress: "10.0.0.1".into(),
            at,
            off: false,
            cause: cause.map(Into::into),
        };
        store.record_reboots(&[reboot(500, None), reboot(900, None)]).await.unwrap();
        store.record_reboots(&[reboot(900, Some("Reboot"))]).await.unwrap();
        let writes = Writes {
            rows: vec![session("plain"), session("old1"), session("old2")],
            marks: vec![("plain".into(), Some("{1}".into())), ("old1".into(), Some("{o}".into()))],
            reuses: [("old1", 1_000), ("old2", 2_000)]
                .map(|(id, start)| Reuse {
                    plain_id: "plain".into(),
                    start,
                    acctuniqueid: id.into(),
                })
                .to_vec(),
        };
        write(store, &[], writes).await.unwrap();

        let ask = Ask { ids: vec!["plain".into()], nases: vec!["10.0.0.1".into()], since: 600 };
        let fold = |known: Known| {
            assert_eq!(known.reboots, [reboot(900, Some("Reboot"))]);
            assert_eq!(known.rows[0].1.as_deref(), Some("{1}"));
            if !known.older_are_known {
                assert_eq!(known.older, []);
                // Two events of one session, as a rule, and one of none.
                let wanted = [("plain", 950), ("plain", 970), ("nothing", 5)];
                return Step::Older(wanted.map(|(id, start)| (id.into(), start)).to_vec());
            }
            assert_eq!(known.older.len(), 1, "each session once");
            let older = &known.older[0];
            assert_eq!((older.plain_id.as_str(), older.start), ("plain", 1_000));
            assert_eq!(older.session.acctuniqueid, "old1");
            assert_eq!(older.marks.as_deref(), Some("{o}"));
            let marks = vec![("plain".into(), None), ("old1".into(), Some("{2}".into()))];
            Step::Write(Writes { marks, ..Writes::default() })
        };
        store.write_sessions(&ask, fold).await.unwrap();
        let both = Ask { ids: vec!["old1".into(), "plain".into()], ..ask };
        let look = |known: Known| {
            let marks: Vec<_> = known.rows.iter().map(|(_, marks)| marks.as_deref()).collect();
            assert_eq!(marks, [Some("{2}"), None]);
            Step::Write(Writes::default())
        };
        store.write_sessions(&both, look).await.unwrap();
    }
}

#[tokio::test]
async fn who_comes_second_conflicts_and_leaves_nothing() {
    for place in Place::both().await {
        let store = &place.store;
        insert(store, vec![session("a")]).await.unwrap();
        let late = insert(store, vec![session("0"), session("a")]).await;
        assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
        assert_eq!(store.find_session("0").await.unwrap(), None);
        // The store goes on.
        insert(store, vec![session("0")]).await.unwrap();
    }
}

#[tokio::test]
async fn a_bad_value_is_a_data_error_and_leaves_nothing() {
    let place = Place::postgres().await;
    let store = &place.store;
    for bad in [
        Session { framedipaddress: Some("no address".into()), ..session("x") },
        Session { username: Some("a\0b".into()), ..session("x") },
    ] {
        let refused = insert(store, vec![session("a"), bad]).await;
        assert!(matches!(refused, Err(Error::Data { .. })), "{refused:?}");
        assert_eq!(store.find_session("a").await.unwrap(), None);
    }
    insert(store, vec![session("a")]).await.unwrap();
}

/// Writers that add to the same sessions in every order lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_sessions() {
    const ROUNDS: usize = 40;
    for place in Place::both().await {
        let mut writers = Vec::new();
        for _ in 0..3 {
            let store = place.again().await;
            writers.push(tokio::spawn(async move {
                let ids: Vec<String> = (0..20).map(|id| format!("id{id:02}")).collect();
                let ask = Ask { ids: ids.clone(), ..Ask::default() };
                let mut conflicts = 0;
                for _ in 0..ROUNDS {
                    loop {
                        let fold = |known: Known| {
                            let mut rows: Vec<_> =
                                known.rows.into_iter().map(|(row, _)| row).collect();
                            for row in &mut rows {
                                row.acctinputoctets = row.acctinputoctets.map(|octets| octets + 1);
                            }
                            let missing =
                                |id: &&String| !rows.iter().any(|row| row.acctuniqueid == **id);
                            let one =
                                |id: &String| Session { acctinputoctets: Some(1), ..session(id) };
                            let new: Vec<_> = ids.iter().filter(missing).map(one).collect();
                            rows.extend(new);
                            Step::Write(Writes { rows, ..Writes::default() })
                        };
                        match store.write_sessions(&ask, fold).await {
                            Ok(_) => break,
                            Err(Error::Conflict) => conflicts += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                conflicts
            }));
        }
        for writer in writers {
            let conflicts: i32 = writer.await.unwrap();
            assert!(conflicts < 20, "{conflicts}");
        }
        let all = place.sql("SELECT DISTINCT acctinputoctets FROM radacct");
        assert_eq!(all, (3 * ROUNDS).to_string(), "{}", place.url);
        assert_eq!(place.sql("SELECT count(*) FROM radacct"), "20");
    }
}

fn cut_off(session: Session) -> Session {
    Session { acctterminatecause: Some(schema::SESSION_ID_REUSED.into()), ..session }
}

#[tokio::test]
async fn sessions_of_a_nas_that_went_down() {
    for place in Place::both().await {
        let store = &place.store;
        let at = |id: &str, start: i64, update: i64, stop: Option<i64>| Session {
            nasipaddress: "10.0.0.1".into(),
            acctstarttime: Some(start),
            acctupdatetime: Some(update),
            acctstoptime: stop,
            ..session(id)
        };
        let rows = vec![
            at("open", 100, 200, None),
            at("later", 400, 400, None),
            at("heard", 100, 400, None),
            at("stopped", 100, 150, Some(150)),
            at("next", 100, 900, Some(900)),
            Session { nasipaddress: "10.0.0.2".into(), ..at("other", 100, 200, None) },
            cut_off(at("before", 100, 150, Some(150))),
            cut_off(at("between", 200, 250, Some(250))),
            at("current", 500, 600, None),
            cut_off(at("over", 120, 140, Some(140))),
            at("taken", 150, 160, Some(160)),
        ];
        insert(store, rows).await.unwrap();
        let reuse = |id: &str, plain: &str, start| Reuse {
            acctuniqueid: id.into(),
            plain_id: plain.into(),
            start,
        };
        let reuses =
            [("before", "current", 100), ("between", "current", 200), ("over", "taken", 120)];
        let reuses: Vec<_> = reuses.map(|(id, plain, start)| reuse(id, plain, start)).into();
        let written = |_| Step::Write(Writes { reuses: reuses.clone(), ..Writes::default() });
        store.write_sessions(&Ask::default(), written).await.unwrap();
        let ids = async |next, after, limit| {
            let found = store.sessions_to_close("10.0.0.1", 300, next, after, limit).await.unwrap();
            found.into_iter().map(|session| session.acctuniqueid).collect::<Vec<_>>()
        };
        // "before" was cut off by "between", which began before the reboot; "over" likewise.
        assert_eq!(ids(None, 0, 10).await, ["between", "open"]);
        assert_eq!(ids(Some(900), 0, 10).await, ["between", "next", "open"]);
        let first = store.sessions_to_close("10.0.0.1", 300, Some(900), 0, 1).await.unwrap();
        let rest = ids(Some(900), first[0].radacctid, 10).await;
        assert_eq!((first.len(), rest.len()), (1, 2));
    }
}

/// A session written while a reboot is recorded is seen by one side or the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reboot_waits_for_writers_that_have_not_seen_it() {
    let place = Place::postgres().await;
    let (read, has_read) = std::sync::mpsc::channel();
    let writer = place.again().await;
    let seen = std::sync::Arc::new(AtomicUsize::new(0));
    let seen_by_writer = seen.clone();
    let writing = tokio::task::spawn_blocking(move || {
        tokio::runtime::Handle::current().block_on(async move {
            let ask = Ask { nases: vec!["10.0.0.1".into()], ..Ask::default() };
            let fold = |known: Known| {
                seen_by_writer.store(known.reboots.len(), Ordering::Relaxed);
                read.send(()).ok();
                std::thread::sleep(std::time::Duration::from_millis(300));
                let row = Session { nasipaddress: "10.0.0.1".into(), ..session("a") };
                Step::Write(Writes { rows: vec![row], ..Writes::default() })
            };
            writer.write_sessions(&ask, fold).await.unwrap();
        });
    });
    tokio::task::spawn_blocking(move || has_read.recv().unwrap()).await.unwrap();
    let at = 1_700_000_500;
    let reboot = Reboot { nasipaddress: "10.0.0.1".into(), at, off: false, cause: None };
    place.store.record_reboots(&[reboot]).await.unwrap();
    let found = place.store.sessions_to_close("10.0.0.1", at, None, 0, 10).await.unwrap();
    writing.await.unwrap();
    assert_eq!(found.len() + seen.load(Ordering::Relaxed), 1);
    assert!(place.store.find_session("a").await.unwrap().is_some());
}
