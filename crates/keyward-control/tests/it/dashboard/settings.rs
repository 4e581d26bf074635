//! What the server tells of how it is set up, by REST and on its page.

use std::sync::Arc;

use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_control::{
    Config, Readiness,
    setup::{Limit, Listener, Plane, Setup, Slot, Warning},
};
use keyward_vault::SlotKind;
use serde_json::{Value, json};

use super::browser::Browser;
use crate::support::{Harness, OURS};

const PATH: &str = "/client/v4/keyward/settings";

fn config() -> Config {
    let setup = Setup {
        build: "linux x86_64, release".into(),
        data_dir: "/var/lib/<b>keyward".into(),
        database: "/var/lib/keyward/keyward.db".into(),
        listeners: vec![
            Listener {
                plane: Plane::Data,
                address: "0.0.0.0:8787".parse().unwrap(),
                has_tls: false,
            },
            Listener {
                plane: Plane::Control,
                address: "[::1]:8788".parse().unwrap(),
                has_tls: true,
            },
        ],
        memory: "locked".into(),
        opened_by: SlotKind::Recovery,
        slots: vec![
            Slot {
                number: 1,
                kind: SlotKind::KeyFile,
            },
            Slot {
                number: 7,
                kind: SlotKind::Recovery,
            },
        ],
        limits: vec![Limit {
            what: "Client connections at once",
            value: "4096".into(),
            setting: "[gateway] max_connections",
        }],
        warnings: vec![Warning {
            what: "the data plane listens without TLS".into(),
            setting: Some("[gateway] tls_cert_file"),
            help: "name `a <cert>` there".into(),
        }],
    };
    Config {
        setup: Some(Arc::new(setup)),
        ..Config::loopback("http://127.0.0.1:8787", "9.8.7")
    }
}

#[tokio::test]
async fn the_set_up_is_told_by_rest_and_on_its_page() {
    let harness = Harness::with(config()).await;
    let answer = harness.get(PATH).await;
    let told = answer.result();
    assert_eq!(told["version"], "9.8.7");
    assert_eq!(told["sealed"], false);
    assert_eq!(told["not_ready"], Value::Null);
    assert_eq!(told["audit"]["state"], "unchecked");
    assert_eq!(told["audit"]["checkpoints"], Value::Null);
    let setup = &told["setup"];
    assert_eq!(setup["opened_by"], "recovery key");
    assert_eq!(
        setup["slots"],
        json!([
            {"number": 1, "opened_by": "key file"},
            {"number": 7, "opened_by": "recovery key"},
        ])
    );
    assert_eq!(
        setup["listeners"],
        json!([
            {"plane": "data", "address": "0.0.0.0:8787", "tls": false},
            {"plane": "control", "address": "[::1]:8788", "tls": true},
        ])
    );
    assert_eq!(setup["warnings"][0]["setting"], "[gateway] tls_cert_file");
    assert_eq!(setup["limits"][0]["value"], "4096");

    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/settings")
        .await
        .shows("9.8.7")
        .shows("linux x86_64, release")
        .shows("the data plane listens without TLS")
        .shows("<code>[gateway] tls_cert_file</code>: name <code>a &#60;cert&#62;</code> there")
        .shows("started with its recovery key")
        .shows("0.0.0.0:8787")
        .shows("[audit] checkpoint_file")
        .shows("4096")
        .shows("/var/lib/&#60;b&#62;keyward")
        .lacks("Requests are not served");
}

#[tokio::test]
async fn who_may_not_read_the_vault_is_told_nothing_of_it() {
    let harness = Harness::with(config()).await;
    let others: Vec<_> = Permission::ALL
        .into_iter()
        .filter(|one| {
            ![
                Permission::AiGatewayRun,
                Permission::VaultRead,
                Permission::VaultWrite,
            ]
            .contains(one)
        })
        .collect();
    let mut grant = Grant::new(OURS, Permissions::from_iter([Permission::VaultRead]));
    let reader = harness.token(grant.clone()).await.1;
    grant.gateways = Scope::only(["default".to_owned()]);
    let narrow = harness.token(grant).await.1;
    for token in [&harness.token_with(OURS, &others).await, &narrow] {
        let answer = harness.call_as(token, http::Method::GET, PATH, None).await;
        answer.refused(403, 10000);
        let browser = Browser::signed_in_as(&harness, token).await;
        let page = browser.get("/settings").await;
        assert_eq!(page.status, 403);
        page.lacks("/var/lib");
    }
    // The audit log is another permission's.
    let answer = harness
        .call_as(&reader, http::Method::GET, PATH, None)
        .await;
    assert_eq!(answer.result()["audit"], Value::Null);
    assert_eq!(answer.result()["setup"]["memory"], "locked");
    let page = Browser::signed_in_as(&harness, &reader).await;
    page.get("/settings").await.lacks("<h2 id=\"audit\">");
}

#[tokio::test]
async fn what_the_server_does_not_know_is_left_out() {
    let reason = "the <store> does not answer".to_owned();
    let harness = Harness::with(Config {
        ready: Arc::new(move || Readiness::NotReady {
            reason: reason.clone(),
        }),
        ..Config::loopback("http://127.0.0.1:8787", "1.0.0")
    })
    .await;
    let answer = harness.get(PATH).await;
    assert_eq!(answer.result()["setup"], Value::Null);
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/settings")
        .await
        .shows("Requests are not served")
        .shows("the &#60;store&#62; does not answer")
        .lacks("Data directory")
        .lacks("Less safe");
}
