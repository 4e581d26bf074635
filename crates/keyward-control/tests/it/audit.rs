//! The audit log: who is told of, what is listed, and to whom.

use axum::body::Body;
use http::{Method, Request};
use keyward_auth::{Grant, Permission, Permissions};
use keyward_control::Peer;
use keyward_registry::{AuditEntry, AuditFinding, AuditQuery, AuditStore};
use serde_json::{Value, json};

use crate::support::{Harness, OURS, THEIRS, gateways, now, peer, request};

const LOG: &str = "/client/v4/accounts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/logs/audit";

impl Harness {
    /// Every line, the server's too, once what was refused is written.
    async fn lines(&self) -> Vec<AuditEntry> {
        self.registry.keep_refused(now(), true).await.unwrap();
        let query = AuditQuery {
            with_server: true,
            limit: 1_000,
            ..AuditQuery::new(OURS)
        };
        self.store.list_audit(query).await.unwrap()
    }
}

fn last(lines: &[AuditEntry]) -> [&str; 6] {
    let line = lines.last().unwrap();
    [
        &line.actor,
        line.source.as_deref().unwrap_or("-"),
        &line.action,
        &line.result,
        &line.subject_kind,
        &line.subject_id,
    ]
}

#[tokio::test]
async fn a_change_tells_of_the_token_and_where_it_came_from() {
    let harness = Harness::new().await;
    harness.gateway("mine").await;
    let lines = harness.lines().await;
    let [actor, rest @ ..] = last(&lines);
    assert!(actor.starts_with("token "), "{actor}");
    assert_eq!(
        rest,
        ["127.0.0.1", "gateway.create", "done", "gateway", "mine"]
    );
}

#[tokio::test]
async fn what_a_token_may_not_do_is_told_with_the_record_it_reached_for() {
    let harness = Harness::new().await;
    let (id, reader) = harness
        .token(Grant::new(
            OURS,
            Permissions::from_iter([Permission::AiGatewayRead]),
        ))
        .await;
    let path = format!("{}/default", gateways(OURS));
    for _ in 0..3 {
        let answer = harness.call_as(&reader, Method::DELETE, &path, None).await;
        answer.refused(403, 10000);
    }
    let lines = harness.lines().await;
    let actor = format!("token {id}");
    assert_eq!(
        last(&lines),
        [
            &*actor,
            "127.0.0.1",
            "gateway.delete",
            "denied",
            "gateway",
            "default"
        ]
    );
    assert_eq!(lines.last().unwrap().times, 3);

    // Of another account only that it was reached for, in the log of the token's own.
    let path = format!("{}/default", gateways(THEIRS));
    let answer = harness.call_as(&reader, Method::DELETE, &path, None).await;
    answer.refused(404, 7003);
    assert_eq!(
        last(&harness.lines().await),
        [
            &*actor,
            "127.0.0.1",
            "gateway.delete",
            "denied",
            "account",
            &OURS.to_string()
        ]
    );
}

#[tokio::test]
async fn who_shows_no_good_token_is_told_by_address_and_not_by_what_was_sent() {
    let harness = Harness::new().await;
    let path = format!("{}/canary-name", gateways(OURS));
    let answer = harness
        .call_as("kw_api_canary", Method::GET, &path, None)
        .await;
    answer.refused(401, 10000);
    let lines = harness.lines().await;
    let account = OURS.to_string();
    assert_eq!(
        last(&lines),
        [
            "unknown",
            "127.0.0.1",
            "gateway.show",
            "unauthenticated",
            "account",
            &*account
        ]
    );
    // An account that does not exist is no record.
    let path = format!(
        "{}/x",
        gateways(keyward_secret::AccountId::from_bytes([7; 16]))
    );
    harness
        .call_as("x", Method::GET, &path, None)
        .await
        .refused(401, 10000);
    let lines = harness.lines().await;
    assert_eq!(last(&lines)[4..], ["server", ""]);
    let text = serde_json::to_string(&lines).unwrap();
    assert!(!text.contains("canary"), "{text}");

    // An expired one is told by its id.
    let mut grant = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    grant.expires_at = Some(crate::support::ago(5));
    let (id, expired) = harness.token(grant).await;
    harness
        .call_as(&expired, Method::GET, &gateways(OURS), None)
        .await
        .refused(401, 10000);
    assert_eq!(
        last(&harness.lines().await)[..4],
        [
            &*format!("token {id}"),
            "127.0.0.1",
            "gateway.list",
            "unauthenticated"
        ]
    );
}

#[tokio::test]
async fn what_is_wrong_in_a_request_is_no_refusal_of_who_sent_it() {
    let harness = Harness::new().await;
    let before = harness.lines().await.len();
    harness
        .post(&gateways(OURS), Value::Null)
        .await
        .refused(400, 7001);
    harness
        .get(&format!("{}/absent", gateways(OURS)))
        .await
        .refused(404, 7002);
    let from_a_page = Request::post(gateways(OURS))
        .header("host", "127.0.0.1")
        .header("origin", "https://x.example")
        .extension(Peer(peer()));
    let answer = harness.send(from_a_page.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 403);
    assert_eq!(harness.lines().await.len(), before);
}

