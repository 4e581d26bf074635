//! Gateway tokens and API tokens by the API: made, listed, verified, revoked.

mod changes;

use std::time::Duration;

use axum::body::Body;
use http::Method;
use keyward_auth::{Grant, Permission, PermissionGroup, Permissions, Role, Scope, TokenId};
use keyward_registry::{Actor, TokenUpdate};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{
    Answer, Harness, OURS, THEIRS, ago, now, request, rfc3339, tokens, with, without,
};

fn account_key() -> String {
    format!("com.cloudflare.api.account.{OURS}")
}

fn policy(groups: &[&str], resources: &Value) -> Value {
    let groups: Vec<_> = groups.iter().map(|name| json!({"name": name})).collect();
    json!({"effect": "allow", "resources": resources, "permission_groups": groups})
}

fn new_token(groups: &[&str]) -> Value {
    json!({"name": "app", "policies": [policy(groups, &json!({account_key(): "*"}))]})
}

#[tokio::test]
async fn a_gateway_token_is_made_shown_once_and_revoked() {
    let harness = Harness::new().await;
    let made = harness
        .post(&tokens(OURS), new_token(&["AI Gateway Run"]))
        .await;
    let made = made.result();
    let value = made["value"].as_str().unwrap();
    assert!(value.starts_with("kw_gw_"));
    for (field, expected) in [
        ("name", json!("app")),
        ("kind", json!("gateway")),
        ("status", json!("active")),
        ("last_used_on", Value::Null),
        ("not_before", Value::Null),
        ("expires_on", Value::Null),
        ("condition", Value::Null),
        ("spend_limits", Value::Null),
    ] {
        assert_eq!(made.get(field), Some(&expected), "{field}");
    }
    let expected = json!([{
        "id": made["id"],
        "effect": "allow",
        "resources": {account_key(): "*"},
        "permission_groups": [{"id": Permission::AiGatewayRun.group_id(), "name": "AI Gateway Run"}],
    }]);
    assert_eq!(made["policies"], expected);
    let path = format!("{}/{}", tokens(OURS), made["id"].as_str().unwrap());
    let shown = harness.get(&path).await;
    assert_eq!(*shown.result(), without(made.clone(), "value"));
    let list = harness.get(&tokens(OURS)).await;
    assert_eq!(list.result()[1], *shown.result());
    assert!(!list.text.contains(value) && !shown.text.contains(value));
    let deleted = harness.delete(&path).await;
    assert_eq!(
        *deleted.result(),
        json!({"id": made["id"], "requests_open": 0})
    );
    harness.get(&path).await.refused(404, 7002);
    harness.delete(&path).await.refused(404, 7002);
}

#[tokio::test]
async fn spend_limits_are_set_kept_and_taken_away() {
    let harness = Harness::new().await;
    let limits = json!({"rules": [{
        "limitType": "cost", "limit": 2.5, "calendar": "week",
        "provider": {"mode": "filter", "values": ["openai"]}, "metadata": {"user": {"mode": "partition"}},
    }]});
    let limited = |groups, limits| with(new_token(groups), "spend_limits", limits);
    let run = &["AI Gateway Run"];
    let made = harness
        .post(&tokens(OURS), limited(run, limits.clone()))
        .await;
    let made = made.result();
    let told = &made["spend_limits"];
    assert_eq!(told["rules"][0]["id"], "rule-1");
    assert_eq!(told["rules"][0]["calendar"], "week");
    let path = format!("{}/{}", tokens(OURS), made["id"].as_str().unwrap());
    let put = async |body: Value| harness.call(Method::PUT, &path, Some(body)).await;
    // Who does not know of them leaves them as they are; an answer can be sent back.
    let silent = without(without(made.clone(), "value"), "spend_limits");
    for body in [new_token(run), without(made.clone(), "value"), silent] {
        assert_eq!(&put(body).await.result()["spend_limits"], told);
    }
    let gone = put(limited(run, Value::Null)).await;
    assert_eq!(gone.result()["spend_limits"], Value::Null);
    let api = limited(&["AI Gateway Read"], limits);
    let refused = harness.post(&tokens(OURS), api).await;
    refused.invalid(&json!(["body", "spend_limits"]));
    let wrong = json!({"rules": [{"limitType": "cost", "limit": 0, "window": 60}]});
    let refused = put(limited(run, wrong)).await;
    refused.invalid(&json!(["body", "spend_limits", "rules", 0, "limit"]));
}

