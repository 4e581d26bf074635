//! How a provider is asked about a key: what is sent, what the answer says, and where the key never goes.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use keyward_gateway::{Probed, Prober};
use keyward_providers::{ErrorClass, ProbeOutcome, Provider};
use keyward_secret::{BoundCredential, Destination, SecretBytes};
use keyward_testing::{Behaviour, Canary, EchoPlace, FakeProvider, Form, Placement};
use keyward_vault::status::{Charge, Finding, Refusal};

use crate::support::{Running, Setup, wait_until};

/// Within this time a fake provider that answers has done so.
const PATIENCE: Duration = Duration::from_millis(500);

/// A gateway whose `openai` is a fake provider that counts as OpenAI, and a key that this accepts.
struct Asked {
    running: Running,
    openai: Arc<Provider>,
    key: Canary,
}

impl Asked {
    async fn start() -> Self {
        Self::with(true).await
    }

    async fn with(relay: bool) -> Self {
        let setup = Setup {
            relay,
            ..Setup::default()
        };
        let running = Running::start(setup).await;
        let openai = Arc::clone(running.registry.catalogue().find("openai").unwrap());
        let key = Canary::new("probed");
        running.provider.accept_keys([key.text()]);
        Self {
            running,
            openai,
            key,
        }
    }

    fn prober(&self) -> Prober {
        Prober::new(&self.running.gateway)
    }

    fn credential(&self, destination: Destination) -> BoundCredential {
        let secret = SecretBytes::copy_from(self.key.text().as_bytes());
        self.openai.bind(secret, destination).unwrap()
    }

    async fn probe_with(&self, prober: &Prober) -> Probed {
        let credential = self.credential(self.openai.destination().clone());
        prober.probe(&self.openai, &credential).await
    }

    async fn probe(&self) -> Probed {
        self.probe_with(&self.prober()).await
    }

    /// Nothing is known of the key, and the words why hold all of `expected`.
    #[track_caller]
    fn unclear(probed: &Probed, status: Option<u16>, expected: &[&str]) {
        assert!(
            matches!(probed.outcome, ProbeOutcome::Unclear(_)),
            "{probed:?}"
        );
        assert_eq!(probed.finding(), Finding::Unclear);
        assert_eq!(probed.status.map(|status| status.as_u16()), status);
        let problem = probed.problem.as_deref().unwrap_or_default();
        for expected in expected {
            assert!(problem.contains(expected), "{problem}");
        }
    }
}

#[tokio::test]
async fn a_good_key_is_live_and_the_request_is_the_catalogues() {
    let asked = Asked::start().await;
    let probed = asked.probe().await;
    assert_eq!(probed.outcome, ProbeOutcome::Live);
    assert_eq!(probed.status, Some(StatusCode::OK));
    assert_eq!(probed.finding(), Finding::Good);
    assert!(probed.took < PATIENCE * 20);

    let recorded = asked.running.provider.take_recorded();
    let [request] = recorded.as_slice() else {
        panic!("{} requests", recorded.len());
    };
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/v1/models")
    );
    assert_eq!(request.header_all("authorization").len(), 1);
    assert_eq!(
        request.header("host"),
        Some(asked.running.provider.addr().to_string().as_str())
    );
    // No connection is kept for another question.
    wait_until("its connection closes", || {
        asked.running.provider.open_connections() == 0
    })
    .await;
}

#[tokio::test]
async fn a_refused_key_is_dead() {
    let asked = Asked::start().await;
    asked.running.provider.accept_keys(["sk-another"]);
    let probed = asked.probe().await;
    assert_eq!(
        probed.outcome,
        ProbeOutcome::Dead(ErrorClass::CredentialRejected)
    );
    let refusal = Refusal::new(Charge::Rejected, 401);
    assert_eq!(probed.finding(), Finding::Bad(refusal));
}

