//! Users with the persons behind them: found, changed with a row in the log, and kept apart by tenant.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use schema::{
    AuditFilter, Details, Error, GroupRows, Membership, Once, Owned, Person, Place as After, Row,
    Scope, Store, User, UserFilter,
};

use crate::both::Place;
use crate::operators::{actor, operator};
use crate::tenants::tenant;

fn row(attribute: &str, value: &str) -> Row {
    Row { id: 0, attribute: attribute.into(), op: ":=".into(), value: value.into() }
}

fn person(name: &str) -> Person {
    let check = vec![row("Cleartext-Password", "hidden-secret")];
    Person::from(User { name: name.into(), check, ..User::default() })
}

async fn add(store: &Store, new: &Person) {
    store.add_user(&actor(), Scope::Everything, new, None).await.unwrap();
}

/// All pages, two at a time.
async fn names(store: &Store, filter: &UserFilter) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_people(filter, after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(After::of(last));
        all.extend(page.into_iter().map(|person| person.user.name));
        assert!(all.len() < 50, "{all:?}");
    }
}

#[tokio::test]
async fn a_change_leaves_its_row_without_secrets() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let mut new = person("bob");
        new.details = Details {
            full_name: "Bob B.".into(),
            notes: Some("sealed-note".into()),
            tags: vec!["vip".into()],
            custom: [("contract".into(), "C-7".into())].into(),
            ..Details::default()
        };
        store.add_user(&actor, Scope::Everything, &new, None).await.unwrap();
        let before = store.find_person(Scope::Everything, "bob").await.unwrap().unwrap();
        assert_eq!(before.details, new.details);
        assert!(before.id > 0 && before.created_ms.is_some());

        // Disabled and let in again: the site's own rows stay, their ids, too.
        let mut off = before.clone();
        off.user.check.push(row("Auth-Type", "Accept"));
        off.user.set_disabled(true);
        store.update_user(&actor, Scope::Everything, &before, &off).await.unwrap();
        let off = store.find_person(Scope::Everything, "bob").await.unwrap().unwrap();
        assert!(off.user.is_disabled());
        assert_eq!(off.user.check.len(), 3);
        let late = store.update_user(&actor, Scope::Everything, &before, &off).await;
        assert!(matches!(late, Err(Error::Changed(_))), "{late:?}");
        let mut on = off.clone();
        on.user.set_disabled(false);
        on.user.check[0].value = "another-secret".into();
        on.details.notes = None;
        store.update_user(&actor, Scope::Everything, &off, &on).await.unwrap();
        let now = store.find_person(Scope::Everything, "bob").await.unwrap().unwrap();
        assert_eq!(now, on);
        assert_eq!(now.user.check[1].value, "Accept");
        let mut none = now.clone();
        none.user.check.clear();
        let empty = store.update_user(&actor, Scope::Everything, &now, &none).await;
        assert!(matches!(empty, Err(Error::Empty(_))), "{empty:?}");
        assert!(store.remove_user(&actor, Scope::Everything, "bob").await.unwrap());
        assert!(!store.remove_user(&actor, Scope::Everything, "bob").await.unwrap());

        let log = store.list_audit(&AuditFilter::default(), None, 50).await.unwrap();
        let told: Vec<_> = log.iter().rev().map(|entry| entry.action.as_str()).collect();
        assert_eq!(told, ["user.add", "user.disable", "user.enable", "user.remove"]);
        let text = format!("{log:?}");
        for secret in ["hidden-secret", "another-secret", "sealed-note"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("… (new)"), "{text}");
        assert_eq!(place.sql(&format!("SELECT count(*) FROM {}", place.ours("mgmt_users"))), "0");
    }
}

#[tokio::test]
async fn users_are_found_by_what_is_known_of_them() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        for (name, full_name, tags, group) in [
            ("ann", "Ann Meyer", vec!["vip"], "gold"),
            ("bob", "Bob 100% O'Neil", vec![], "gold"),
            ("Carl", "", vec!["vip"], "silver"),
            ("dora", "Dora [x] *", vec![], "silver"),
        ] {
            let mut new = person(name);
            new.details.full_name = full_name.into();
            new.details.tags = tags.into_iter().map(str::to_owned).collect();
            new.user.groups = vec![Membership { priority: 1, group: group.into() }];
            add(store, &new).await;
        }
        let before = store.find_person(Scope::Everything, "dora").await.unwrap().unwrap();
        let mut off = before.clone();
        off.user.set_disabled(true);
        store.update_user(&actor, Scope::Everything, &before, &off).await.unwrap();
        // Another program's user is in the list at once, and found by a part when enrolled.
        place.sql(
            "INSERT INTO radcheck (username, attribute, op, value) \
             VALUES ('stranger', 'Cleartext-Password', ':=', 'x')",
        );
        let all = UserFilter::of(Scope::Everything);
        let mut listed = names(store, &all).await;
        listed.sort();
        assert_eq!(listed, ["Carl", "ann", "bob", "dora", "stranger"]);
        let by_text = |text: &str| UserFilter { text: Some(text.into()), ..all.clone() };
        assert!(names(store, &by_text("tranger")).await.is_empty());
        let mut after = None;
        while let Some(last) = store.enrol_users(after.as_deref(), 2).await.unwrap() {
            after = Some(last);
        }
        assert_eq!(names(store, &by_text("tranger")).await, ["stranger"]);
        for (text, expected) in [
            ("MEY", vec!["ann"]),
            ("arl", vec!["Carl"]),
            ("00%", vec!["bob"]),
            ("0%_", vec![]),
            ("[x]", vec!["dora"]),
            ("x] *", vec!["dora"]),
            ("***", vec![]),
            ("o'n", vec!["bob"]),
            ("a", vec!["ann"]),
            ("CA", vec!["Carl"]),
            ("%", vec![]),
        ] {
            assert_eq!(names(store, &by_text(text)).await, expected, "{text} {}", place.url);
        }
        let newest = UserFilter { newest: true, ..all.clone() };
        assert_eq!(names(store, &newest).await, ["stranger", "dora", "Carl", "bob", "ann"]);
        let mut of_group =
            names(store, &UserFilter { group: Some("gold".into()), ..all.clone() }).await;
        of_group.sort();
        assert_eq!(of_group, ["ann", "bob"]);
        let vip = UserFilter { tag: Some("vip".into()), ..all.clone() };
        assert_eq!(names(store, &vip).await.len(), 2);
        let both = UserFilter { group: Some("silver".into()), ..vip.clone() };
        assert_eq!(names(store, &both).await, ["Carl"]);
        let off = UserFilter { disabled: Some(true), ..all.clone() };
        assert_eq!(names(store, &off).await, ["dora"]);
        let on = UserFilter { disabled: Some(false), ..all.clone() };
        assert_eq!(names(store, &on).await.len(), 4);
        // Whom another program removes is in no list.
        place.sql("DELETE FROM radcheck WHERE username = 'ann'");
        place.sql("DELETE FROM radusergroup WHERE username = 'ann'");
        assert!(names(store, &by_text("mey")).await.is_empty());
        assert_eq!(names(store, &vip).await, ["Carl"]);
    }
}