/// A change that says nothing of limits leaves those that are stored when it has its turn.
#[tokio::test]
async fn a_change_that_is_silent_of_limits_brings_none_along() {
    let harness = Harness::new().await;
    let limits = json!({"rules": [{"limitType": "cost", "limit": 2.5, "calendar": "week"}]});
    let run = new_token(&["AI Gateway Run"]);
    let made = harness
        .post(&tokens(OURS), with(run, "spend_limits", limits))
        .await;
    let id = TokenId::parse(made.result()["id"].as_str().unwrap()).unwrap();
    let stored = harness.registry.snapshot();
    let stored = &stored.tokens().find_by_id(id).unwrap().record;
    let update = TokenUpdate {
        name: "renamed".to_owned(),
        grant: stored.grant.clone(),
        spend_limits: None,
        disabled: None,
    };
    let actor = Actor::Command("test");
    let changed = harness
        .registry
        .update_token(OURS, &id, update, None, actor, now());
    let changed = changed.await.unwrap();
    assert_eq!(changed.name, "renamed");
    assert!(changed.spend_limits.is_some());
    assert_eq!(changed.spend_limits, stored.spend_limits);
}

#[tokio::test]
async fn a_revoked_api_token_is_refused_at_once() {
    let harness = Harness::new().await;
    let made = harness
        .post(&tokens(OURS), new_token(&["Account API Tokens Read"]))
        .await;
    let value = made.result()["value"].as_str().unwrap();
    assert!(value.starts_with("kw_api_"));
    harness
        .call_as(value, Method::GET, &tokens(OURS), None)
        .await
        .result();
    let shown = harness
        .get(&format!(
            "{}/{}",
            tokens(OURS),
            made.result()["id"].as_str().unwrap()
        ))
        .await;
    assert!(shown.result()["last_used_on"].is_string());
    harness
        .delete(&format!(
            "{}/{}",
            tokens(OURS),
            made.result()["id"].as_str().unwrap()
        ))
        .await
        .result();
    harness
        .call_as(value, Method::GET, &tokens(OURS), None)
        .await
        .refused(401, 10000);
}

#[tokio::test]
async fn nothing_is_made_for_a_token_that_was_revoked_while_the_body_came() {
    let harness = Harness::new().await;
    let made = harness
        .post(&tokens(OURS), new_token(&["Account API Tokens Write"]))
        .await;
    let (id, value) = (&made.result()["id"], &made.result()["value"]);
    let path = format!("{}/{}", tokens(OURS), id.as_str().unwrap());
    let revoke = request(&harness.admin, Method::DELETE, &path, Body::empty());
    let router = harness.router();
    let rest = new_token(&["AI Gateway Run"]).to_string();
    let body = futures_util::stream::once(async move {
        let revoked = router.oneshot(revoke).await.unwrap();
        assert_eq!(revoked.status(), 200);
        Ok::<_, std::io::Error>(rest)
    });
    let body = Body::from_stream(body);
    let late = request(value.as_str().unwrap(), Method::POST, &tokens(OURS), body);
    harness.send(late).await.refused(401, 10000);
}

#[tokio::test]
async fn a_list_rises_or_falls() {
    let harness = Harness::new().await;
    for _ in 0..3 {
        let body = new_token(&["AI Gateway Run"]);
        harness.post(&tokens(OURS), body).await.result();
    }
    let ids = async |query: &str| {
        let list = harness.get(&format!("{}?{query}", tokens(OURS))).await;
        let items = list.result().as_array().unwrap().iter();
        items.map(|item| item["id"].clone()).collect::<Vec<_>>()
    };
    let rising = ids("").await;
    assert_eq!(rising.len(), 4);
    assert_eq!(ids("direction=asc").await, rising);
    let mut falling = ids("direction=desc").await;
    falling.reverse();
    assert_eq!(falling, rising);
    let unknown = format!("{}?direction=up", tokens(OURS));
    let answer = harness.get(&unknown).await;
    answer.invalid(&json!(["query", "direction"]));
}

