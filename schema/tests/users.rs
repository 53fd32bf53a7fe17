//! Users, groups and NAS as people edit them.

use crate::both::Place;
use crate::operators::actor;
use schema::{AuditFilter, Error, GroupRows, Membership, NamedNas, NasRow, Row, Scope, Tri, User};

fn new(attribute: &str, value: &str) -> Row {
    Row { id: 0, attribute: attribute.into(), op: ":=".into(), value: value.into() }
}

fn membership(group: &str, priority: i64) -> Membership {
    Membership { group: group.into(), priority }
}

#[tokio::test]
async fn a_user_lives_and_goes() {
    for place in Place::both().await {
        let store = &place.store;
        assert_eq!(store.find_user(Scope::Everything, "bob").await.unwrap(), None);
        let user = User {
            name: "bob".into(),
            check: vec![new("Cleartext-Password", "a"), new("Simultaneous-Use", "1")],
            reply: vec![new("Session-Timeout", "60")],
            groups: vec![membership("gold", 1), membership("extra", 2)],
        };
        store.add_user(&actor(), Scope::Everything, &user.clone().into(), None).await.unwrap();
        let twice = store.add_user(&actor(), Scope::Everything, &user.clone().into(), None).await;
        assert!(matches!(twice, Err(Error::Exists(text)) if text == "user bob"));

        let before = store.find_person(Scope::Everything, "bob").await.unwrap().unwrap();
        assert_eq!(before.user.groups, user.groups);
        let mut person = before.clone();
        let after = &mut person.user;
        after.check[0].value = "b".into();
        after.check.remove(1);
        after.check.push(new("Expiration", "31 Dec 2035"));
        after.groups = vec![membership("gold", 5)];
        store.update_user(&actor(), Scope::Everything, &before, &person).await.unwrap();
        let now = store.find_user(Scope::Everything, "bob").await.unwrap().unwrap();
        assert_eq!(now.check[0], Row { value: "b".into(), ..before.user.check[0].clone() });
        assert_eq!(now.check[1].attribute, "Expiration");
        assert_eq!((now.check.len(), &now.reply), (2, &before.user.reply));
        assert_eq!(now.groups, person.user.groups);

        let late = store.update_user(&actor(), Scope::Everything, &before, &person).await;
        assert!(matches!(late, Err(Error::Changed(_))), "{late:?}");
        assert_eq!(store.find_user(Scope::Everything, "bob").await.unwrap().unwrap(), now);

        assert!(store.remove_user(&actor(), Scope::Everything, "bob").await.unwrap());
        assert!(!store.remove_user(&actor(), Scope::Everything, "bob").await.unwrap());
        assert_eq!(place.sql("SELECT count(*) FROM radusergroup"), "0");
    }
}