#[tokio::test]
async fn what_the_provider_says_for_another_reason_is_unclear() {
    let asked = Asked::start().await;
    for status in [500, 503, 429, 403, 404, 204] {
        let said = Behaviour::Status(status, r#"{"error":{"message":"x"}}"#.to_owned());
        asked.running.provider.behave(said);
        Asked::unclear(&asked.probe().await, Some(status), &[]);
    }
}

#[tokio::test]
async fn no_answer_is_unclear() {
    let asked = Asked::start().await;
    for behaviour in [
        Behaviour::CutBeforeHead,
        Behaviour::Reset,
        Behaviour::CloseOnAccept,
    ] {
        asked.running.provider.behave(behaviour);
        Asked::unclear(&asked.probe().await, None, &["127.0.0.1"]);
    }
}

#[tokio::test]
async fn nobody_there_is_unclear() {
    let asked = Asked::start().await;
    let credential = asked.credential(asked.openai.destination().clone());
    let prober = asked.prober();
    asked.running.provider.stop().await;
    let probed = prober.probe(&asked.openai, &credential).await;
    Asked::unclear(&probed, None, &["refused the connection"]);
}

#[tokio::test]
async fn a_slow_provider_is_not_waited_for() {
    let asked = Asked::start().await;
    for behaviour in [Behaviour::StallBeforeHead, Behaviour::StallMidBody] {
        asked.running.provider.behave(behaviour);
        let prober = asked.prober().with_longest(PATIENCE);
        Asked::unclear(&asked.probe_with(&prober).await, None, &["no whole answer"]);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unclear() {
    let asked = Asked::start().await;
    asked.running.provider.behave(Behaviour::CutMidBody);
    Asked::unclear(&asked.probe().await, Some(200), &[]);
}

#[tokio::test]
async fn of_a_huge_answer_the_beginning_is_read() {
    let asked = Asked::start().await;
    asked.running.provider.behave(Behaviour::LargeBody(1 << 40));
    assert_eq!(asked.probe().await.outcome, ProbeOutcome::Live);
    wait_until("its connection closes", || {
        asked.running.provider.open_connections() == 0
    })
    .await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let asked = Asked::start().await;
    let elsewhere = FakeProvider::start(Placement::bearer(), [asked.key.text()]).await;
    let outside = Behaviour::Redirect(format!("{}/v1/models", elsewhere.origin()));
    asked.running.provider.behave(outside);
    Asked::unclear(&asked.probe().await, None, &["redirects"]);
    assert_eq!(elsewhere.accepted_connections(), 0);

    asked
        .running
        .provider
        .behave(Behaviour::Redirect("/v1/other".to_owned()));
    Asked::unclear(&asked.probe().await, Some(307), &[]);
    let targets = asked.running.provider.take_recorded();
    assert!(targets.iter().all(|request| request.target == "/v1/models"));
}

#[tokio::test]
async fn where_there_is_no_probe_nothing_is_sent() {
    let asked = Asked::with(false).await;
    Asked::unclear(&asked.probe().await, None, &["no request is known"]);
    assert_eq!(asked.running.provider.accepted_connections(), 0);
}

#[tokio::test]
async fn a_key_of_another_origin_is_not_sent() {
    let asked = Asked::start().await;
    let elsewhere = asked.credential(Destination::parse(["https://api.example.com"]).unwrap());
    let probed = asked.prober().probe(&asked.openai, &elsewhere).await;
    Asked::unclear(&probed, None, &[]);
    assert_eq!(asked.running.provider.count(), 0);
}

#[tokio::test]
async fn a_stored_value_is_asked_about_where_it_is_sealed_for() {
    let asked = Asked::start().await;
    let (_key, stored) = asked.running.store_key("openai", "default").await;
    let value = stored.current.as_ref().unwrap();
    let probed = asked.prober().probe_stored(&stored, value).await;
    assert_eq!(probed.outcome, ProbeOutcome::Live);
    asked.running.provider.accept_keys(["sk-another"]);
    let probed = asked.prober().probe_stored(&stored, value).await;
    assert_eq!(
        probed.outcome,
        ProbeOutcome::Dead(ErrorClass::CredentialRejected)
    );
}

#[tokio::test]
async fn an_echoed_key_stands_in_no_log_and_in_nothing_that_is_told() {
    let asked = Asked::start().await;
    for place in [
        EchoPlace::Header,
        EchoPlace::Body,
        EchoPlace::SplitBody,
        EchoPlace::Trailer,
    ] {
        for status in [200, 401, 500] {
            let form = Form::Raw;
            asked.running.provider.behave(Behaviour::EchoCredential {
                status,
                place,
                form,
            });
            let told = format!("{:?}", asked.probe().await);
            assert!(!told.contains(asked.key.random_part()));
        }
    }
    let logs = asked.running.logs.contents();
    assert!(logs.contains("a key was asked about"));
    assert!(!logs.contains(asked.key.random_part()));
}