#[tokio::test]
async fn scopes_times_and_networks_come_back_as_they_were_set() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let narrowing = json!({"providers": ["anthropic", "openai"], "aliases": ["a"], "classes": ["inference", "embeddings"],
        "models": ["anthropic/*", "openai/gpt-5*"]});
    let (one, two) = (
        format!("{}.ai-gateway.prod", account_key()),
        format!("{}.ai-gateway.default", account_key()),
    );
    let resources = json!({one: narrowing, two: narrowing});
    let body = json!({
        "name": "narrow",
        "policies": [{
            "id": "ignored",
            "effect": "allow",
            "resources": resources,
            "permission_groups": [{"id": Permission::AiGatewayRun.group_id()}],
        }],
        "not_before": rfc3339(60),
        "expires_on": rfc3339(3600),
        "condition": {"request_ip": {"in": ["10.0.0.0/8"], "not_in": ["10.1.0.0/16"]}},
    });
    let made = harness.post(&tokens(OURS), body.clone()).await;
    let made = made.result();
    assert_eq!(made["policies"][0]["resources"], resources);
    assert_eq!(made["condition"], body["condition"]);
    for field in ["not_before", "expires_on"] {
        assert_eq!(
            made[field].as_str().unwrap()[..19],
            body[field].as_str().unwrap()[..19]
        );
    }
}

#[tokio::test]
async fn policies_that_one_grant_can_say_are_joined() {
    let harness = Harness::new().await;
    let all = json!({account_key(): "*"});
    let body = json!({
        "name": "joined",
        "policies": [policy(&["AI Gateway Read"], &all), policy(&["Secrets Store Read"], &all)],
    });
    let made = harness.post(&tokens(OURS), body).await;
    let groups = made.result()["policies"][0]["permission_groups"]
        .as_array()
        .unwrap();
    assert_eq!(groups.len(), 2);
    let gateway = json!({format!("{}.ai-gateway.default", account_key()): "*"});
    let body = json!({
        "name": "wider than it says",
        "policies": [policy(&["AI Gateway Read"], &all), policy(&["Secrets Store Read"], &gateway)],
    });
    harness
        .post(&tokens(OURS), body)
        .await
        .invalid(&json!(["body", "policies"]));
}

#[track_caller]
fn check_message(answer: &Answer, path: &Value, expected: &str) {
    let message = answer.invalid(path);
    assert!(message.contains(expected), "{message}");
}

#[tokio::test]
async fn fields_that_cannot_be_a_tokens_are_refused_by_name() {
    let harness = Harness::new().await;
    let body = || new_token(&["AI Gateway Run"]);
    let (soon, late) = (json!(rfc3339(30)), json!(rfc3339(60)));
    for (body, path) in [
        (without(body(), "name"), json!(["body", "name"])),
        (with(body(), "name", json!(" ")), json!(["body", "name"])),
        (
            with(body(), "name", json!("x".repeat(121))),
            json!(["body", "name"]),
        ),
        (without(body(), "policies"), json!(["body", "policies"])),
        (
            with(body(), "policies", json!([])),
            json!(["body", "policies"]),
        ),
        (
            with(body(), "policies", json!({})),
            json!(["body", "policies"]),
        ),
        (
            with(body(), "status", json!("active")),
            json!(["body", "status"]),
        ),
        (
            with(
                body(),
                "condition",
                json!({"request_ip": {"in": ["10.0.0.1/8"]}}),
            ),
            json!(["body", "condition", "request_ip", "in", 0]),
        ),
        (
            with(body(), "condition", json!({"request_country": ["DE"]})),
            json!(["body", "condition", "request_country"]),
        ),
        (
            with(body(), "expires_on", json!(rfc3339(-1))),
            json!(["body", "expires_on"]),
        ),
        (
            with(with(body(), "not_before", late), "expires_on", soon),
            json!(["body", "expires_on"]),
        ),
    ] {
        harness.post(&tokens(OURS), body).await.invalid(&path);
    }
}

