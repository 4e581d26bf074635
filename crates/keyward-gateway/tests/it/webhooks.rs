//! What receivers of webhooks are told, how it is signed, and what becomes of it where they do not take it.

use std::{process::Command, sync::Arc, time::Duration};

use keyward_forward::{Dial, SystemDial, TlsConfig, dial::Guard};
use keyward_gateway::{
    KeyEvent, Notify, What,
    webhooks::{Receiver, Tries, WebhookSecret, WebhookUrl, Webhooks},
};
use keyward_secret::Origin;
use keyward_testing::{Behaviour, FakeProvider, Placement, Recorded};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Running, Setup, now, wait_until};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A receiver that runs, and what delivers to it.
struct Told {
    running: Running,
    receiver: FakeProvider,
    webhooks: Arc<Webhooks>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    key: Arc<keyward_registry::ProviderKey>,
}

fn dial(allowed: &[&str]) -> Arc<dyn Dial> {
    let allowed = allowed.iter().map(|origin| Origin::parse(origin).unwrap());
    let dial = SystemDial::build(TlsConfig::default()).unwrap();
    Arc::new(dial.with_guard(Guard::new().allow(allowed)))
}

fn receiver(name: &str, url: &str) -> Receiver {
    let secret = WebhookSecret::parse(SECRET).unwrap();
    Receiver::new(name.to_owned(), WebhookUrl::parse(url).unwrap(), secret)
}

/// No wait between five tries.
fn at_once() -> Tries {
    Tries::new(vec![Duration::from_millis(1); 4])
}

impl Told {
    async fn start() -> Self {
        Self::with(at_once(), |receiver| receiver).await
    }

    async fn with(tries: Tries, change: impl FnOnce(Receiver) -> Receiver) -> Self {
        let running = Running::start(Setup::default()).await;
        let key = running.store_key("openai", "team-a").await.1;
        let fake = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
        fake.behave(Behaviour::Status(204, String::new()));
        let origin = fake.origin();
        let receiver = change(receiver("ops", &format!("{origin}/hook?from=keyward")));
        let webhooks = Webhooks::new(&dial(&[&origin]), vec![receiver]).unwrap();
        let webhooks = Arc::new(webhooks.with_tries(tries));
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&webhooks).run(stop.clone()));
        Self {
            running,
            receiver: fake,
            webhooks,
            stop,
            task,
            key,
        }
    }

    fn tell(&self, what: What, occurrence: &str) -> KeyEvent {
        let event = KeyEvent::new(&self.key.record, what, occurrence, now());
        self.webhooks.notify(&event);
        event
    }

    async fn recorded(&self, count: usize) -> Vec<Recorded> {
        wait_until("the receiver was told", || self.receiver.count() >= count).await;
        self.receiver.recorded()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.running.stop().await;
    }
}

fn header<'a>(request: &'a Recorded, name: &str) -> &'a str {
    let found = request
        .headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    std::str::from_utf8(&found.unwrap_or_else(|| panic!("no {name}")).1).unwrap()
}

