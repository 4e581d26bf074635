//! A new value with a way back, by way of the API. What drives a rotation between requests is played by the test.

use std::time::Duration;

use http::Method;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_registry::{Actor, ProviderKeyId};
use keyward_vault::{
    rotation::Event,
    status::{Charge, Finding, Refusal},
};
use serde_json::{Value, json};

use crate::support::{Answer, CANARY, Harness, OURS, keys, now, secret};

struct Key<'a> {
    harness: &'a Harness,
    id: String,
}

impl<'a> Key<'a> {
    async fn stored(harness: &'a Harness) -> Self {
        let id = harness.key("default").await;
        Self { harness, id }
    }

    fn path(&self, rest: &str) -> String {
        format!("{}/{}{rest}", keys(OURS, "default"), self.id)
    }

    async fn begin(&self, fields: Value) -> Answer {
        let mut body = json!({"secret": format!("sk-{CANARY}-new-abcd")});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.harness.post(&self.path("/rotations"), body).await
    }

    async fn ask(&self, step: &str) -> Answer {
        let path = self.path(&format!("/rotation/{step}"));
        self.harness.call(Method::POST, &path, None).await
    }

    async fn shown(&self) -> Value {
        self.harness
            .get(&self.path("/rotation"))
            .await
            .result()
            .clone()
    }

    async fn version(&self) -> Value {
        self.harness.get(&self.path("")).await.result()["version"].clone()
    }

    async fn happens(&self, event: Event) {
        self.happens_at(event, Duration::ZERO).await;
    }

    async fn happens_at(&self, event: Event, later: Duration) {
        let registry = &self.harness.registry;
        let id = ProviderKeyId::parse(&self.id).unwrap();
        let secret = registry
            .snapshot()
            .provider_key(OURS, id)
            .unwrap()
            .record
            .secret;
        let actor = Actor::Command("test");
        let advanced = registry.advance_rotation(OURS, secret, event, actor, now() + later);
        advanced.await.unwrap();
    }

    async fn probed(&self, finding: Finding) {
        let version = self.shown().await["to_version"].as_u64().unwrap();
        let version = keyward_vault::VersionNumber::new(version.try_into().unwrap()).unwrap();
        self.happens(Event::Probed { version, finding }).await;
    }
}

