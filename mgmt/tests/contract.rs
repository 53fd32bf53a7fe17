//! The API's document is what the handlers do: current, each operation with its permission, and
//! nobody does what his role doesn't permit.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use mgmt::permission::{BuiltIn, Kind, Set, find, granted};
use serde_json::{Value as Json, json};

use crate::app::TestApp;

struct Operation {
    method: String,
    path: String,
    permission: String,
    says: Json,
}

fn document() -> Json {
    serde_json::to_value(mgmt::document()).unwrap()
}

fn operations() -> Vec<Operation> {
    let document = document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, says) in item.as_object().unwrap() {
            let permission = says["x-permission"].as_str();
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                permission: permission.unwrap_or_else(|| panic!("{method} {path}")).to_owned(),
                says: says.clone(),
            });
        }
    }
    all
}

#[test]
fn the_document_in_the_tree_is_current() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let now = format!("{:#}\n", document());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(file, &now).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(kept == now, "UPDATE_OPENAPI=1 cargo test -p mgmt contract writes mgmt/openapi.json");
}

#[tokio::test]
async fn the_document_is_served() {
    let (_, _, guest) = TestApp::start().await;
    let served = guest.get("/api/openapi.json").await.is(200).json;
    assert_eq!(served, document());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_operation_says_what_it_takes() {
    let mut names = std::collections::BTreeSet::new();
    for Operation { method, path, permission, says } in operations() {
        let name = format!("{method} {path}");
        let known = find(&permission);
        let anybody = ["none", "signed-in", "in-person"].contains(&permission.as_str());
        assert!(known.is_some() || anybody, "{name}: {permission}");
        if method == "GET" {
            assert!(known.is_none_or(|known| known.kind() == Kind::Read), "{name}: {permission}");
            assert!(says.get("requestBody").is_none(), "{name}");
        }
        assert!(names.insert(says["operationId"].as_str().unwrap().to_owned()), "{name}");
        assert!(says["summary"].is_string() && says["tags"][0].is_string(), "{name}");
        assert_eq!(says.get("security").is_none(), permission == "none", "{name}");
        let responses = says["responses"].as_object().unwrap();
        for status in ["429", "500", "503"] {
            assert!(responses.contains_key(status), "{name}: {status}");
        }
    }
    assert!(names.len() > 20);
}

/// Every operation with every role, without any, and with a password that has to be changed.
#[tokio::test]
async fn what_is_not_permitted_is_denied() {
    let (app, _, guest) = TestApp::start().await;
    let none = schema::Role {
        id: uuid::Uuid::now_v7(),
        name: "none".into(),
        description: String::new(),
        permissions: Vec::new(),
    };
    app.store.add_role(&app.actor(), &none).await.unwrap();
    let none = none.id.to_string();
    let mut roles: Vec<&str> = BuiltIn::ALL.iter().map(|role| role.name()).collect();
    roles.push(&none);
    for role in &roles {
        app.operator(&format!("a-{role}"), role).await;
    }
    app.tenant("confined", "administrator").await;
    let fresh = app.operator("fresh", "administrator").await;
    let before = app.store.find_operator(fresh).await.unwrap().unwrap();
    let after = schema::Operator { must_change: true, ..before.clone() };
    app.store.update_operator(&app.actor(), &before, &after).await.unwrap();
    for (number, operation) in operations().into_iter().enumerate() {
        let source = format!("192.0.3.{number}");
        // Who signs in all the time asks too often.
        app.pass_minutes(1);
        let Operation { method, path, permission, says } = &operation;
        let path =
            path.replace("{name}", "nobody").replace("{id}", &uuid::Uuid::now_v7().to_string());
        let body = says.get("requestBody").map(|_| json!({}));
        let asked = async |caller: &crate::app::Caller| {
            let answer = caller.ask(method, &path, body.clone()).await;
            let status = answer.status.as_u16();
            let documented = says["responses"].as_object().unwrap();
            assert!(documented.contains_key(&status.to_string()), "{method} {path}: {status}");
            assert!(status < 500, "{method} {path}: {}", answer.text);
            status
        };
        let stranger = asked(&guest.clone().from(&source)).await;
        assert_eq!(stranger == 401, permission != "none", "{method} {path}: {stranger}");
        if permission == "none" {
            continue;
        }
        for role in &roles {
            // Each by a login of its own: some operations end it.
            let caller = app.enter_from(&format!("a-{role}"), &source).await;
            let own = (*role == none).then_some([].as_slice());
            let may = find(permission).is_none_or(|named| granted(role, own).has(named));
            let status = asked(&caller).await;
            assert_eq!(status != 403, may, "{method} {path} as {role}: {status}");
            assert_ne!(status, 401, "{method} {path} as {role}");
        }
        let caller = app.enter_from("confined", &source).await;
        let status = asked(&caller).await;
        let reach = find(permission).is_none_or(|one| Set::within_a_tenant().has(one));
        assert!(reach || status == 403, "{method} {path} in a tenant: {status}");
        let caller = app.enter_from("fresh", &source).await;
        let status = asked(&caller).await;
        assert_eq!(status != 403, permission == "in-person", "{method} {path}: {status}");
    }
}
