//! Operators, roles, logins and tokens: what each change does, and the one row it leaves.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use schema::{Actor, AuditFilter, AuditKeys, Error, Login, Operator, Role, Scope, Store, Token};
use uuid::Uuid;

use crate::both::Place;

pub fn actor() -> Actor {
    actor_with(AuditKeys::new(vec![[7; 32]], None).unwrap())
}

pub fn actor_with(keys: AuditKeys) -> Actor {
    Actor {
        operator: None,
        name: "root".into(),
        means: "command line".into(),
        source: "here".into(),
        keys: Arc::new(keys),
    }
}

pub fn operator(name: &str, role: &str) -> Operator {
    let (id, name, role) = (Uuid::now_v7(), name.into(), role.into());
    Operator { id, name, role, ..Operator::default() }
}

async fn actions(store: &Store) -> Vec<(String, String)> {
    let mut all = store.list_audit(&AuditFilter::default(), None, 100).await.unwrap();
    all.reverse();
    all.into_iter().map(|entry| (entry.action, entry.object_name)).collect()
}

fn login(operator: Uuid) -> Login {
    let (id, expires_ms) = (Uuid::now_v7(), 2_000);
    Login { id, operator, created_ms: 1, seen_ms: 1, expires_ms, ..Login::default() }
}

#[tokio::test]
async fn an_operator_lives_and_goes() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let root = operator("Root", "administrator");
        assert!(store.add_first_operator(&actor, &root, "hash").await.unwrap());
        let second = operator("second", "administrator");
        assert!(!store.add_first_operator(&actor, &second, "hash").await.unwrap());
        let twin = store.add_operator(&actor, &operator("ROOT", "support"), None).await;
        assert!(matches!(twin, Err(Error::Exists(text)) if text == "operator ROOT"));

        let found = store.credentials("rOOt").await.unwrap().unwrap();
        assert_eq!(found.operator.id, root.id);
        assert_eq!(found.password_hash.as_deref(), Some("hash"));
        assert_eq!(found.permissions, None);
        let before = found.operator;

        // The last administrator stays, whatever is tried.
        let demoted = Operator { role: "support".into(), ..before.clone() };
        let disabled = Operator { disabled: true, ..before.clone() };
        for after in [demoted, disabled] {
            let refused = store.update_operator(&actor, &before, &after).await;
            assert!(matches!(refused, Err(Error::Last(_))), "{refused:?}");
        }
        let refused = store.remove_operator(&actor, &before).await;
        assert!(matches!(refused, Err(Error::Last(_))), "{refused:?}");

        store.add_operator(&actor, &second, Some("other")).await.unwrap();
        let taken = Operator { name: "Second".into(), ..before.clone() };
        let refused = store.update_operator(&actor, &before, &taken).await;
        assert!(matches!(refused, Err(Error::Exists(_))), "{refused:?}");
        let renamed = Operator { name: "boss".into(), ..before.clone() };
        store.update_operator(&actor, &before, &renamed).await.unwrap();
        let late = store.update_operator(&actor, &before, &renamed).await;
        assert!(matches!(late, Err(Error::Changed(_))), "{late:?}");
        assert!(store.set_password(&actor, root.id, "new", false, None).await.unwrap());
        let listed = store.list_operators(Scope::Everything, None, 10).await.unwrap();
        let names: Vec<_> = listed.iter().map(|operator| operator.name.as_str()).collect();
        assert_eq!(names, ["boss", "second"]);
        assert_eq!(
            store.list_operators(Scope::Everything, Some("Boss"), 10).await.unwrap().len(),
            1
        );

        assert!(store.remove_operator(&actor, &listed[0]).await.unwrap());
        assert!(!store.remove_operator(&actor, &listed[0]).await.unwrap());
        assert!(!store.set_password(&actor, root.id, "new", false, None).await.unwrap());
        assert_eq!(store.count_operators().await.unwrap(), 1);

        let told = actions(store).await;
        let told: Vec<_> = told.iter().map(|(action, name)| (&action[9..], &**name)).collect();
        let expected = [
            ("add", "Root"),
            ("add", "second"),
            ("change", "boss"),
            ("password", "boss"),
            ("remove", "boss"),
        ];
        assert_eq!(told, expected, "what was refused is not told");
    }
}

