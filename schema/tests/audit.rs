//! The audit log: a row that was changed, removed or moved is found; writers at once make one chain.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use schema::{AuditFilter, AuditKeys, Role, Store, Verified};
use uuid::Uuid;

use crate::both::Place;
use crate::operators::{actor, actor_with};

fn keys() -> AuditKeys {
    AuditKeys::new(vec![[7; 32]], None).unwrap()
}

fn role(name: &str) -> Role {
    Role { id: Uuid::now_v7(), name: name.into(), ..Role::default() }
}

async fn write(store: &Store, count: usize) {
    for number in 0..count {
        store.add_role(&actor(), &role(&format!("role {number}"))).await.unwrap();
    }
}

fn breaks(verified: &Verified) -> Vec<(i64, &str)> {
    verified.breaks.iter().map(|found| (found.sequence, found.why.as_str())).collect()
}

#[tokio::test]
async fn what_was_tampered_with_is_found() {
    const MISFIT: &str = "the seal does not fit this row and the one before it";
    let changes: [(&str, &[(i64, &str)]); 9] = [
        (
            "UPDATE AUDIT SET operator_name = 'eve' WHERE sequence = 3",
            &[(3, "this row was changed")],
        ),
        ("UPDATE AUDIT SET detail = '{}' WHERE sequence = 3", &[(3, "this row was changed")]),
        ("UPDATE AUDIT SET at_ms = at_ms + 1 WHERE sequence = 3", &[(3, "this row was changed")]),
        ("UPDATE AUDIT SET operator_id = '' WHERE sequence = 3", &[(3, "this row was changed")]),
        (
            "UPDATE AUDIT SET hash = detail WHERE sequence = 1",
            &[(1, "this row was changed"), (1, MISFIT)],
        ),
        ("DELETE FROM AUDIT WHERE sequence = 3", &[(3, "this row is missing"), (4, MISFIT)]),
        ("DELETE FROM AUDIT WHERE sequence = 1", &[(1, "this row is missing"), (2, MISFIT)]),
        (
            "DELETE FROM AUDIT WHERE sequence = 3; UPDATE AUDIT SET sequence = 3 WHERE sequence = 4; \
             UPDATE AUDIT SET sequence = 4 WHERE sequence = 5",
            &[(3, MISFIT), (4, MISFIT)],
        ),
        (
            "UPDATE AUDIT SET sequence = 99 WHERE sequence = 2; \
             UPDATE AUDIT SET sequence = 2 WHERE sequence = 3; \
             UPDATE AUDIT SET sequence = 3 WHERE sequence = 99",
            &[(2, MISFIT), (3, MISFIT), (4, MISFIT)],
        ),
    ];
    for (sql, expected) in changes {
        for place in Place::both().await {
            write(&place.store, 5).await;
            let whole = place.store.verify_audit(&keys(), &[]).await.unwrap();
            assert_eq!((whole.rows, whole.breaks.as_slice()), (5, [].as_slice()));
            place.sql(&sql.replace("AUDIT", &place.ours("mgmt_audit")));
            let verified = place.store.verify_audit(&keys(), &[]).await.unwrap();
            assert_eq!(breaks(&verified), expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn rows_cut_off_at_the_end_are_missed_by_the_witness() {
    for place in Place::both().await {
        let folder = tempfile::tempdir().unwrap();
        let witness = || Some(folder.path().join("audit.head"));
        let actor = actor_with(AuditKeys::new(vec![[7; 32]], witness()).unwrap());
        for name in ["a", "b", "c"] {
            place.store.add_role(&actor, &role(name)).await.unwrap();
        }
        let verify = async || {
            let keys = AuditKeys::new(vec![[7; 32]], witness()).unwrap();
            place.store.verify_audit(&keys, &[]).await.unwrap()
        };
        assert_eq!(breaks(&verify().await), []);
        let table = place.ours("mgmt_audit");
        place.sql(&format!("DELETE FROM {table} WHERE sequence = 3"));
        let found = verify().await;
        assert_eq!(breaks(&found), [(3, "rows up to 3 were written and are missing")]);
        // Another row in its place fits the chain, and not the witness.
        place.store.add_role(&self::actor(), &role("d")).await.unwrap();
        let found = verify().await;
        assert_eq!(breaks(&found), [(3, "another row was written here, says the witness")]);
        place.sql(&format!("DELETE FROM {table}"));
        assert_eq!(verify().await.breaks.len(), 1);
    }
}

#[tokio::test]
async fn keys_rotate_and_a_strange_one_is_named() {
    for place in Place::both().await {
        let old = actor_with(AuditKeys::new(vec![[1; 32]], None).unwrap());
        let new = actor_with(AuditKeys::new(vec![[1; 32], [2; 32]], None).unwrap());
        place.store.add_role(&old, &role("a")).await.unwrap();
        place.store.add_role(&new, &role("b")).await.unwrap();
        assert_eq!(place.store.verify_audit(&new.keys, &[]).await.unwrap().breaks, []);
        let found = place.store.verify_audit(&old.keys, &[]).await.unwrap();
        assert_eq!(found.breaks.len(), 1);
        assert!(found.breaks[0].why.contains("not among this node's"), "{found:?}");
    }
}

#[tokio::test]
async fn writers_at_once_make_one_chain() {
    for place in Place::both().await {
        let mut tasks = Vec::new();
        for writer in 0..4 {
            let store = place.again().await;
            tasks.push(tokio::spawn(async move {
                for number in 0..10 {
                    let role = role(&format!("{writer} {number}"));
                    store.add_role(&actor(), &role).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let verified = place.store.verify_audit(&keys(), &[]).await.unwrap();
        assert_eq!((verified.rows, verified.breaks.as_slice()), (40, [].as_slice()));
    }
}

#[tokio::test]
async fn the_log_is_searched() {
    for place in Place::both().await {
        let store = &place.store;
        write(store, 5).await;
        store.note_audit(&actor(), "login.lock", "100%_eve", serde_json::json!({})).await.unwrap();
        let count = async |filter: AuditFilter, before, limit| {
            let found = store.list_audit(&filter, before, limit).await.unwrap();
            found.into_iter().map(|entry| entry.sequence).collect::<Vec<_>>()
        };
        let all = AuditFilter::default;
        assert_eq!(count(all(), None, 3).await, [6, 5, 4]);
        assert_eq!(count(all(), Some(4), 3).await, [3, 2, 1]);
        let text = |text: &str| AuditFilter { text: Some(text.into()), ..all() };
        assert_eq!(count(text("ROLE 2"), None, 9).await, [3]);
        assert_eq!(count(text("%_E"), None, 9).await, [6]);
        assert_eq!(count(text("lock"), None, 9).await, [6]);
        let action = AuditFilter { action: Some("role.add".into()), ..all() };
        assert_eq!(count(action, None, 9).await.len(), 5);
        let later = AuditFilter { from_ms: Some(i64::MAX), ..all() };
        assert_eq!(count(later, None, 9).await, Vec::<i64>::new());
        let nobody = AuditFilter { operator_name: Some("nobody".into()), ..all() };
        assert_eq!(count(nobody, None, 9).await, Vec::<i64>::new());
    }
}

#[tokio::test]
async fn what_is_erased_leaves_a_tombstone_that_nobody_else_can_set() {
    for place in Place::both().await {
        let store = &place.store;
        write(store, 3).await;
        store.add_role(&actor(), &role("a person")).await.unwrap();
        let written = store.audit_head().await.unwrap().unwrap();
        assert_eq!(store.erase_audit(&actor(), "role", "nobody", "asked").await.unwrap(), 0);
        assert_eq!(store.erase_audit(&actor(), "user", "a person", "asked").await.unwrap(), 0);
        assert_eq!(store.erase_audit(&actor(), "role", "a person", "asked").await.unwrap(), 1);
        let log = store.list_audit(&AuditFilter::default(), None, 10).await.unwrap();
        assert!(!format!("{log:?}").contains("a person"), "{log:?}");
        assert_eq!((log[0].action.as_str(), log[1].action.as_str()), ("audit.erase", "role.add"));
        let verified = store.verify_audit(&keys(), std::slice::from_ref(&written)).await.unwrap();
        assert_eq!((verified.rows, verified.erased, verified.breaks), (5, 1, vec![]));

        let table = place.ours("mgmt_audit");
        place.sql(&format!("UPDATE {table} SET operator_name = 'eve' WHERE sequence = 4"));
        const MISUSED: &str = "this row was changed, and no row of ours erased it";
        let found = store.verify_audit(&keys(), &[]).await.unwrap();
        assert_eq!(breaks(&found), [(4, MISUSED)], "what is left is under the seal too");
        let detail = r#"{"erased_by":5}"#;
        place.sql(&format!("UPDATE {table} SET detail = '{detail}' WHERE sequence = 2"));
        let found = store.verify_audit(&keys(), &[(9, written.1)]).await.unwrap();
        let cut = "rows up to 9 were written and are missing";
        assert_eq!(breaks(&found), [(2, MISUSED), (4, MISUSED), (6, cut)]);
    }
}