#[tokio::test]
async fn nothing_of_a_foreign_tenant_is_seen_or_touched() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let (north, south) = (tenant("North"), tenant("South"));
        for one in [&north, &south] {
            store.add_tenant(&actor, one).await.unwrap();
        }
        let mine = Scope::Tenant(north.id);
        let owned =
            |name: &str, tenant: uuid::Uuid| Person { tenant: Some(tenant), ..person(name) };
        for (name, tenant) in [("own", north.id), ("foreign", south.id)] {
            add(store, &owned(name, tenant)).await;
            let check = vec![row("Simultaneous-Use", "1")];
            let group = GroupRows { name: format!("of {name}"), check, reply: vec![] };
            store.add_group(&actor, &group, Some(tenant)).await.unwrap();
        }
        add(store, &person("nobodys")).await;
        let filter = UserFilter::of(mine);
        assert_eq!(names(store, &filter).await, ["own"]);
        for text in ["foreign", "nobodys", "fo", "no"] {
            let found = UserFilter { text: Some(text.into()), ..filter.clone() };
            assert!(names(store, &found).await.is_empty(), "{text}");
        }
        let other = UserFilter { tenant: Some(south.id), ..filter.clone() };
        assert!(names(store, &other).await.is_empty());
        let newest = UserFilter { newest: true, ..filter.clone() };
        assert_eq!(names(store, &newest).await, ["own"]);
        let groups = store.list_groups(mine, "", None, 10).await.unwrap();
        assert_eq!(groups.iter().map(|group| &*group.name).collect::<Vec<_>>(), ["of own"]);
        for name in ["foreign", "nobodys", "nowhere"] {
            assert!(store.find_person(mine, name).await.unwrap().is_none(), "{name}");
            assert!(!store.remove_user(&actor, mine, name).await.unwrap(), "{name}");
        }
        let before = store.find_person(Scope::Everything, "foreign").await.unwrap().unwrap();
        let mut after = before.clone();
        after.details.full_name = "mine".into();
        let refused = store.update_user(&actor, mine, &before, &after).await;
        assert!(matches!(refused, Err(Error::Changed(_))), "{refused:?}");
        // To name a foreign group is as to name none.
        let own = store.find_person(mine, "own").await.unwrap().unwrap();
        for group in ["of foreign", "nowhere"] {
            let mut into = own.clone();
            into.user.groups = vec![Membership { priority: 1, group: group.into() }];
            let refused = store.update_user(&actor, mine, &own, &into).await;
            assert!(matches!(refused, Err(Error::Missing(_))), "{refused:?}");
        }
        let mut into = own.clone();
        into.user.groups = vec![Membership { priority: 1, group: "of own".into() }];
        store.update_user(&actor, mine, &own, &into).await.unwrap();
        let foreign = store.find_group(Scope::Everything, "of foreign").await.unwrap().unwrap();
        assert!(store.find_group(mine, "of foreign").await.unwrap().is_none());
        assert!(store.remove_group(&actor, mine, "of foreign").await.unwrap().is_none());
        let refused = store.update_group(&actor, mine, &foreign, &foreign).await;
        assert!(matches!(refused, Err(Error::Changed(_))), "{refused:?}");
        assert_eq!(store.remove_group(&actor, mine, "of own").await.unwrap(), Some(1));
        assert!(!store.is_in_scope(mine, Owned::Group, "of own").await.unwrap());
    }
}

#[tokio::test]
async fn a_request_under_one_key_makes_one_user() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let root = operator("root", "administrator");
        store.add_operator(&actor, &root, None).await.unwrap();
        let once = Once { operator: root.id, key: "k".into(), hash: "h".into() };
        let everything = Scope::Everything;
        store.add_user(&actor, everything, &person("bob"), Some(&once)).await.unwrap();
        let again = store.add_user(&actor, everything, &person("bill"), Some(&once)).await;
        assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
        assert!(store.find_user(everything, "bill").await.unwrap().is_none());
        let kept = store.find_request(root.id, "k").await.unwrap();
        assert_eq!(kept, Some(("h".into(), "bob".into())));
        assert_eq!(store.purge_requests(i64::MAX).await.unwrap(), 1);
    }
}
