//! What revoking calls say of requests under way, and when `?now=` cuts them.

use std::sync::{Arc, Mutex};

use http::Method;
use keyward_auth::{Grant, Permission, Permissions};
use keyward_registry::{InUse, Use};
use serde_json::{Value, json};

use crate::support::{Answer, Harness, OURS, keys, secret, tokens};

/// Serves two requests with everything, and notes what is cut.
#[derive(Debug, Default)]
struct Busy(Mutex<Vec<Use>>);

impl InUse for Busy {
    fn count(&self, _of: Use) -> usize {
        2
    }

    fn cut(&self, of: Use) -> usize {
        self.0.lock().unwrap().push(of);
        2
    }
}

fn run_grant() -> Grant {
    Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRun]))
}

async fn busy() -> (Harness, Arc<Busy>) {
    let harness = Harness::new().await;
    let busy = Arc::new(Busy::default());
    let in_use: Arc<dyn InUse> = Arc::clone(&busy) as _;
    harness.registry.watch(&in_use);
    (harness, busy)
}

#[track_caller]
fn says(result: &Value, open: &Value, cut: &Value) {
    let field = |name: &str| result.get(name).cloned().unwrap_or(Value::Null);
    assert_eq!(
        (&field("requests_open"), &field("requests_cut")),
        (open, cut),
        "{result}"
    );
}

#[tokio::test]
async fn a_revoked_token_says_how_many_requests_it_leaves_or_cuts() {
    let (harness, busy) = busy().await;
    for (query, open, cut) in [
        ("", json!(2), Value::Null),
        ("?now=false", json!(2), Value::Null),
        ("?now=true", Value::Null, json!(2)),
    ] {
        let (id, _text) = harness.token(run_grant()).await;
        let path = format!("{}/{id}", tokens(OURS));
        harness
            .delete(&format!("{path}?now=1"))
            .await
            .refused(400, 7001);
        let deleted = harness.delete(&format!("{path}{query}")).await;
        says(deleted.result(), &open, &cut);
        let cut_now: Vec<_> = std::mem::take(&mut *busy.0.lock().unwrap());
        let expected = if query == "?now=true" {
            vec![Use::Token(id)]
        } else {
            Vec::new()
        };
        assert_eq!(cut_now, expected);
    }
}

#[tokio::test]
async fn a_key_cuts_what_uses_it_and_a_rotation_what_uses_the_old_value() {
    let (harness, busy) = busy().await;
    let id = harness.key("team").await;
    let path = format!("{}/{id}", keys(OURS, "default"));
    let cuts = || std::mem::take(&mut *busy.0.lock().unwrap());

    let edited = harness
        .call(
            Method::PATCH,
            &format!("{path}?now=true"),
            Some(json!({"description": "x"})),
        )
        .await;
    says(edited.result(), &Value::Null, &Value::Null);
    assert_eq!(cuts(), []);
    let rotated = harness
        .call(
            Method::PUT,
            &format!("{path}?now=true"),
            Some(json!({"secret": secret()})),
        )
        .await;
    says(rotated.result(), &Value::Null, &json!(2));
    assert!(matches!(
        cuts()[..],
        [Use::ProviderKey { keeps: Some(_), .. }]
    ));
    let disabled = harness
        .call(Method::PATCH, &path, Some(json!({"enabled": false})))
        .await;
    says(disabled.result(), &json!(2), &Value::Null);
    assert_eq!(cuts(), []);
    let deleted = harness.delete(&format!("{path}?now=true")).await;
    says(deleted.result(), &Value::Null, &json!(2));
    assert!(matches!(cuts()[..], [Use::ProviderKey { keeps: None, .. }]));
}

#[tokio::test]
async fn a_custom_provider_cuts_what_goes_to_it_and_new_headers_what_carries_the_old() {
    let (harness, busy) = busy().await;
    let list = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
    let headers = || json!({"X-Org": secret()}).to_string();
    let made = json!({
        "name": "Mine", "slug": "mine", "base_url": "https://llm.example.com/v1", "enable": true, "headers": headers(),
    });
    let made = harness.post(&list, made).await;
    let path = format!("{list}/{}", made.result()["id"].as_str().unwrap());
    let cuts = || std::mem::take(&mut *busy.0.lock().unwrap());
    let patch = async |query: &str, body: Value| -> Answer {
        let path = format!("{path}{query}");
        harness.call(Method::PATCH, &path, Some(body)).await
    };
    for harmless in [json!({"description": "x"}), json!({"enable": true})] {
        let edited = patch("?now=true", harmless).await;
        says(edited.result(), &Value::Null, &Value::Null);
        assert_eq!(cuts(), []);
    }
    // The masks of all that is stored leave it as it is; what carries others ends.
    let masks = made.result()["headers"].clone();
    patch("?now=true", json!({"headers": masks})).await.result();
    assert!(matches!(
        cuts()[..],
        [Use::CustomHeaders { keeps: Some(_), .. }]
    ));
    patch("?now=1", json!({"enable": false}))
        .await
        .refused(400, 7001);
    let waits = patch("", json!({"headers": headers()})).await;
    says(waits.result(), &json!(2), &Value::Null);
    assert_eq!(cuts(), []);
    let told = waits.result().clone();

    for headers in [json!(headers()), Value::Null] {
        let replaced = patch("?now=true", json!({"headers": headers})).await;
        says(replaced.result(), &Value::Null, &json!(2));
        let [Use::CustomHeaders { keeps, .. }] = cuts()[..] else {
            panic!("the old headers are not cut");
        };
        assert_eq!(keeps.is_some(), !headers.is_null());
    }
    // Who asks again, or asked without `now` before, cuts as well.
    patch("", json!({"enable": false})).await.result();
    for change in [
        json!({"base_url": "https://llm.example.com/v2"}),
        json!({"base_url": "https://llm.example.com/v2"}),
        json!({"enable": false}),
    ] {
        let changed = patch("?now=true", change).await;
        says(changed.result(), &Value::Null, &json!(2));
        assert!(matches!(cuts()[..], [Use::CustomProvider(_)]));
    }
    // An answer may be sent back whole.
    let mut whole = told;
    whole["headers"] = Value::Null;
    patch("", whole).await.result();
    let deleted = harness.delete(&format!("{path}?now=true")).await;
    says(deleted.result(), &Value::Null, &json!(2));
    assert!(matches!(cuts()[..], [Use::CustomProvider(_)]));
}
