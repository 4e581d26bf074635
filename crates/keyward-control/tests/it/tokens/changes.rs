//! Tokens that are there already: updated, and rolled.

use std::time::Duration;

use http::Method;
use keyward_auth::{Grant, Permission, Permissions};
use serde_json::{Value, json};

use super::new_token;
use crate::support::{Harness, OURS, now, rfc3339, tokens, with, without};

/// Makes a token by REST; its path and its text.
async fn make(harness: &Harness, body: Value) -> (String, String) {
    let made = harness.post(&tokens(OURS), body).await;
    let made = made.result();
    (
        format!("{}/{}", tokens(OURS), made["id"].as_str().unwrap()),
        made["value"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn an_update_replaces_everything_but_the_text() {
    let harness = Harness::new().await;
    let (path, text) = make(&harness, new_token(&["Account API Tokens Read"])).await;
    let can_list = async || {
        harness
            .call_as(&text, Method::GET, &tokens(OURS), None)
            .await
            .status
    };
    assert_eq!(can_list().await, 200);
    let body = with(
        new_token(&["AI Gateway Read"]),
        "expires_on",
        json!(rfc3339(3600)),
    );
    let body = with(body, "name", json!("renamed"));
    let updated = harness.call(Method::PUT, &path, Some(body.clone())).await;
    let updated = updated.result();
    assert_eq!(updated["name"], "renamed");
    assert!(updated["expires_on"].is_string() && updated.get("value").is_none());
    assert_eq!(can_list().await, 403, "the permissions changed at once");
    // What an answer says can be sent back, and what is left out is gone.
    let back = without(updated.clone(), "expires_on");
    let again = harness.call(Method::PUT, &path, Some(back)).await;
    assert_eq!(again.result()["expires_on"], Value::Null);
    assert_eq!(again.result()["policies"], updated["policies"]);
    // Off, and off it stays while nobody says otherwise.
    let off = with(body.clone(), "status", json!("disabled"));
    harness.call(Method::PUT, &path, Some(off)).await.result();
    assert_eq!(can_list().await, 401);
    let silent = harness.call(Method::PUT, &path, Some(body.clone())).await;
    assert_eq!(silent.result()["status"], "disabled");
    let on = with(body.clone(), "status", json!("active"));
    harness.call(Method::PUT, &path, Some(on)).await.result();
    assert_eq!(can_list().await, 403);
    for (body, field) in [
        (without(body.clone(), "name"), "name"),
        (without(body.clone(), "policies"), "policies"),
        (with(body.clone(), "status", json!("expired")), "status"),
        (new_token(&["AI Gateway Run"]), "policies"),
    ] {
        let answer = harness.call(Method::PUT, &path, Some(body)).await;
        answer.invalid(&json!(["body", field]));
    }
    let absent = format!("{}/000000000000", tokens(OURS));
    let answer = harness.call(Method::PUT, &absent, Some(body)).await;
    answer.refused(404, 7002);
}

#[tokio::test]
async fn a_rolled_token_has_a_new_text_at_once() {
    let harness = Harness::new().await;
    let (path, old) = make(&harness, new_token(&["Account API Tokens Read"])).await;
    let before = harness.get(&path).await.result().clone();
    let value = format!("{path}/value");
    let status = async |text: &str| {
        harness
            .call_as(text, Method::GET, &tokens(OURS), None)
            .await
            .status
    };
    // Without a body, as SDKs send it.
    let rolled = harness.call(Method::PUT, &value, None).await;
    let new = rolled.result().as_str().unwrap();
    assert!(new.starts_with("kw_api_") && new != old);
    assert_eq!((status(&old).await, status(new).await), (401, 200));
    let after = harness.get(&path).await.result().clone();
    for field in ["id", "name", "policies", "issued_on", "expires_on"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    // With an overlap both are good; the one before both is not.
    let overlap = json!({"overlap_seconds": 60});
    let rolled = harness.call(Method::PUT, &value, Some(overlap)).await;
    let newest = rolled.result().as_str().unwrap();
    assert_eq!((status(new).await, status(newest).await), (200, 200));
    assert_eq!(status(&old).await, 401);
    // A roll without one ends the overlap, and so does deletion.
    let rolled = harness.call(Method::PUT, &value, Some(json!({}))).await;
    let last = rolled.result().as_str().unwrap();
    assert_eq!((status(new).await, status(newest).await), (401, 401));
    harness.delete(&path).await.result();
    assert_eq!(status(last).await, 401);
    harness
        .call(Method::PUT, &value, None)
        .await
        .refused(404, 7002);
    let (path, _) = make(&harness, new_token(&["AI Gateway Run"])).await;
    let value = format!("{path}/value");
    for (body, field) in [
        (json!({"overlap_seconds": 86_401}), "overlap_seconds"),
        (json!({"overlap_seconds": -1}), "overlap_seconds"),
        (json!({"overlap": 1}), "overlap"),
    ] {
        let answer = harness.call(Method::PUT, &value, Some(body)).await;
        answer.invalid(&json!(["body", field]));
    }
    let rolled = harness.call(Method::PUT, &value, None).await;
    assert!(rolled.result().as_str().unwrap().starts_with("kw_gw_"));
}

/// Whoever may change a token could take over what it is for, so both what it was and what it is to be must
/// lie within the caller's own.
#[tokio::test]
async fn a_token_changes_and_rolls_nothing_stronger_than_itself() {
    let harness = Harness::new().await;
    let write = Permission::AccountApiTokensWrite;
    let permissions = Permissions::from_iter([write, Permission::AiGatewayRead]);
    let mut grant = Grant::new(OURS, permissions);
    grant.expires_at = Some(now() + Duration::from_secs(3600));
    let (own, token) = harness.token(grant.clone()).await;
    let ask = async |id: &str, tail: &str, body: Option<Value>| {
        let path = format!("{}/{id}{tail}", tokens(OURS));
        harness.call_as(&token, Method::PUT, &path, body).await
    };
    let soon = |groups: &[&str]| with(new_token(groups), "expires_on", json!(rfc3339(60)));
    let within = async |permissions: &[Permission], lives_longer: bool| {
        let mut grant = Grant::new(OURS, permissions.iter().copied().collect());
        grant.expires_at = (!lives_longer).then(|| now() + Duration::from_secs(600));
        harness.token(grant).await.0
    };
    // Stronger as it was: by permission, and by its end. Neither is touched, not even to weaken it.
    for stronger in [
        within(&[Permission::VaultWrite], false).await,
        within(&[Permission::AiGatewayRead], true).await,
        within(&[Permission::AiGatewayRun], true).await,
    ] {
        let body = soon(&["AI Gateway Read"]);
        ask(stronger.as_str(), "", Some(body))
            .await
            .refused(403, 10000);
        ask(stronger.as_str(), "/value", None)
            .await
            .refused(403, 10000);
    }
    // Stronger as it is to be.
    let weak = within(&[Permission::AiGatewayRead], false).await;
    for body in [
        soon(&["AI Gateway Write"]),
        soon(&["Secrets Store Reporter"]),
        new_token(&["AI Gateway Read"]),
    ] {
        ask(weak.as_str(), "", Some(body)).await.refused(403, 10000);
    }
    ask(weak.as_str(), "", Some(soon(&["AI Gateway Read"])))
        .await
        .result();
    ask(weak.as_str(), "/value", None).await.result();
    // Itself: no further than it reaches, and with a new text.
    let further = soon(&["Account API Tokens Write", "AI Gateway Write"]);
    ask(own.as_str(), "", Some(further))
        .await
        .refused(403, 10000);
    let rolled = ask(own.as_str(), "/value", None).await;
    let new = rolled.result().as_str().unwrap().to_owned();
    ask(own.as_str(), "/value", None).await.refused(401, 10000);
    let path = format!("{}/{own}/value", tokens(OURS));
    harness
        .call_as(&new, Method::PUT, &path, None)
        .await
        .result();
}
