//! radpostauth without passwords, and why each attempt ended as it did.

use crate::both::Place;
use schema::{Attempt, Bounds};

const BOUNDS: Bounds = Bounds { per_user: 2, in_all: 5 };

fn attempt(username: &str, at_ms: i64, accepted: bool) -> Attempt {
    Attempt {
        at_ms,
        username: username.into(),
        accepted,
        reason: if accepted { "accepted" } else { "wrong-password" }.into(),
        nas_ip: "10.0.0.1".into(),
        nas_name: "edge".into(),
        calling_station: Some("AA-BB".into()),
        trace: Some(format!("trace {at_ms}")),
        ..Attempt::default()
    }
}

#[tokio::test]
async fn as_freeradius_writes_it_but_for_the_password() {
    for place in Place::both().await {
        let all =
            [attempt("bob", 1_700_000_000_250, false), attempt("a\0b", 1_700_000_001_000, true)];
        place.store.write_attempts(&all, BOUNDS).await.unwrap();
        let text = match place.is_postgres() {
            true => {
                "SELECT username, pass, reply, to_char(authdate, 'YYYY-MM-DD HH24:MI:SS.US'), \
                     calledstationid, callingstationid, class FROM radpostauth ORDER BY id"
            }
            false => {
                "SELECT username, pass, reply, authdate, '', '', class FROM radpostauth ORDER BY id"
            }
        };
        let rows = place.sql(text);
        let first = "bob||Access-Reject|2023-11-14 22:13:20.250000|||";
        let second = "a\u{fffd}b||Access-Accept|2023-11-14 22:13:21.000000|||";
        assert_eq!(rows, format!("{first}\n{second}"), "{}", place.url);
        let listed = place.store.list_attempts(None, 10).await.unwrap();
        let kept = Attempt { trace: None, ..all[0].clone() };
        assert_eq!((listed.len(), &listed[1]), (2, &kept));
        assert_eq!(place.store.list_attempts(Some("bob"), 10).await.unwrap(), [kept]);
    }
}

#[tokio::test]
async fn traces_are_bounded_per_user_and_in_all() {
    for place in Place::both().await {
        let store = &place.store;
        let many: Vec<_> = (0..10).map(|at| attempt("bob", at, false)).collect();
        store.write_attempts(&many, BOUNDS).await.unwrap();
        store.write_attempts(&[attempt("bob", 10, false)], BOUNDS).await.unwrap();
        let traces = store.list_traces("bob", 10).await.unwrap();
        let kept: Vec<_> = traces.iter().map(|trace| trace.at_ms).collect();
        assert_eq!(kept, [10, 9]);
        for user in 0..20 {
            let one = attempt(&format!("user{user}"), 100 + user, false);
            store.write_attempts(&[one], BOUNDS).await.unwrap();
        }
        let traces = place.ours("mgmt_traces");
        let count = place.sql(&format!("SELECT count(*) FROM {traces}"));
        assert!(count.parse::<usize>().unwrap() <= BOUNDS.in_all + 1, "{count}");
        assert_eq!(store.list_traces("user19", 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_last_accept_of_each_user() {
    for place in Place::both().await {
        let store = &place.store;
        let both = [attempt("bob", 1, true), attempt("eve", 1, true), attempt("bob", 2, true)];
        store.write_attempts(&both, BOUNDS).await.unwrap();
        store.write_attempts(&[attempt("bob", 3, false)], BOUNDS).await.unwrap();
        let last = store.last_accept("bob").await.unwrap().unwrap();
        assert_eq!((last.at_ms, last.trace.as_deref()), (2, Some("trace 2")));
        assert_eq!(store.last_accept("nobody").await.unwrap(), None);
    }
}

#[tokio::test]
async fn old_ones_go() {
    for place in Place::both().await {
        let store = &place.store;
        let day = 86_400_000;
        let all: Vec<_> =
            (1..=10).map(|n| attempt(&format!("u{n}"), n * day, n % 2 == 0)).collect();
        store.write_attempts(&all, Bounds { per_user: 9, in_all: 99 }).await.unwrap();
        let first = store.purge_attempts(6 * day, 3).await.unwrap();
        assert_eq!((first.attempts, first.postauth), (3, 3));
        let rest = store.purge_attempts(6 * day, 100).await.unwrap();
        assert_eq!((rest.attempts, rest.postauth), (2, 2));
        assert_eq!(first.traces + rest.traces, 5, "three rejects and two last accepts");
        assert_eq!(place.sql("SELECT count(*) FROM radpostauth"), "5");
        assert_eq!(store.list_attempts(None, 99).await.unwrap().len(), 5);
    }
}

#[tokio::test]
async fn a_sites_own_radpostauth_is_left_alone() {
    for place in Place::both().await {
        let table = place.ours("mgmt_migrations");
        let taken = if place.is_postgres() { "true" } else { "1" };
        place.sql(&format!("UPDATE {table} SET taken = {taken} WHERE number = 1"));
        let store = place.again().await;
        store.write_attempts(&[attempt("bob", 1, false)], BOUNDS).await.unwrap();
        let purged = store.purge_attempts(i64::MAX / 2_000, 100).await.unwrap();
        assert_eq!((purged.attempts, purged.postauth), (1, 0));
        assert_eq!(place.sql("SELECT count(*) FROM radpostauth"), "1");
    }
}
