//! Tenants: who owns what, and what follows its user's owner, else its NAS's.

use schema::{Error, NasRow, Operator, Owned, Scope, Tenant};
use uuid::Uuid;

use crate::both::Place;
use crate::operators::{actor, operator};

pub fn tenant(name: &str) -> Tenant {
    Tenant { id: Uuid::now_v7(), name: name.into(), description: "a reseller".into() }
}

#[tokio::test]
async fn a_tenant_lives_and_goes() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let (north, south) = (tenant("North"), tenant("South"));
        store.add_tenant(&actor, &north).await.unwrap();
        store.add_tenant(&actor, &south).await.unwrap();
        let twin = store.add_tenant(&actor, &tenant("NORTH")).await;
        assert!(matches!(twin, Err(Error::Exists(text)) if text == "tenant NORTH"));
        let taken = Tenant { name: "south".into(), ..north.clone() };
        let refused = store.update_tenant(&actor, &north, &taken).await;
        assert!(matches!(refused, Err(Error::Exists(_))), "{refused:?}");
        let renamed = Tenant { name: "Far north".into(), ..north.clone() };
        store.update_tenant(&actor, &north, &renamed).await.unwrap();
        let late = store.update_tenant(&actor, &north, &renamed).await;
        assert!(matches!(late, Err(Error::Changed(_))), "{late:?}");
        assert_eq!(store.find_tenant_named("far NORTH").await.unwrap().unwrap(), renamed);
        let listed = store.list_tenants(None, 10).await.unwrap();
        assert_eq!(listed, [renamed.clone(), south.clone()]);
        assert_eq!(store.list_tenants(Some("Far north"), 10).await.unwrap(), [south]);

        // Neither while it owns something, nor while somebody works for it.
        store.set_owner(&actor, Owned::Pool, "pool", Some(north.id)).await.unwrap();
        let refused = store.remove_tenant(&actor, &renamed).await;
        assert!(matches!(refused, Err(Error::InUse(_))), "{refused:?}");
        store.set_owner(&actor, Owned::Pool, "pool", None).await.unwrap();
        let ann = Operator { tenant: Some(north.id), ..operator("ann", "manager") };
        store.add_operator(&actor, &ann, None).await.unwrap();
        let refused = store.remove_tenant(&actor, &renamed).await;
        assert!(matches!(refused, Err(Error::InUse(_))), "{refused:?}");
        let before = store.find_operator(ann.id).await.unwrap().unwrap();
        assert_eq!(before.tenant, Some(north.id));
        store.remove_operator(&actor, &before).await.unwrap_err();
        store.add_operator(&actor, &operator("root", "administrator"), None).await.unwrap();
        store.remove_operator(&actor, &before).await.unwrap();
        assert!(store.remove_tenant(&actor, &renamed).await.unwrap());
        assert!(!store.remove_tenant(&actor, &renamed).await.unwrap());
    }
}

/// An administrator of a tenant is none who could let the others in again.
#[tokio::test]
async fn one_administrator_of_everything_stays() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let north = tenant("North");
        store.add_tenant(&actor, &north).await.unwrap();
        let own = Operator { tenant: Some(north.id), ..operator("own", "administrator") };
        store.add_operator(&actor, &own, None).await.unwrap();
        store.add_operator(&actor, &operator("root", "administrator"), None).await.unwrap();
        let root = store.find_operator_named("root").await.unwrap().unwrap();
        let confined = Operator { tenant: Some(north.id), ..root.clone() };
        let refused = store.update_operator(&actor, &root, &confined).await;
        assert!(matches!(refused, Err(Error::Last(_))), "{refused:?}");
        let listed = store.list_operators(Scope::Tenant(north.id), None, 10).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["own"]);
        assert_eq!(store.list_operators(Scope::Everything, None, 10).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn what_is_owned_is_in_one_scope() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let (north, south) = (tenant("North"), tenant("South"));
        store.add_tenant(&actor, &north).await.unwrap();
        store.add_tenant(&actor, &south).await.unwrap();
        store.set_owner(&actor, Owned::User, "bob", Some(south.id)).await.unwrap();
        store.set_owner(&actor, Owned::User, "bob", Some(north.id)).await.unwrap();
        let mine = Scope::of(Some(north.id));
        for (scope, owned, name, is) in [
            (mine, Owned::User, "bob", true),
            (mine, Owned::User, "Bob", false),
            (mine, Owned::Group, "bob", false),
            (mine, Owned::User, "nobody", false),
            (Scope::Tenant(south.id), Owned::User, "bob", false),
            (Scope::Everything, Owned::User, "nobody", true),
        ] {
            let answer = store.is_in_scope(scope, owned, name).await.unwrap();
            assert_eq!(answer, is, "{scope:?} {owned:?} {name}");
        }
        let nas = NasRow {
            nasname: "10.0.0.1".into(),
            shortname: "one".into(),
            secret: "s".into(),
            r#type: "other".into(),
            ..NasRow::default()
        };
        store.add_nas(&actor, &nas, Some(north.id)).await.unwrap();
        assert_eq!(store.nas_in_scope(mine).await.unwrap(), ["10.0.0.1"]);
        assert!(store.nas_in_scope(Scope::Tenant(south.id)).await.unwrap().is_empty());
        let ghost = store.set_owner(&actor, Owned::User, "x", Some(Uuid::now_v7())).await;
        assert!(ghost.is_err(), "there is no such tenant");
    }
    let (mine, other) = (Uuid::now_v7(), Uuid::now_v7());
    let scope = Scope::Tenant(mine);
    assert!(scope.admits_either(Some(mine), Some(other)));
    assert!(!scope.admits_either(Some(other), Some(mine)));
    assert!(scope.admits_either(None, Some(mine)) && !scope.admits_either(None, None));
    assert!(Scope::Everything.admits_either(None, None));
}