#[tokio::test]
async fn policies_that_cannot_be_a_tokens_are_refused_by_place() {
    let harness = Harness::new().await;
    let run = || new_token(&["AI Gateway Run"])["policies"][0].clone();
    let mixed = json!([{"id": Permission::AiGatewayRun.group_id(), "name": "AI Gateway Read"}]);
    for (policy, place, expected) in [
        (
            policy(&["AI Gateway Run", "AI Gateway Read"], &run()["resources"]),
            json!([]),
            "two tokens",
        ),
        (
            with(run(), "permission_groups", json!([])),
            json!([0, "permission_groups"]),
            "at least one",
        ),
        (
            policy(&["AI Gateway run"], &run()["resources"]),
            json!([0, "permission_groups", 0, "name"]),
            "no permission group",
        ),
        (
            with(run(), "permission_groups", mixed),
            json!([0, "permission_groups", 0]),
            "different",
        ),
        (
            with(run(), "effect", json!("deny")),
            json!([0, "effect"]),
            "not enforced yet",
        ),
        (
            with(run(), "effect", json!("maybe")),
            json!([0, "effect"]),
            "`allow`",
        ),
        (
            with(run(), "extra", json!(1)),
            json!([0, "extra"]),
            "not a known field",
        ),
        (
            without(run(), "resources"),
            json!([0, "resources"]),
            "required",
        ),
        (
            with(run(), "resources", json!({})),
            json!([0, "resources"]),
            "at least one",
        ),
    ] {
        let mut path = vec![json!("body"), json!("policies")];
        path.extend(place.as_array().unwrap().iter().cloned());
        let body = json!({"name": "app", "policies": [policy]});
        let answer = harness.post(&tokens(OURS), body).await;
        check_message(&answer, &Value::Array(path), expected);
    }
}

#[tokio::test]
async fn resources_that_are_not_ours_or_say_nothing_are_refused() {
    let harness = Harness::new().await;
    let theirs = format!("com.cloudflare.api.account.{THEIRS}");
    let absent = format!("{}.ai-gateway.absent", account_key());
    let own = account_key();
    for (key, value, rest, expected) in [
        (theirs.as_str(), json!("*"), None, "must be"),
        ("*", json!("*"), None, "must be"),
        (absent.as_str(), json!("*"), None, "was not found"),
        (own.as_str(), json!("all"), None, "must be"),
        (own.as_str(), json!({}), None, "must be"),
        (
            own.as_str(),
            json!({"colours": ["x"]}),
            Some("colours"),
            "not a known field",
        ),
        (
            own.as_str(),
            json!({"providers": []}),
            Some("providers"),
            "at least one",
        ),
    ] {
        let body =
            json!({"name": "app", "policies": [policy(&["AI Gateway Run"], &json!({key: value}))]});
        let mut path = vec![
            json!("body"),
            json!("policies"),
            json!(0),
            json!("resources"),
            json!(key),
        ];
        path.extend(rest.map(Value::from));
        let answer = harness.post(&tokens(OURS), body).await;
        check_message(&answer, &Value::Array(path), expected);
    }
}

#[tokio::test]
async fn a_token_makes_nothing_stronger_than_itself() {
    let harness = Harness::new().await;
    let permissions =
        Permissions::from_iter([Permission::AccountApiTokensWrite, Permission::AiGatewayRead]);
    let mut grant = Grant::new(OURS, permissions);
    grant.providers = Scope::only(["openai"]);
    let (_, token) = harness.token(grant).await;
    let post = async |body: Value| {
        harness
            .call_as(&token, Method::POST, &tokens(OURS), Some(body))
            .await
    };
    post(new_token(&["AI Gateway Run"]))
        .await
        .refused(403, 10000);
    let narrow = json!({account_key(): {"providers": ["openai"]}});
    let ask = |groups: &[&str]| json!({"name": "x", "policies": [policy(groups, &narrow)]});
    post(ask(&["AI Gateway Write"])).await.refused(403, 10000);
    post(ask(&["AI Gateway Read"])).await.result();
    post(ask(&["AI Gateway Run"])).await.result();
}

#[tokio::test]
async fn a_narrowed_token_sees_and_revokes_what_lies_inside_its_scopes_only() {
    let harness = Harness::new().await;
    let mut grant = Grant::new(OURS, Role::Admin.permissions());
    grant.gateways = Scope::only(["default"]);
    let (own, token) = harness.token(grant).await;
    let (other, _) = harness
        .token(Grant::new(OURS, Role::Reporter.permissions()))
        .await;
    let list = harness
        .call_as(&token, Method::GET, &tokens(OURS), None)
        .await;
    assert_eq!(list.result().as_array().unwrap().len(), 1);
    assert_eq!(list.result()[0]["id"], own.to_string());
    let other = format!("{}/{other}", tokens(OURS));
    harness
        .call_as(&token, Method::GET, &other, None)
        .await
        .refused(404, 7002);
    harness
        .call_as(&token, Method::DELETE, &other, None)
        .await
        .refused(404, 7002);
    harness.get(&other).await.result();
}