#[tokio::test]
async fn who_loses_something_is_signed_out() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let ann = operator("ann", "administrator");
        let bob = operator("bob", "support");
        for operator in [&ann, &bob] {
            store.add_operator(&actor, operator, Some("hash")).await.unwrap();
        }
        let (one, two) = (login(bob.id), login(bob.id));
        store.add_login(&actor, &one, "secret one").await.unwrap();
        store.add_login(&actor, &two, "secret two").await.unwrap();
        let (found, bearer) = store.find_login("secret one").await.unwrap().unwrap();
        assert_eq!(found, one);
        assert_eq!((bearer.operator.id, bearer.operator.last_login_ms), (bob.id, Some(1)));
        store.see_login(one.id, 500).await.unwrap();
        assert_eq!(store.list_logins(bob.id).await.unwrap().len(), 2);
        assert!(!store.remove_login(&actor, two.id, ann.id).await.unwrap(), "not ann's");

        store.set_password(&actor, bob.id, "new", false, Some(two.id)).await.unwrap();
        let left = store.list_logins(bob.id).await.unwrap();
        assert_eq!(left, std::slice::from_ref(&two), "but the one that asked");
        assert!(store.find_login("secret one").await.unwrap().is_none());

        let before = store.find_operator(bob.id).await.unwrap().unwrap();
        let after = Operator { disabled: true, ..before.clone() };
        store.update_operator(&actor, &before, &after).await.unwrap();
        assert_eq!(store.list_logins(bob.id).await.unwrap(), []);

        store.add_login(&actor, &login(ann.id), "a").await.unwrap();
        assert_eq!(store.purge_logins(1_999, 0).await.unwrap(), 0);
        assert_eq!(store.purge_logins(2_000, 0).await.unwrap(), 1, "expired");
        store.add_login(&actor, &login(ann.id), "b").await.unwrap();
        assert_eq!(store.purge_logins(0, 1).await.unwrap(), 1, "unused");
        for _ in 0..52 {
            store.add_login(&actor, &login(ann.id), &Uuid::now_v7().to_string()).await.unwrap();
        }
        assert_eq!(store.list_logins(ann.id).await.unwrap().len(), 50);
    }
}

#[tokio::test]
async fn a_role_and_a_token() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let role = Role {
            id: Uuid::now_v7(),
            name: "Desk".into(),
            description: "the front desk".into(),
            permissions: vec!["users:read".into()],
        };
        store.add_role(&actor, &role).await.unwrap();
        let twin = Role { id: Uuid::now_v7(), name: "desk".into(), ..role.clone() };
        assert!(matches!(store.add_role(&actor, &twin).await, Err(Error::Exists(_))));
        assert_eq!(store.list_roles().await.unwrap(), std::slice::from_ref(&role));
        let ann = operator("ann", &role.id.to_string());
        store.add_operator(&actor, &ann, Some("hash")).await.unwrap();
        let permissions = store.credentials("ann").await.unwrap().unwrap().permissions;
        assert_eq!(permissions, Some(vec!["users:read".to_owned()]));

        let refused = store.remove_role(&actor, &role).await;
        assert!(matches!(refused, Err(Error::InUse(_))), "{refused:?}");
        let wider = Role { permissions: vec![], ..role.clone() };
        store.update_role(&actor, &role, &wider).await.unwrap();
        let late = store.update_role(&actor, &role, &wider).await;
        assert!(matches!(late, Err(Error::Changed(_))), "{late:?}");

        let token = Token {
            id: Uuid::now_v7(),
            name: "backup".into(),
            operator: ann.id,
            operator_name: "ann".into(),
            scopes: vec!["audit:read".into()],
            created_ms: 1,
            expires_ms: 9,
            used_ms: None,
        };
        store.add_token(&actor, &token, "secret").await.unwrap();
        let (found, bearer) = store.find_token("secret").await.unwrap().unwrap();
        assert_eq!((found, bearer.permissions), (token.clone(), Some(vec![])));
        store.use_token(token.id, 5).await.unwrap();
        let used = store.list_tokens(Scope::Everything, None, 10).await.unwrap();
        assert_eq!(used, [Token { used_ms: Some(5), ..token.clone() }]);
        assert_eq!(store.list_tokens(Scope::Everything, Some(token.id), 10).await.unwrap(), []);
        assert!(store.remove_token(&actor, Scope::Everything, token.id).await.unwrap());
        assert!(!store.remove_token(&actor, Scope::Everything, token.id).await.unwrap());
        store.add_token(&actor, &token, "secret").await.unwrap();
        let filter = AuditFilter { object: Some(token.id.to_string()), ..AuditFilter::default() };
        assert_eq!(store.list_audit(&filter, None, 10).await.unwrap().len(), 3);
        let all = place.sql(&format!("SELECT detail FROM {}", place.ours("mgmt_audit")));
        assert!(!all.contains("secret") && !all.contains("hash"), "{all}");
    }
}