#[tokio::test]
async fn a_new_value_is_staged_proven_current_and_the_old_one_erased() {
    let harness = Harness::new().await;
    let key = Key::stored(&harness).await;
    key.harness
        .get(&key.path("/rotation"))
        .await
        .refused(404, 7002);
    let begun = key
        .begin(json!({"overlap_seconds": 60, "request_id": "deploy-7"}))
        .await;
    let begun = begun.result();
    assert_eq!(begun["phase"], "staged");
    assert_eq!(
        (&begun["request_id"], &begun["verify"]),
        (&json!("deploy-7"), &json!(true))
    );
    assert_eq!(
        (&begun["from_version"], &begun["to_version"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (&begun["overlap_seconds"], &begun["ends_at"]),
        (&json!(60), &Value::Null)
    );
    assert!(begun["to_preview"].as_str().unwrap().ends_with("abcd"));
    assert_eq!(key.version().await, 1);

    key.probed(Finding::Good).await;
    let shown = key.shown().await;
    assert_eq!(shown["phase"], "overlapping");
    assert!(shown["ends_at"].is_string());
    assert_eq!(key.version().await, 2);
    let versions = harness.get(&key.path("/versions")).await;
    let states: Vec<_> = versions
        .result()
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["state"])
        .collect();
    assert_eq!(states, ["current", "retiring"]);

    key.happens_at(Event::Tick, Duration::from_secs(61)).await;
    let shown = key.shown().await;
    assert_eq!(
        (&shown["phase"], &shown["ends_at"]),
        (&json!("finished"), &Value::Null)
    );
    key.ask("roll_back").await.refused(409, 7001);
}

#[tokio::test]
async fn a_value_that_is_refused_changes_nothing_and_the_reason_is_told() {
    let harness = Harness::new().await;
    let key = Key::stored(&harness).await;
    key.begin(json!({})).await.result();
    let refusal = Refusal::new(Charge::Rejected, 401);
    key.probed(Finding::Bad(refusal)).await;
    let shown = key.shown().await;
    assert_eq!(
        (&shown["phase"], &shown["reason"]),
        (&json!("refused"), &json!("rejected"))
    );
    assert_eq!(shown["status_code"], 401);
    assert!(
        shown["reason_text"]
            .as_str()
            .unwrap()
            .contains("does not know")
    );
    assert_eq!(shown["to_preview"], Value::Null);
    assert_eq!(key.version().await, 1);
}

#[tokio::test]
async fn an_operator_takes_the_old_value_back_or_erases_it_now() {
    let harness = Harness::new().await;
    let key = Key::stored(&harness).await;
    // What is staged is withdrawn.
    key.begin(json!({})).await.result();
    let refused = key.ask("destroy_old").await;
    assert!(
        refused
            .refused(409, 7001)
            .contains("once the new one was promoted")
    );
    let withdrawn = key.ask("roll_back").await;
    assert_eq!(withdrawn.result()["phase"], "refused");
    assert_eq!(withdrawn.result()["reason"], "by_operator");

    let begun = key.begin(json!({"verify": false})).await;
    assert_eq!(begun.result()["phase"], "overlapping");
    assert_eq!(begun.result()["overlap_seconds"], 600);
    let back = key.ask("roll_back").await;
    assert_eq!(back.result()["phase"], "rolled_back");
    assert_eq!(key.version().await, 1);

    key.begin(json!({"verify": false})).await.result();
    let finished = key.ask("destroy_old").await;
    assert_eq!(finished.result()["phase"], "finished");
    let path = format!("/client/v4/accounts/{OURS}/logs/audit?limit=1000");
    let log = harness.get(&path).await.text;
    for action in ["begin", "roll_back", "refuse", "finish"] {
        assert!(
            log.contains(&format!("provider_key.rotate.{action}")),
            "{action}"
        );
    }
}

#[tokio::test]
async fn one_is_under_way_at_a_time_and_the_same_request_begins_no_other() {
    let harness = Harness::new().await;
    let key = Key::stored(&harness).await;
    let named = json!({"request_id": "one", "verify": false});
    assert_eq!(key.begin(named.clone()).await.result()["to_version"], 2);
    assert_eq!(key.begin(named).await.result()["to_version"], 2);
    let other = key
        .begin(json!({"request_id": "two", "verify": false}))
        .await;
    assert!(other.refused(409, 7001).contains("`one`"));
    // A plain replacement ends it.
    let body = Some(json!({"secret": secret()}));
    key.harness
        .call(Method::PUT, &key.path(""), body)
        .await
        .result();
    let shown = key.shown().await;
    assert_eq!(shown["reason"], "replaced");
    assert_ne!(shown["phase"], "overlapping");
    assert_eq!(key.version().await, 3);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_beforehand() {
    let harness = Harness::new().await;
    let key = Key::stored(&harness).await;
    for (field, value) in [
        ("overlap_seconds", json!(604_801)),
        ("overlap_seconds", json!(-1)),
        ("request_id", json!("a b")),
        ("request_id", json!("")),
        ("verify", json!("perhaps")),
        ("secret", json!("two words")),
        ("secret", json!(null)),
        ("nonsense", json!(1)),
    ] {
        let answer = key.begin(json!({field: value})).await;
        assert_eq!(answer.status, 400, "{field}: {}", answer.text);
    }
    harness.get(&key.path("/rotation")).await.refused(404, 7002);
    // Where nothing proves a key, it is not staged for a proof that cannot come.
    let body = json!({"provider_slug": "cohere", "secret": secret()});
    let made = harness.post(&keys(OURS, "default"), body).await;
    let id = made.result()["id"].as_str().unwrap().to_owned();
    let cohere = Key {
        harness: &harness,
        id,
    };
    cohere
        .begin(json!({"verify": true}))
        .await
        .invalid(&json!(["body", "verify"]));
    assert_eq!(
        cohere.begin(json!({})).await.result()["phase"],
        "overlapping"
    );
}

#[tokio::test]
async fn values_cannot_be_tried_at_speed_by_rotations_either() {
    let harness = Harness::new().await;
    let key = Key::stored(&harness).await;
    for _ in 0..10 {
        key.begin(json!({})).await.result();
        key.ask("roll_back").await.result();
    }
    key.begin(json!({})).await.refused(429, 10002);
    key.begin(json!({"verify": false})).await.result();
}

#[tokio::test]
async fn a_value_that_others_share_is_not_rotated_from_within_one_scope() {
    let harness = Harness::new().await;
    let key = Key::stored(&harness).await;
    let shown = harness.get(&key.path("")).await;
    let shared = json!({"alias": "team-b", "provider_slug": "openai", "secret_id": shown.result()["secret_id"]});
    harness.post(&keys(OURS, "default"), shared).await.result();
    let narrow = Grant {
        aliases: Scope::only(["default"]),
        ..Grant::new(
            OURS,
            Permissions::from_iter([Permission::SecretsStoreWrite]),
        )
    };
    let narrow = harness.token(narrow).await.1;
    let body = json!({"secret": secret(), "verify": false});
    let path = key.path("/rotations");
    let begun = harness.call_as(&narrow, Method::POST, &path, Some(body));
    begun.await.refused(403, 10000);
    key.begin(json!({"verify": false})).await.result();
    for step in ["roll_back", "destroy_old"] {
        let path = key.path(&format!("/rotation/{step}"));
        harness
            .call_as(&narrow, Method::POST, &path, None)
            .await
            .refused(403, 10000);
    }
}
