//! What is not there, what a token may, and what the audit log tells of it.

use std::collections::BTreeSet;

use http::Method;
use keyward_auth::{Grant, Permission, Role, Scope};
use keyward_registry::{AuditQuery, AuditStore};
use serde_json::{Value, json};

use super::Made;
use crate::support::{Harness, OURS, elements, gateways, now, routes};

#[tokio::test]
async fn what_is_not_there_is_told_with_its_code() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    harness
        .get(&routes(OURS, "absent"))
        .await
        .refused(404, 7002);
    let new = || json!({"name": "support", "elements": elements("gpt-5")});
    let answer = harness.post(&routes(OURS, "absent"), new()).await;
    answer.refused(404, 7002);
    let again = harness.post(&routes(OURS, "default"), new()).await;
    assert!(again.refused(400, 7005).contains("already exists"));
    let absent = "0123456789abcdef0123456789abcdef";
    for id in [absent, "x", "%2e%2e", "ſ"] {
        let path = format!("{}/{id}", routes(OURS, "default"));
        for path in [
            path.clone(),
            format!("{path}/versions"),
            format!("{path}/deployments"),
        ] {
            assert!(
                harness
                    .get(&path)
                    .await
                    .refused(404, 7005)
                    .contains("route")
            );
        }
        let version = format!("{}/{id}", made.versions);
        assert!(
            harness
                .get(&version)
                .await
                .refused(404, 7005)
                .contains("version")
        );
        let deployed = made.deploy(&harness, &json!(id)).await;
        assert!(deployed.refused(404, 7005).contains("version"));
    }
    made.deploy(&harness, &json!(7))
        .await
        .invalid(&json!(["body", "version_id"]));
    made.deploy(&harness, &Value::Null)
        .await
        .invalid(&json!(["body", "version_id"]));
    // The version of another route.
    let other = Made::new(&harness, "other").await;
    made.deploy(&harness, &other.first).await.refused(404, 7005);
    // A token in the place of an id is not repeated.
    let secret = &harness.admin;
    let answer = harness
        .get(&format!("{}/{secret}", routes(OURS, "default")))
        .await;
    answer.refused(404, 7005);
    assert!(!answer.text.contains(secret.as_str()), "{}", answer.text);
}

#[tokio::test]
async fn a_route_is_reached_by_way_of_its_gateway_alone() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let made = Made::new(&harness, "support").await;
    let second = made.save(&harness, "gpt-5-mini").await;
    let elsewhere = made.path.replace("/default/", "/prod/");
    assert_ne!(elsewhere, made.path);
    let version = format!("/versions/{}", second.as_str().unwrap());
    for place in ["", "/versions", "/deployments", &version] {
        harness
            .get(&format!("{elsewhere}{place}"))
            .await
            .refused(404, 7005);
    }
    harness.delete(&elsewhere).await.refused(404, 7005);
    let rename = Some(json!({"name": "x"}));
    harness
        .call(Method::PATCH, &elsewhere, rename)
        .await
        .refused(404, 7005);
    let deploy = json!({"version_id": second});
    harness
        .post(&format!("{elsewhere}/deployments"), deploy)
        .await
        .refused(404, 7005);
    let save = json!({"elements": elements("gpt-5")});
    harness
        .post(&format!("{elsewhere}/versions"), save)
        .await
        .refused(404, 7005);
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);
    // The same name is free there; it goes with its gateway.
    let new = json!({"name": "support", "elements": elements("gpt-5")});
    harness.post(&routes(OURS, "prod"), new).await.result();
    harness
        .delete(&format!("{}/prod", gateways(OURS)))
        .await
        .result();
    harness.gateway("prod").await;
    let list = harness.get(&routes(OURS, "prod")).await;
    assert_eq!(list.json["data"]["routes"], json!([]));
}

/// A token for one gateway changes that one's routes and no other's; a route spends every key of its gateway, so one for
/// some of them changes none.
#[tokio::test]
async fn a_tokens_scopes_hold_for_routes() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let made = Made::new(&harness, "support").await;
    let admin = || Grant::new(OURS, Role::Admin.permissions());
    let mut own = admin();
    own.gateways = Scope::only(["default"]);
    let mut other = admin();
    other.gateways = Scope::only(["prod"]);
    let mut provider = admin();
    provider.providers = Scope::only(["openai"]);
    let own = harness.token(own).await.1;
    let refused = [
        harness.token(other).await.1,
        harness.token(provider).await.1,
        harness
            .token_with(OURS, &[Permission::SecretsStoreWrite])
            .await,
    ];
    let saves = json!({"elements": elements("gpt-5-mini")});
    let all = [
        (Method::GET, routes(OURS, "default"), None),
        (Method::GET, made.path.clone(), None),
        (Method::GET, made.versions.clone(), None),
        (Method::POST, made.versions.clone(), Some(saves)),
        (
            Method::POST,
            made.deployments.clone(),
            Some(json!({"version_id": made.first})),
        ),
        (
            Method::PATCH,
            made.path.clone(),
            Some(json!({"name": "renamed"})),
        ),
        (Method::DELETE, made.path.clone(), None),
    ];
    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    for (method, path, body) in &all {
        for token in &refused {
            let answer = harness
                .call_as(token, method.clone(), path, body.clone())
                .await;
            answer.refused(403, 10000);
        }
        let answer = harness
            .call_as(&reader, method.clone(), path, body.clone())
            .await;
        if method == Method::GET {
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else {
            answer.refused(403, 10000);
        }
    }
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);
    for (method, path, body) in &all {
        let answer = harness
            .call_as(&own, method.clone(), path, body.clone())
            .await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn every_change_and_every_refusal_has_its_line_in_the_audit_log() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let version = made.save(&harness, "gpt-5").await;
    made.deploy(&harness, &version).await.result();
    let rename = Some(json!({"name": "renamed"}));
    harness
        .call(Method::PATCH, &made.path, rename.clone())
        .await;
    harness.delete(&made.path).await.result();
    let actions = [
        "route.create",
        "route_version.create",
        "route_deployment.create",
        "route.rename",
        "route.delete",
    ];
    let query = || AuditQuery {
        limit: 1_000,
        ..AuditQuery::new(OURS)
    };
    let lines = harness.store.list_audit(query()).await.unwrap();
    let of_routes = lines.iter().filter(|line| line.action.starts_with("route"));
    let told: Vec<_> = of_routes
        .map(|line| (&*line.action, &*line.result))
        .collect();
    assert_eq!(told, actions.map(|action| (action, "done")));

    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    let refused = [
        (Method::POST, routes(OURS, "default")),
        (Method::POST, made.versions.clone()),
        (Method::POST, made.deployments.clone()),
        (Method::PATCH, made.path.clone()),
        (Method::DELETE, made.path.clone()),
    ];
    for (method, path) in refused {
        harness
            .call_as(&reader, method, &path, None)
            .await
            .refused(403, 10000);
    }
    harness.registry.keep_refused(now(), true).await.unwrap();
    let lines = harness.store.list_audit(query()).await.unwrap();
    let denied: BTreeSet<_> = lines
        .iter()
        .filter(|line| line.result == "denied")
        .map(|line| (line.action.to_string(), line.subject_id.clone()))
        .collect();
    let expected = actions.map(|action| (action.to_owned(), "default".to_owned()));
    assert_eq!(denied, BTreeSet::from(expected));
}
