//! Sessions and attempts as people look for them: by index, page after page, and never a foreign
//! tenant's.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use schema::{
    Attempt, AttemptFilter, Bounds, NasRow, Owned, Scope, Session, SessionFilter, Step, Store,
    Tenant, Which, Writes,
};
use uuid::Uuid;

use crate::both::Place;
use crate::operators::actor;

const START: i64 = 1_700_000_000;

fn session(number: i64, user: &str, nas: &str, open: bool) -> Session {
    Session {
        acctsessionid: format!("s{number}"),
        acctuniqueid: format!("{number:032}"),
        username: Some(user.into()),
        nasipaddress: nas.into(),
        acctstarttime: Some(START + number),
        acctupdatetime: Some(START + number),
        acctstoptime: (!open).then_some(START + number + 60),
        callingstationid: Some(format!("02-00-00-00-00-{:02}", number % 100)),
        framedipaddress: Some(format!("10.0.0.{}", number % 250)),
        ..Session::default()
    }
}

async fn insert(store: &Store, rows: Vec<Session>) {
    let writes = Writes { rows, ..Writes::default() };
    store.write_sessions(&Default::default(), |_| Step::Write(writes.clone())).await.unwrap();
}

/// Every page, as Acct-Session-Ids.
async fn all(store: &Store, scope: Scope, filter: &SessionFilter, limit: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.search_sessions(scope, filter, after.as_ref(), limit).await.unwrap();
        assert!(page.sessions.len() <= limit);
        found.extend(page.sessions.into_iter().map(|session| session.acctsessionid));
        let Some(next) = page.next else { return found };
        after = Some(next.to_string().parse().unwrap());
    }
}

async fn tenant(store: &Store, name: &str) -> Uuid {
    let tenant = Tenant { id: Uuid::now_v7(), name: name.into(), description: String::new() };
    store.add_tenant(&actor(), &tenant).await.unwrap();
    tenant.id
}

#[tokio::test]
async fn sessions_are_found_by_what_people_know() {
    for place in Place::both().await {
        let store = &place.store;
        let rows = (0..40).map(|number| {
            let user = if number % 2 == 0 { "ann" } else { "bob" };
            let nas = if number % 4 < 2 { "192.0.2.1" } else { "192.0.2.2" };
            session(number, user, nas, number >= 30)
        });
        insert(store, rows.collect()).await;
        let everything = Scope::Everything;
        let ids = |numbers: &[i64]| numbers.iter().map(|n| format!("s{n}")).collect::<Vec<_>>();
        let open = SessionFilter::default();
        let expected = ids(&[30, 32, 34, 36, 38, 31, 33, 35, 37, 39]);
        for limit in [1, 3, 50] {
            assert_eq!(all(store, everything, &open, limit).await, expected, "by user");
        }
        let text = |text: &str| Some(text.to_owned());
        for (filter, expected) in [
            (SessionFilter { user: text("bob"), ..open.clone() }, vec![39, 37, 35, 33, 31]),
            (
                SessionFilter { nas: text("192.0.2.2"), ..open.clone() },
                vec![39, 38, 35, 34, 31, 30],
            ),
            (SessionFilter { address: text("10.0.0.33"), ..open.clone() }, vec![33]),
            (SessionFilter { station: text("02-00-00-00-00-34"), ..open.clone() }, vec![34]),
            (
                SessionFilter { user: text("bob"), nas: text("192.0.2.2"), ..open.clone() },
                vec![39, 35, 31],
            ),
            (SessionFilter { address: text("10.0.0.3"), ..open.clone() }, vec![]),
            (
                SessionFilter {
                    which: Which::Ended,
                    user: text("ann"),
                    from: Some(START + 20),
                    ..open.clone()
                },
                vec![28, 26, 24, 22, 20],
            ),
            (
                SessionFilter {
                    which: Which::All,
                    station: text("02-00-00-00-00-07"),
                    ..open.clone()
                },
                vec![7],
            ),
            (
                SessionFilter {
                    which: Which::All,
                    from: Some(START + 28),
                    to: Some(START + 32),
                    ..open.clone()
                },
                vec![31, 30, 29, 28],
            ),
        ] {
            for limit in [1, 2, 50] {
                let found = all(store, everything, &filter, limit).await;
                assert_eq!(found, ids(&expected), "{} {filter:?}", place.url);
            }
        }
        let one = all(store, everything, &SessionFilter { which: Which::All, ..open }, 500).await;
        assert_eq!(one.len(), 40);
    }
}