/// The signature as Python computes it: nothing of ours takes part.
fn signature_by_python(id: &str, timestamp: &str, body: &[u8]) -> String {
    const PROGRAM: &str = "\
import base64, hashlib, hmac, sys
secret, id, timestamp = sys.argv[1:4]
key = base64.b64decode(secret.removeprefix('whsec_'))
signed = f'{id}.{timestamp}.'.encode() + sys.argv[4].encode()
print('v1,' + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode())";
    let body = std::str::from_utf8(body).unwrap();
    let output = Command::new("python3")
        .args(["-c", PROGRAM, SECRET, id, timestamp, body])
        .output()
        .expect("python3 runs; `apt-get install python3` installs it");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn an_event_arrives_signed_as_standard_webhooks_has_it() {
    let told = Told::start().await;
    let what = What::Invalid {
        code: Some(401),
        reason: "the provider does not know it".to_owned(),
    };
    let event = told.tell(what, "since");
    let [request] = told.recorded(1).await.try_into().unwrap();
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/hook?from=keyward");
    assert_eq!(header(&request, "content-type"), "application/json");
    assert_eq!(header(&request, "webhook-id"), event.id);
    let timestamp = header(&request, "webhook-timestamp");
    let sent: u64 = timestamp.parse().unwrap();
    let here = now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(here.as_secs().abs_diff(sent) <= 5);
    assert_eq!(
        header(&request, "webhook-signature"),
        signature_by_python(&event.id, timestamp, &request.body)
    );
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let at = body["timestamp"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.parse::<jiff::Timestamp>().is_ok());
    let record = &told.key.record;
    assert_eq!(body["type"], "provider_key.invalid");
    assert_eq!(
        body["data"],
        json!({
            "account_id": record.account.to_string(),
            "gateway_id": "prod",
            "provider": "openai",
            "alias": "team-a",
            "key_id": record.id.to_string(),
            "code": 401,
            "reason": "the provider does not know it",
        })
    );
    // Neither its own secret nor an API token, and nothing else that a request to a provider would carry.
    for name in ["authorization", "cookie", "cf-aig-authorization"] {
        assert!(
            !request
                .headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        );
    }
    assert!(
        !told
            .running
            .logs
            .contents()
            .contains(SECRET.strip_prefix("whsec_").unwrap())
    );
    told.end().await;
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_with_the_same_id() {
    let told = Told::start().await;
    told.receiver
        .behave_once(Behaviour::Status(500, String::new()));
    told.receiver.behave_once(Behaviour::CutBeforeHead);
    told.receiver
        .behave_once(Behaviour::Status(429, String::new()));
    let event = told.tell(What::Active, "1");
    let requests = told.recorded(4).await;
    assert_eq!(requests.len(), 4);
    for request in &requests {
        assert_eq!(header(request, "webhook-id"), event.id);
    }
    // And no more once it was taken: the next is of the next event.
    let next = told.tell(What::DatePassed, "2");
    let requests = told.recorded(5).await;
    assert_eq!(header(&requests[4], "webhook-id"), next.id);
    told.end().await;
}

#[tokio::test]
async fn a_receiver_that_stays_away_gets_five_tries_and_holds_nothing_else_up() {
    let told = Told::start().await;
    told.receiver.behave(Behaviour::Status(503, String::new()));
    told.tell(What::Active, "1");
    told.recorded(5).await;
    wait_until("the loss is told", || {
        told.running.logs.contents().contains("an event is lost")
    })
    .await;
    assert_eq!(told.receiver.count(), 5);
    told.receiver.behave(Behaviour::Status(200, String::new()));
    told.tell(What::Active, "2");
    assert_eq!(told.recorded(6).await.len(), 6);
    told.end().await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let told = Told::start().await;
    let other = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    other.behave(Behaviour::Status(200, String::new()));
    for place in [
        format!("{}/elsewhere", other.origin()),
        format!("{}/other", told.receiver.origin()),
    ] {
        let before = told.receiver.count();
        told.receiver.behave(Behaviour::Redirect(place.clone()));
        told.tell(What::Active, &place);
        // A failure like any other: all five tries go to the address that is configured.
        let requests = told.recorded(before + 5).await;
        assert!(requests.iter().all(|request| request.path() == "/hook"));
    }
    assert_eq!(other.count(), 0);
    told.end().await;
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let told = Told::with(at_once(), |receiver| {
        receiver
            .with_events(&["provider_key.rotation.*".to_owned()])
            .unwrap()
    })
    .await;
    told.tell(What::Active, "1");
    let wanted = told.tell(What::RotationBegun, "2");
    let requests = told.recorded(1).await;
    assert_eq!(header(&requests[0], "webhook-id"), wanted.id);
    told.end().await;
}

/// A receiver that answers nothing: what it is told waits or is lost, nobody else waits, and a stop ends.
#[tokio::test]
async fn a_silent_receiver_blocks_nobody_and_a_stop_ends() {
    let told = Told::with(Tries::default(), |receiver| receiver).await;
    told.receiver.behave(Behaviour::StallBeforeHead);
    let begun = std::time::Instant::now();
    for number in 0..5000 {
        told.tell(What::Active, &number.to_string());
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    wait_until("four are being sent", || told.receiver.count() == 4).await;
    told.receiver.release(8);
    told.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), told.task).await;
    ended.expect("a stop ends within its time").unwrap();
    told.running.stop().await;
}

/// The guard of the dialler holds for webhooks too: an address that is not public is reached only where it is named.
#[tokio::test]
async fn an_address_that_is_not_named_is_not_reached() {
    let running = Running::start(Setup::default()).await;
    let key = running.store_key("openai", "default").await.1;
    let fake = FakeProvider::start(Placement::bearer(), Vec::<String>::new()).await;
    let receiver = receiver("ops", &format!("{}/hook", fake.origin()));
    let webhooks = Webhooks::new(&dial(&["https://elsewhere.example"]), vec![receiver]).unwrap();
    let webhooks = Arc::new(webhooks.with_tries(at_once()));
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&webhooks).run(stop.clone()));
    webhooks.notify(&KeyEvent::new(&key.record, What::Active, "1", now()));
    wait_until("the loss is told", || {
        running.logs.contents().contains("an event is lost")
    })
    .await;
    assert_eq!(fake.accepted_connections(), 0);
    stop.cancel();
    task.await.unwrap();
    running.stop().await;
}