#[tokio::test]
async fn lines_are_listed_by_condition_and_cursor() {
    let harness = Harness::new().await;
    for id in ["a", "b", "c"] {
        harness.gateway(id).await;
    }
    let all = harness.get(LOG).await;
    let all = all.result().as_array().unwrap();
    let newest = &all[0];
    assert_eq!(newest["action"]["description"], "gateway.create");
    assert_eq!(newest["action"]["type"], "create");
    assert_eq!(newest["action"]["result"], "success");
    assert_eq!(newest["resource"]["id"], "c");
    assert_eq!(newest["resource"]["type"], "gateway");
    assert_eq!(newest["actor"]["ip_address"], "127.0.0.1");
    assert_eq!(newest["actor"]["context"], "api_token");
    assert_eq!(newest["account"]["id"], OURS.to_string());
    assert_eq!(
        newest["keyward"]["seq"].to_string(),
        newest["id"].as_str().unwrap()
    );
    let ids = |answer: &Value| -> Vec<String> {
        let lines = answer.as_array().unwrap().iter();
        lines
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = harness.get(&format!("{LOG}?limit=2")).await;
    let cursor = first.json["result_info"]["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = harness.get(&format!("{LOG}?limit=2&cursor={cursor}")).await;
    let both = [ids(first.result()), ids(second.result())].concat();
    let whole: Vec<_> = all
        .iter()
        .take(4)
        .map(|line| line["id"].as_str().unwrap())
        .collect();
    assert_eq!(both, whole);

    let token = newest["actor"]["token_id"].as_str().unwrap();
    for (query, expected) in [
        (format!("actor_token_id={token}"), 3),
        (format!("actor_id={token}&actor_token_id={token}"), 3),
        (
            format!("actor_id=token%20{token}&actor_token_id={token}"),
            3,
        ),
        // Conditions hold together.
        (format!("actor_id=unknown&actor_token_id={token}"), 0),
        (format!("actor_id={token}&actor_token_id=unknown"), 0),
        ("action=gateway.create&resource_id=b".to_owned(), 1),
        ("resource_type=gateway".to_owned(), 4),
        ("action_result=failure".to_owned(), 0),
        ("actor_ip_address=127.0.0.1".to_owned(), 3),
        ("before=2020-01-01".to_owned(), 0),
        (
            "since=2020-01-01T00:00:00Z&action=gateway.create".to_owned(),
            4,
        ),
    ] {
        let answer = harness.get(&format!("{LOG}?{query}")).await;
        assert_eq!(
            answer.result().as_array().unwrap().len(),
            expected,
            "{query}"
        );
    }
    for query in [
        "since=yesterday",
        "before=2027-13-01",
        "limit=0",
        "limit=1001",
        "cursor=x",
        "direction=up",
        "action_result=x",
    ] {
        let answer = harness.get(&format!("{LOG}?{query}")).await;
        let name = query.split('=').next().unwrap();
        answer.invalid(&json!(["query", name]));
    }
}

#[tokio::test]
async fn lines_about_no_account_are_for_those_who_may_read_the_vault() {
    let harness = Harness::new().await;
    let nobody = request(
        "x",
        Method::GET,
        "/client/v4/user/tokens/verify",
        Body::empty(),
    );
    harness.send(nobody).await.refused(401, 10000);
    harness.registry.keep_refused(now(), true).await.unwrap();
    let auditor = harness.token_with(OURS, &[Permission::AuditLogRead]).await;
    let both = [Permission::AuditLogRead, Permission::VaultRead];
    let operator = harness.token_with(OURS, &both).await;
    let path = format!("{LOG}?resource_type=server");
    let seen = harness.call_as(&auditor, Method::GET, &path, None).await;
    assert_eq!(seen.result().as_array().unwrap().len(), 0);
    let seen = harness.call_as(&operator, Method::GET, &path, None).await;
    assert_eq!(seen.result().as_array().unwrap().len(), 1);

    let theirs = harness.token_with(THEIRS, &both).await;
    let path = format!("/client/v4/accounts/{THEIRS}/logs/audit");
    let seen = harness.call_as(&theirs, Method::GET, &path, None).await;
    assert!(!seen.text.contains(&OURS.to_string()), "{}", seen.text);
}

#[tokio::test]
async fn what_a_finding_names_is_for_those_who_may_read_the_vault() {
    let harness = Harness::new().await;
    let auditor = harness.token_with(OURS, &[Permission::AuditLogRead]).await;
    let both = [Permission::AuditLogRead, Permission::VaultRead];
    let operator = harness.token_with(OURS, &both).await;
    let state = format!("{LOG}/state");
    assert_eq!(harness.get(&state).await.result()["state"], "unchecked");
    let what = format!("the gateway {THEIRS}/x that it wrote is gone");
    harness.store.findings.lock().unwrap().push(AuditFinding {
        seq: 7,
        what: what.clone(),
    });
    for (method, path) in [
        (Method::GET, state),
        (Method::POST, format!("{LOG}/verify")),
    ] {
        let seen = harness
            .call_as(&operator, method.clone(), &path, None)
            .await;
        assert_eq!(seen.result()["state"], "broken");
        assert_eq!(
            seen.result()["findings"],
            json!([{"line": 7, "what": what}])
        );
        // That there is one, and where, everyone is told who may read the log.
        let seen = harness.call_as(&auditor, method, &path, None).await;
        assert_eq!(seen.result()["state"], "broken");
        assert_eq!(seen.result()["findings"][0]["line"], 7);
        assert!(!seen.text.contains(&THEIRS.to_string()), "{}", seen.text);
    }
}