#[tokio::test]
async fn no_search_reads_all_of_radacct() {
    for place in Place::both().await {
        let store = &place.store;
        let nas = |number: i64| format!("192.0.2.{}", number % 50);
        let rows = (0..20_000).map(|number| {
            session(number, &format!("u{}", number % 4_000), &nas(number), number % 20 == 0)
        });
        for chunk in rows.collect::<Vec<_>>().chunks(2_000) {
            insert(store, chunk.to_vec()).await;
        }
        if place.is_postgres() {
            place.sql("ANALYZE radacct");
        }
        let text = |text: &str| Some(text.to_owned());
        let by = [
            SessionFilter::default(),
            SessionFilter { user: text("u1"), ..SessionFilter::default() },
            SessionFilter { nas: text("192.0.2.1"), ..SessionFilter::default() },
            SessionFilter { address: text("10.0.0.1"), ..SessionFilter::default() },
            SessionFilter { station: text("02-00-00-00-00-01"), ..SessionFilter::default() },
        ];
        let tenant = Scope::Tenant(Uuid::now_v7());
        for filter in by {
            for which in [Which::Open, Which::Ended, Which::All] {
                let filter = SessionFilter { which, ..filter.clone() };
                for scope in [Scope::Everything, tenant] {
                    let plan = store.plan_of_search(scope, &filter).await.unwrap();
                    let why = format!("{} {filter:?}: {plan}", place.url);
                    let walks = |line: &str| line.contains("SCAN a") && !line.contains("INDEX");
                    let whole = plan.contains("Seq Scan on radacct") || plan.lines().any(walks);
                    assert!(!whole && !plan.is_empty(), "{why}");
                    // What is open is found among what is open.
                    let open = which == Which::Open;
                    let among = ["_open_", "bulk_close"].iter().any(|name| plan.contains(name));
                    assert!(!open || among, "{why}");
                    let sorts = plan.contains("Sort") || plan.contains("TEMP B-TREE");
                    // Of one user, or of what is open at one place, there are few.
                    let places = [&filter.address, &filter.station, &filter.nas];
                    let few = open && places.into_iter().any(Option::is_some);
                    let few = few || filter.user.is_some();
                    assert!(!sorts || few || plan.contains("Incremental"), "{why}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_tenant_sees_its_users_and_what_comes_by_its_nas_alone() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let (north, south) = (tenant(store, "north").await, tenant(store, "south").await);
        store.set_owner(&actor, Owned::User, "ann", Some(north)).await.unwrap();
        store.set_owner(&actor, Owned::User, "sue", Some(south)).await.unwrap();
        let nas = NasRow {
            nasname: "192.0.2.1".into(),
            shortname: "north".into(),
            secret: "s".into(),
            r#type: "other".into(),
            ..NasRow::default()
        };
        store.add_nas(&actor, &nas, Some(north)).await.unwrap();
        let rows = [
            session(1, "ann", "192.0.2.9", true),
            session(2, "sue", "192.0.2.1", true),
            session(3, "guest", "192.0.2.1", true),
            session(4, "guest", "192.0.2.9", true),
            session(5, "ann", "192.0.2.9", false),
        ];
        let attempts = rows.iter().map(|row| Attempt {
            at_ms: row.acctstarttime.unwrap() * 1_000,
            username: row.username.clone().unwrap(),
            nas_ip: row.nasipaddress.clone(),
            reason: "wrong-password".into(),
            trace: Some(format!("trace {}", row.acctsessionid)),
            ..Attempt::default()
        });
        let bounds = Bounds { per_user: 9, in_all: 99 };
        store.write_attempts(&attempts.collect::<Vec<_>>(), bounds).await.unwrap();
        insert(store, rows.to_vec()).await;
        for (scope, expected) in [
            (Scope::Everything, vec![5, 4, 3, 2, 1]),
            (Scope::Tenant(north), vec![5, 3, 1]),
            (Scope::Tenant(south), vec![2]),
            (Scope::Tenant(Uuid::now_v7()), vec![]),
        ] {
            let mine: Vec<_> = expected.iter().map(|number| format!("s{number}")).collect();
            let every = SessionFilter { which: Which::All, ..SessionFilter::default() };
            assert_eq!(all(store, scope, &every, 2).await, mine, "{scope:?}");
            let mut open = all(store, scope, &SessionFilter::default(), 1).await;
            open.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(open, mine.iter().filter(|id| *id != "s5").cloned().collect::<Vec<_>>());
            let filter = AttemptFilter::default();
            let page = store.search_attempts(scope, &filter, None, 50).await.unwrap();
            let seen = page.attempts.iter().map(|(_, one)| one.at_ms / 1_000 - START);
            assert_eq!(seen.collect::<Vec<_>>(), expected, "{scope:?}");
            let counts = store.count_attempts(scope, 0, i64::MAX).await.unwrap();
            let count: i64 = counts.iter().map(|one| one.count).sum();
            assert_eq!(count, expected.len() as i64, "{scope:?}");
            for (id, one) in
                store.search_attempts(Scope::Everything, &filter, None, 9).await.unwrap().attempts
            {
                let seen = store.attempt_by_id(scope, id).await.unwrap();
                let may = expected.contains(&(one.at_ms / 1_000 - START));
                assert_eq!(seen.is_some(), may, "{scope:?} {one:?}");
                assert!(
                    seen.is_none_or(|seen| seen
                        .trace
                        .is_some_and(|text| text.starts_with("trace s")))
                );
            }
            for number in 1..=5 {
                let id = store.find_session(&format!("{number:032}")).await.unwrap().unwrap();
                let id = id.radacctid.unwrap();
                let seen = store.session_by_id(scope, id).await.unwrap();
                assert_eq!(seen.is_some(), expected.contains(&number), "{scope:?} {number}");
            }
        }
    }
}

#[tokio::test]
async fn attempts_are_found_by_what_people_know() {
    for place in Place::both().await {
        let store = &place.store;
        let attempt = |number: i64| Attempt {
            at_ms: START * 1_000 + number,
            username: if number % 2 == 0 { "ann" } else { "bob" }.into(),
            accepted: number % 5 == 0,
            reason: match number % 5 {
                0 => "",
                1 => "unknown-user",
                _ => "wrong-password",
            }
            .into(),
            nas_ip: if number % 3 == 0 { "192.0.2.1" } else { "192.0.2.2" }.into(),
            ..Attempt::default()
        };
        let bounds = Bounds { per_user: 9, in_all: 99 };
        let attempts: Vec<_> = (0..20).map(attempt).collect();
        store.write_attempts(&attempts, bounds).await.unwrap();
        let text = |text: &str| Some(text.to_owned());
        let none = AttemptFilter::default();
        for (filter, expected) in [
            (none.clone(), (0..20).rev().collect::<Vec<i64>>()),
            (
                AttemptFilter { user: text("ann"), accepted: Some(true), ..none.clone() },
                vec![10, 0],
            ),
            (AttemptFilter { reason: text("unknown-user"), ..none.clone() }, vec![16, 11, 6, 1]),
            (
                AttemptFilter { nas: text("192.0.2.1"), accepted: Some(true), ..none.clone() },
                vec![15, 0],
            ),
            (
                AttemptFilter {
                    from_ms: Some(START * 1_000 + 4),
                    to_ms: Some(START * 1_000 + 7),
                    ..none.clone()
                },
                vec![6, 5, 4],
            ),
            (AttemptFilter { from_ms: Some(i64::MAX / 2), ..none.clone() }, vec![]),
        ] {
            for limit in [1, 3, 50] {
                let (mut found, mut before) = (Vec::new(), None);
                loop {
                    let page =
                        store.search_attempts(Scope::Everything, &filter, before, limit).await;
                    let page = page.unwrap();
                    found.extend(page.attempts.iter().map(|(_, one)| one.at_ms - START * 1_000));
                    before = page.next;
                    if before.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "{} {filter:?}", place.url);
            }
        }
        let counts =
            store.count_attempts(Scope::Everything, START * 1_000, i64::MAX).await.unwrap();
        let counts: Vec<_> = counts.iter().map(|one| (one.reason.as_str(), one.count)).collect();
        assert_eq!(counts, [("", 4), ("unknown-user", 4), ("wrong-password", 12)]);
        let purged = store.purge_attempts(START * 1_000 + 900_000, 99).await.unwrap();
        assert_eq!(purged.attempts, 20);
        assert!(store.count_attempts(Scope::Everything, 0, i64::MAX).await.unwrap().is_empty());
    }
}
