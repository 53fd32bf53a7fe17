//! Usage beside radacct: equal to it at every moment, whoever writes, whatever was there before.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::both::Place;
use schema::{Amount, Ask, By, Error, Known, Session, Step, Store, Total, UsageFilter, Writes};

const START: i64 = 1_700_000_000;
/// The hour it lies in, in UTC.
const HOUR: i64 = START - START % 3_600;

fn session(id: &str, user: &str) -> Session {
    Session {
        acctsessionid: format!("s{id}"),
        acctuniqueid: id.into(),
        username: Some(user.into()),
        nasipaddress: "2001:db8::1".into(),
        calledstationid: Some("ap1".into()),
        acctstarttime: Some(START),
        acctupdatetime: Some(START),
        acctsessiontime: Some(0),
        acctinputoctets: Some(0),
        acctoutputoctets: Some(0),
        ..Session::default()
    }
}

/// A session goes on by so many seconds, with ten and a hundred octets each.
fn advance(session: &mut Session, seconds: i64) {
    let add = |value: &mut Option<i64>, more: i64| *value = value.map(|value| value + more);
    add(&mut session.acctupdatetime, seconds);
    add(&mut session.acctsessiontime, seconds);
    add(&mut session.acctinputoctets, seconds * 10);
    add(&mut session.acctoutputoctets, seconds * 100);
}

