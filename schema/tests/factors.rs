//! Second factors: a code is good once, and so is a code for when the app is lost.

use schema::{Error, Factor};

use crate::both::Place;
use crate::operators::{actor, operator};

#[tokio::test]
async fn a_second_factor_lives_and_goes() {
    for place in Place::both().await {
        let (store, actor) = (&place.store, actor());
        let ann = operator("ann", "support");
        store.add_operator(&actor, &ann, Some("hash")).await.unwrap();
        assert_eq!(store.find_factor(ann.id).await.unwrap(), None);
        store.offer_factor(&actor, &ann, "one").await.unwrap();
        store.offer_factor(&actor, &ann, "two").await.unwrap();
        let offered = store.find_factor(ann.id).await.unwrap().unwrap();
        let expected =
            Factor { sealed: "two".into(), confirmed: false, last_step: 0, recovery: vec![] };
        assert_eq!(offered, expected);
        assert!(!store.use_recovery(&actor, &ann, "a").await.unwrap(), "not confirmed");

        let codes = ["a".to_owned(), "b".to_owned()];
        assert!(store.confirm_factor(&actor, &ann, 7, &codes).await.unwrap());
        assert!(!store.confirm_factor(&actor, &ann, 8, &codes).await.unwrap());
        let again = store.offer_factor(&actor, &ann, "three").await;
        assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");

        assert!(!store.use_step(ann.id, 7).await.unwrap(), "it confirmed already");
        assert!(store.use_step(ann.id, 8).await.unwrap());
        assert!(!store.use_step(ann.id, 8).await.unwrap());
        assert!(store.use_recovery(&actor, &ann, "a").await.unwrap());
        assert!(!store.use_recovery(&actor, &ann, "a").await.unwrap());
        assert!(!store.use_recovery(&actor, &ann, "c").await.unwrap());
        assert_eq!(store.find_factor(ann.id).await.unwrap().unwrap().recovery, ["b"]);
        assert!(store.remove_factor(&actor, &ann).await.unwrap());
        assert!(!store.remove_factor(&actor, &ann).await.unwrap());

        store.offer_factor(&actor, &ann, "four").await.unwrap();
        let boss = operator("boss", "administrator");
        store.add_operator(&actor, &boss, Some("hash")).await.unwrap();
        let ann = store.find_operator(ann.id).await.unwrap().unwrap();
        store.remove_operator(&actor, &ann).await.unwrap();
        assert_eq!(store.find_factor(ann.id).await.unwrap(), None);
        let all = place.sql(&format!("SELECT detail FROM {}", place.ours("mgmt_audit")));
        assert!(!all.contains("two") && !all.contains("four"), "{all}");
    }
}