#[tokio::test]
async fn verification_tells_the_status() {
    let harness = Harness::new().await;
    let verify =
        async |token: &str, path: &str| harness.call_as(token, Method::GET, path, None).await;
    let in_account = format!("{}/verify", tokens(OURS));
    for path in ["/client/v4/user/tokens/verify", in_account.as_str()] {
        let answer = verify(&harness.admin, path).await;
        assert_eq!(answer.result()["status"], "active");
        let message =
            json!([{"code": 10000, "message": "This API Token is valid and active", "type": null}]);
        assert_eq!(answer.json["messages"], message);
    }
    let mut grant = Grant::new(OURS, Role::Reporter.permissions());
    grant.expires_at = Some(ago(10));
    let (_, expired) = harness.token(grant.clone()).await;
    let answer = verify(&expired, &in_account).await;
    assert_eq!(answer.result()["status"], "expired");
    assert!(answer.result()["expires_on"].is_string());
    verify(&expired, "/client/v4/accounts")
        .await
        .refused(401, 10000);
    grant.disabled = true;
    let (_, disabled) = harness.token(grant.clone()).await;
    assert_eq!(
        verify(&disabled, &in_account).await.result()["status"],
        "disabled"
    );
    verify(&disabled, "/client/v4/accounts")
        .await
        .refused(401, 10000);
    grant = Grant::new(OURS, Role::Reporter.permissions());
    grant.not_before = Some(now() + Duration::from_secs(60));
    let (_, early) = harness.token(grant).await;
    verify(&early, "/client/v4/accounts")
        .await
        .refused(401, 10000);
    let theirs = format!("{}/verify", tokens(THEIRS));
    verify(&harness.admin, &theirs).await.refused(404, 7003);
}

#[tokio::test]
async fn permission_groups_are_listed_by_the_names_that_create_takes() {
    let harness = Harness::new().await;
    let answer = harness
        .get(&format!("{}/permission_groups", tokens(OURS)))
        .await;
    assert_eq!(
        answer.result().as_array().unwrap().len(),
        PermissionGroup::all().count()
    );
    for listed in answer.result().as_array().unwrap() {
        let group = PermissionGroup::find_by_name(listed["name"].as_str().unwrap()).unwrap();
        assert_eq!(listed["id"], group.id().unwrap());
        assert!(listed["scopes"].is_array());
    }
    let one = harness
        .get(&format!(
            "{}/permission_groups?name=AI%20Gateway%20Run",
            tokens(OURS)
        ))
        .await;
    assert_eq!(one.result().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_role_is_a_permission_group_and_becomes_the_permissions_it_stands_for() {
    let harness = Harness::new().await;
    for role in Role::GROUPS {
        let made = harness.post(&tokens(OURS), new_token(&[role.name()])).await;
        let groups = &made.result()["policies"][0]["permission_groups"];
        let names: Vec<_> = groups.as_array().unwrap().iter().collect();
        let names: Vec<_> = names.iter().map(|group| group["name"].as_str()).collect();
        let expected: Vec<_> = role.permissions().names().map(Some).collect();
        assert_eq!(names, expected);
        let by_id = json!([{"id": role.group_id().unwrap()}]);
        let mut body = new_token(&[]);
        body["policies"][0]["permission_groups"] = by_id;
        let same = harness.post(&tokens(OURS), body).await;
        assert_eq!(
            same.result()["policies"][0]["permission_groups"],
            made.result()["policies"][0]["permission_groups"]
        );
    }
    // What is everything is no group, and a reporter changes nothing.
    let answer = harness.post(&tokens(OURS), new_token(&["Admin"])).await;
    check_message(
        &answer,
        &json!(["body", "policies", 0, "permission_groups", 0, "name"]),
        "no permission group",
    );
    let made = harness
        .post(&tokens(OURS), new_token(&["Secrets Store Reporter"]))
        .await;
    let reporter = made.result()["value"].as_str().unwrap();
    harness
        .call_as(reporter, Method::GET, &tokens(OURS), None)
        .await
        .refused(403, 10000);
}