/// Changes those rows, and makes those that are missing, until no other writer is first.
async fn change(store: &Store, ids: &[String], of: impl Fn(&mut Session) + Send + Sync) {
    let ask = Ask { ids: ids.to_vec(), ..Ask::default() };
    loop {
        let fold = |known: Known| {
            let mut rows: Vec<_> = known.rows.into_iter().map(|(row, _)| row).collect();
            let missing = |id: &&String| !rows.iter().any(|row| row.acctuniqueid == **id);
            let new: Vec<_> = ids.iter().filter(missing).map(|id| session(id, "bob")).collect();
            rows.extend(new);
            rows.iter_mut().for_each(&of);
            Step::Write(Writes { rows, ..Writes::default() })
        };
        match store.write_sessions(&ask, fold).await {
            Ok(_) => return,
            Err(Error::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| format!("id{id:03}")).collect()
}

/// Nothing differs; what all sessions hold that count.
async fn equal(store: &Store) -> Amount {
    let compared = store.compare_usage(5).await.unwrap();
    assert_eq!((compared.differing, &compared.differences), (0, &vec![]), "{compared:?}");
    assert_eq!(compared.usage, compared.sessions);
    compared.sessions
}

async fn hours(store: &Store) -> Vec<(i64, i64, i64)> {
    let found = store.usage_of_user("bob", 0, i64::MAX, 1_000).await.unwrap();
    let hour = |usage: schema::Usage| {
        ((usage.hour - HOUR) / 3_600, usage.amount.input_octets, usage.amount.sessions)
    };
    found.into_iter().map(hour).collect()
}

#[tokio::test]
async fn what_sessions_use_is_told_by_the_hour() {
    for place in Place::both().await {
        let store = &place.store;
        store.begin_usage().await.unwrap();
        let one = ids(0..1);
        change(store, &one, |_| ()).await;
        assert_eq!(hours(store).await, [(0, 0, 1)]);
        change(store, &one, |row| advance(row, 3_600)).await;
        // 22:13:20 to 23:13:20
        assert_eq!(hours(store).await, [(0, 28_000, 1), (1, 8_000, 0)]);
        change(store, &one, |_| ()).await;
        let before = equal(store).await;
        assert_eq!((before.input_octets, before.sessions), (36_000, 1));

        // It turns out to be another user's, and to have begun sooner.
        let renamed = |row: &mut Session| {
            row.username = Some("alice".into());
            row.acctstarttime = Some(START - 3_600);
        };
        change(store, &one, renamed).await;
        assert_eq!(equal(store).await, before);
        let bobs: i64 = hours(store).await.iter().map(|(_, octets, _)| octets).sum();
        assert_eq!(bobs, 0);

        change(store, &ids(1..4), |row| advance(row, 60)).await;
        let filter = UsageFilter { since: HOUR - 7_200, until: HOUR + 7_200, ..Default::default() };
        let users = store.usage_totals(&filter, By::User, 10).await.unwrap();
        let told: Vec<_> =
            users.iter().map(|Total { key, amount }| (&key[..], amount.input_octets)).collect();
        assert_eq!(told, [("alice", 36_000), ("bob", 1_800)]);
        let one = UsageFilter { username: Some("bob".into()), ..filter.clone() };
        assert_eq!(store.usage_totals(&one, By::Nas, 10).await.unwrap()[0].key, "2001:db8::1");
        assert_eq!(store.usage_totals(&one, By::Hour, 10).await.unwrap()[0].key, HOUR.to_string());
        let none = UsageFilter { calledstationid: Some("ap2".into()), ..filter };
        assert_eq!(store.usage_totals(&none, By::CalledStation, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_row_of_another_program_differs_until_all_is_counted_anew() {
    for place in Place::both().await {
        let store = &place.store;
        store.begin_usage().await.unwrap();
        change(store, &ids(0..3), |row| advance(row, 60)).await;
        place.sql("UPDATE radacct SET acctinputoctets = 7 WHERE acctuniqueid = 'id001'");
        let compared = store.compare_usage(5).await.unwrap();
        assert_eq!((compared.compared, compared.differing), (1, 1));
        let found = &compared.differences[0];
        assert_eq!((&found.username[..], &found.calledstationid[..]), ("bob", "ap1"));
        assert_eq!((found.usage.input_octets, found.sessions.input_octets), (1_800, 1_207));
        let filled = store.rebuild_usage().await.unwrap();
        assert!(!filled.is_complete() && filled.left() == 3, "{filled:?}");
        while !store.fill_usage(2).await.unwrap().is_complete() {}
        assert_eq!(equal(store).await.input_octets, 1_207);
    }
}

#[tokio::test]
async fn absurd_counters_overflow_nothing() {
    for place in Place::both().await {
        let store = &place.store;
        store.begin_usage().await.unwrap();
        change(store, &ids(0..5), |row| row.acctinputoctets = Some(i64::MAX)).await;
        change(store, &ids(0..5), |row| row.acctsessiontime = Some(i64::MAX)).await;
        assert_eq!(equal(store).await.input_octets, 5 << 56);
    }
}

#[tokio::test]
async fn nothing_is_counted_before_it_has_begun() {
    for place in Place::both().await {
        let store = &place.store;
        change(store, &ids(0..3), |row| advance(row, 60)).await;
        change(store, &ids(0..3), |row| advance(row, 60)).await;
        assert_eq!(store.usage_filled().await.unwrap().upto, None);
        assert_eq!(hours(store).await, []);
        let filled = store.begin_usage().await.unwrap();
        assert_eq!((filled.upto, filled.filled), (Some(3), 0));
        // Another process that has not heard of it.
        change(&place.again().await, &ids(2..5), |row| advance(row, 60)).await;
        assert_eq!(equal(store).await.sessions, 2);
        assert!(store.fill_usage(10).await.unwrap().is_complete());
        assert_eq!(equal(store).await.input_octets, (3 * 120 + 3 * 60) * 10);
    }
}

/// Writers of two processes at the same sessions, and a look at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_sessions_count_each_change_once() {
    const ROUNDS: usize = 25;
    for place in Place::both().await {
        place.store.begin_usage().await.unwrap();
        let mut writers = Vec::new();
        for at in 0..3 {
            let store = place.again().await;
            writers.push(tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let first = (at * 3 + round) % 10;
                    change(&store, &ids(first..first + 10), |row| advance(row, 700)).await;
                }
            }));
        }
        for _ in 0..5 {
            equal(&place.store).await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let sum = equal(&place.store).await;
        assert_eq!(sum.input_octets, (3 * ROUNDS * 10) as i64 * 7_000, "{}", place.url);
    }
}

/// The sessions that were there are counted while writers go on with them and make more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_fill_beside_writers_counts_each_session_once() {
    for place in Place::both().await {
        change(&place.store, &ids(0..120), |row| advance(row, 5_000)).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut writers = Vec::new();
        for at in 0..2 {
            let (store, over) = (place.again().await, over.clone());
            writers.push(tokio::spawn(async move {
                let mut round: usize = at * 30;
                while !over.load(Ordering::Relaxed) {
                    let first = round * 7 % 120;
                    change(&store, &ids(first..first + 20), |row| advance(row, 60)).await;
                    round += 1;
                }
            }));
        }
        let other = place.again().await;
        place.store.begin_usage().await.unwrap();
        loop {
            // Two nodes take turns.
            place.store.fill_usage(11).await.unwrap();
            equal(&place.store).await;
            if other.fill_usage(7).await.unwrap().is_complete() {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        let whole = "SELECT count(*), CAST(sum(acctinputoctets) AS bigint) FROM radacct";
        let sum = equal(&place.store).await;
        assert_eq!(place.sql(whole), format!("{}|{}", sum.sessions, sum.input_octets));
    }
}

fn close(row: &mut Session, at: i64) {
    row.acctstoptime = Some(at);
    row.acctupdatetime = Some(at);
    row.acctinputoctets = Some(1_000);
    row.acctterminatecause = Some("User-Request".into());
}

async fn archived(place: &Place) -> String {
    place.sql(&format!(
        "SELECT acctuniqueid, acctstoptime, marks FROM {} ORDER BY 1, 2",
        place.ours("mgmt_radacct_archive")
    ))
}

#[tokio::test]
async fn an_archived_session_stays_counted_and_comes_back_for_a_late_record() {
    for place in Place::both().await {
        let store = &place.store;
        store.begin_usage().await.unwrap();
        change(store, &ids(0..4), |_| ()).await;
        change(store, &ids(0..2), |row| close(row, START + 100)).await;
        change(store, &ids(2..3), |row| close(row, START + 40 * 86_400)).await;
        let marks = vec![("id000".into(), Some("{m}".into()))];
        let mark = |_: Known| Step::Write(Writes { marks: marks.clone(), ..Writes::default() });
        store.write_sessions(&Ask::default(), mark).await.unwrap();
        place.sql("UPDATE radacct SET class = 'kept' WHERE acctuniqueid = 'id000'");
        let other = place.again().await;
        change(&other, &ids(3..4), |_| ()).await;
        let before = equal(store).await;
        let held = store.find_session("id000").await.unwrap();

        // Two months, one at a time.
        while store.archive_sessions(START + 50 * 86_400, 2).await.unwrap() > 0 {}
        assert_eq!(place.sql("SELECT acctuniqueid FROM radacct"), "id003");
        let marks = format!("SELECT count(*) FROM {}", place.ours("mgmt_session_marks"));
        assert_eq!(place.sql(&marks), "0");
        let rows = archived(&place).await;
        assert!(rows.starts_with("id000|1700000100|{m}\nid001|1700000100|\nid002|"), "{rows}");
        assert_eq!(equal(store).await, before);

        // Another node, which has not heard of the archive.
        let ask = Ask { ids: ids(0..1), ..Ask::default() };
        let late = |known: Known| {
            let Some((mut row, marks)) = known.rows.into_iter().next() else {
                let rows = vec![session("id000", "bob")];
                return Step::Write(Writes { rows, ..Writes::default() });
            };
            assert_eq!(marks.as_deref(), Some("{m}"));
            assert_eq!(Some(&row), held.as_ref());
            row.acctinputoctets = Some(1_500);
            Step::Write(Writes { rows: vec![row], ..Writes::default() })
        };
        let written = other.write_sessions(&ask, late).await.unwrap();
        assert_eq!((written.inserted, written.updated), (0, 1));
        let kept = "SELECT count(*) FROM radacct WHERE class = 'kept' AND acctuniqueid = 'id000'";
        assert_eq!(place.sql(kept), "1");
        assert_eq!(equal(store).await.input_octets, before.input_octets + 500);

        // All of it, wherever it is, can be counted anew.
        store.rebuild_usage().await.unwrap();
        assert_eq!(store.archive_sessions(START + 1_000, 9).await.unwrap(), 0, "not amid that");
        while !store.fill_usage(1).await.unwrap().is_complete() {}
        assert_eq!(equal(store).await.input_octets, before.input_octets + 500);
        assert_eq!(store.archive_sessions(START + 1_000, 9).await.unwrap(), 1);
    }
}

/// Its Acct-Session-Id belongs to another session by now.
#[tokio::test]
async fn an_archived_session_whose_id_was_used_again_comes_back_as_an_earlier_one() {
    for place in Place::both().await {
        let store = &place.store;
        store.begin_usage().await.unwrap();
        change(store, &ids(0..1), |row| close(row, START + 100)).await;
        assert_eq!(store.archive_sessions(START + 1_000, 9).await.unwrap(), 1);
        change(store, &ids(0..1), |row| row.acctstarttime = Some(START + 5_000)).await;
        let ask = Ask { ids: ids(0..1), ..Ask::default() };
        let mut found = Vec::new();
        let late = |known: Known| {
            if !known.older_are_known {
                return Step::Older(vec![("id000".into(), START)]);
            }
            found = known.older;
            Step::Write(Writes::default())
        };
        store.write_sessions(&ask, late).await.unwrap();
        assert_eq!((found.len(), found[0].start), (1, START));
        assert_eq!(found[0].session.acctinputoctets, Some(1_000));
        assert_ne!(found[0].session.acctuniqueid, "id000");
        assert_eq!(equal(store).await.sessions, 2);
        assert_eq!(archived(&place).await, "");
    }
}