#[tokio::test]
async fn users_are_listed_by_name() {
    for place in Place::both().await {
        let store = &place.store;
        for name in ["carol", "bob", "alice", "bo%b"] {
            let check = vec![new("Auth-Type", "Accept")];
            store
                .add_user(
                    &actor(),
                    Scope::Everything,
                    &User { name: name.into(), check, ..User::default() }.into(),
                    None,
                )
                .await
                .unwrap();
        }
        place.sql("INSERT INTO radusergroup (username, groupname) VALUES ('zoe', 'g')");
        let names = async |prefix: &str, after: Option<&str>, limit| {
            let users = store.list_users(prefix, after, limit).await.unwrap();
            users.into_iter().map(|user| user.name).collect::<Vec<_>>()
        };
        assert_eq!(names("", None, 2).await, ["alice", "bo%b"]);
        assert_eq!(names("", Some("bo%b"), 10).await, ["bob", "carol", "zoe"]);
        assert_eq!(names("bo", None, 10).await, ["bo%b", "bob"]);
        assert_eq!(names("bo%", None, 10).await, ["bo%b"]);
        assert_eq!(names("x", None, 10).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_group_lives_and_goes() {
    for place in Place::both().await {
        let store = &place.store;
        let group = GroupRows {
            name: "gold".into(),
            check: vec![],
            reply: vec![new("Session-Timeout", "60")],
        };
        store.add_group(&actor(), &group, None).await.unwrap();
        assert!(matches!(store.add_group(&actor(), &group, None).await, Err(Error::Exists(_))));
        place.sql(
            "INSERT INTO radusergroup (username, groupname) VALUES ('a', 'gold'), ('b', 'gold')",
        );
        place.sql("INSERT INTO radusergroup (username, groupname) VALUES ('a', 'empty')");
        assert_eq!(store.count_members("gold").await.unwrap(), 2);
        let before = store.find_group(Scope::Everything, "gold").await.unwrap().unwrap();
        let mut after = before.clone();
        after.reply[0].value = "90".into();
        store.update_group(&actor(), Scope::Everything, &before, &after).await.unwrap();
        assert!(matches!(
            store.update_group(&actor(), Scope::Everything, &before, &after).await,
            Err(Error::Changed(_))
        ));
        let listed = store.list_groups(Scope::Everything, "", None, 10).await.unwrap();
        let names: Vec<_> = listed.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["empty", "gold"]);
        assert_eq!(listed[1].reply[0].value, "90");
        assert_eq!(store.find_group(Scope::Everything, "empty").await.unwrap().unwrap().reply, []);
        assert_eq!(store.remove_group(&actor(), Scope::Everything, "gold").await.unwrap(), Some(2));
        assert_eq!(store.remove_group(&actor(), Scope::Everything, "gold").await.unwrap(), None);
        assert_eq!(store.find_group(Scope::Everything, "gold").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_nas_and_its_settings() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, crate::operators::actor());
        let nas = NasRow {
            nasname: "192.0.2.0/24".into(),
            shortname: "edge".into(),
            r#type: "cisco".into(),
            ports: Some(64),
            secret: "testing123".into(),
            description: Some("north".into()),
            require_message_authenticator: Tri::Yes,
            ..NasRow::default()
        };
        let id = store.add_nas(&actor, &nas, None).await.unwrap();
        let twin = store.add_nas(&actor, &nas, None).await;
        assert!(matches!(twin, Err(Error::Exists(_))));
        let stored = NasRow { id, ..nas };
        assert_eq!(store.list_nas().await.unwrap(), std::slice::from_ref(&stored));
        assert_eq!(store.find_nas("edge").await.unwrap(), std::slice::from_ref(&stored));
        assert_eq!(store.find_nas("192.0.2.0/24").await.unwrap().len(), 1);

        store.set_nas_transport(id, Tri::Auto, Tri::No).await.unwrap();
        let now = store.find_nas("edge").await.unwrap().remove(0);
        assert_eq!(
            (now.require_message_authenticator, now.limit_proxy_state),
            (Tri::Auto, Tri::No)
        );
        let with_port = NasRow { coa_port: Some(1700), ..now.clone() };
        assert!(store.update_nas(&actor, &now, &with_port).await.unwrap());
        let late = store.update_nas(&actor, &now, &with_port).await;
        assert!(matches!(late, Err(Error::Changed(_))), "somebody else was first");
        store.set_nas_transport(id, Tri::Yes, Tri::No).await.unwrap();
        let now = store.find_nas("edge").await.unwrap().remove(0);
        assert_eq!(now.coa_port, Some(1700), "what is learned leaves the port alone");
        let changed = NasRow {
            secret: "other".into(),
            require_message_authenticator: Tri::Auto,
            limit_proxy_state: Tri::Auto,
            coa_port: None,
            ..now.clone()
        };
        assert!(store.update_nas(&actor, &now, &changed).await.unwrap());
        let settings = place.ours("mgmt_nas_settings");
        assert_eq!(place.sql(&format!("SELECT count(*) FROM {settings}")), "0");
        let gone = NasRow { id: 999, ..changed.clone() };
        assert!(!store.update_nas(&actor, &gone, &gone).await.unwrap());
        let secret = store.reveal_nas_secret(&actor, id).await.unwrap();
        assert_eq!(secret.as_deref(), Some("other"));

        // FreeRADIUS skips a row without a secret or a name.
        if !place.is_postgres() {
            place.sql("INSERT INTO nas (nasname, secret) VALUES ('10.9.9.9', 'x')");
            assert_eq!(store.list_nas().await.unwrap().len(), 1);
        }
        assert!(store.remove_nas(&actor, id).await.unwrap());
        assert!(!store.remove_nas(&actor, id).await.unwrap());
        let log = store.list_audit(&AuditFilter::default(), None, 9).await.unwrap();
        let actions: Vec<_> = log.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(
            actions,
            ["nas.remove", "nas.reveal-secret", "nas.change", "nas.change", "nas.add"]
        );
        assert_eq!(log[2].detail["after"]["secret"], "changed");
        let told = format!("{log:?}");
        assert!(!told.contains("testing123") && !told.contains("other\""), "{told}");
        assert_eq!(store.list_nas().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_nas_known_by_its_name() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, crate::operators::actor());
        let nas = NamedNas {
            identifier: "cafe-7".into(),
            shortname: "cafe".into(),
            r#type: "other".into(),
            secret: "long enough".into(),
            ..NamedNas::default()
        };
        store.add_named_nas(&actor, &nas).await.unwrap();
        assert!(matches!(store.add_named_nas(&actor, &nas).await, Err(Error::Exists(_))));
        assert_eq!(store.list_named_nas().await.unwrap(), [nas]);
        assert!(store.remove_named_nas(&actor, "cafe-7").await.unwrap());
        assert!(!store.remove_named_nas(&actor, "cafe-7").await.unwrap());
    }
}
