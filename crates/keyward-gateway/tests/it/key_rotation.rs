//! Rotations with a way back: the staged value is proven, the old one stands in for the new one while they overlap, and
//! comes back where the provider takes it and not the new one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use keyward_forward::Protocol;
use keyward_registry::{KeyEdit, KeyStatus, ProviderKey};
use keyward_testing::Canary;
use keyward_vault::rotation::{Event, Phase, Reason, RequestId, RotationRequest};

use crate::support::{
    ACCOUNT, ACTOR, CHAT, FIREWORKS_INVALID, Running, Setup, code, now, value, wait_until,
};

const OVERLAP: Duration = Duration::from_secs(600);

async fn start() -> Running {
    speaking(Protocol::Http1).await
}

/// With a provider that speaks this.
async fn speaking(protocol: Protocol) -> Running {
    let setup = Setup {
        relay: true,
        protocol,
        ..Setup::default()
    };
    let mut running = Running::start(setup).await;
    running.keep();
    running
}

fn asked(request: &str, overlap: Duration, verify: bool) -> RotationRequest {
    RotationRequest {
        request: RequestId::parse(request).unwrap(),
        overlap,
        verify,
    }
}

impl Running {
    async fn begin(&self, key: &ProviderKey, new: &Canary, asked: RotationRequest) {
        self.registry
            .begin_rotation(ACCOUNT, key.record.id, &value(new), asked, ACTOR, now())
            .await
            .unwrap();
    }

    /// A key whose old and new value the provider takes both, in the overlap of a rotation.
    async fn overlapping(&self) -> (Canary, Canary, Arc<ProviderKey>) {
        let (old, key) = self.store_key("openai", "default").await;
        let new = Canary::new("new");
        self.provider.accept_keys([old.text(), new.text()]);
        self.begin(&key, &new, asked("one", OVERLAP, true)).await;
        self.until_phase(&key, Phase::Overlapping).await;
        (old, new, key)
    }

    fn now_of(&self, key: &ProviderKey) -> Arc<ProviderKey> {
        let snapshot = self.registry.snapshot();
        Arc::clone(snapshot.provider_key(ACCOUNT, key.record.id).unwrap())
    }

    fn phase(&self, key: &ProviderKey) -> Option<Phase> {
        self.now_of(key).rotation().map(|rotation| rotation.phase)
    }

    fn reason(&self, key: &ProviderKey) -> Option<Reason> {
        self.now_of(key)
            .rotation()
            .and_then(|rotation| rotation.reason)
    }

    async fn until_phase(&self, key: &ProviderKey, phase: Phase) {
        let what = format!("the rotation is {}", phase.as_str());
        wait_until(&what, || self.phase(key) == Some(phase)).await;
    }

    /// The keys that requests came with since this was asked last; probes left out.
    fn keys_seen(&self) -> Vec<String> {
        let recorded = self.provider.take_recorded();
        let requests = recorded.iter().filter(|request| request.method == "POST");
        requests
            .map(|request| {
                let header = request.header("authorization").unwrap();
                header.strip_prefix("Bearer ").unwrap().to_owned()
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_good_is_promoted_and_the_old_one_destroyed_after_the_overlap() {
    let running = start().await;
    let (old, key) = running.store_key("openai", "default").await;
    let new = Canary::new("new");
    running.provider.accept_keys([old.text(), new.text()]);
    let overlap = Duration::from_millis(800);
    running.begin(&key, &new, asked("one", overlap, true)).await;
    running.until_phase(&key, Phase::Overlapping).await;
    running.keys_seen();
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.keys_seen(), [new.text()]);
    assert!(running.now_of(&key).previous().is_some());
    running.until_phase(&key, Phase::Finished).await;
    assert!(running.now_of(&key).previous().is_none());
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_wrong_is_refused_and_nothing_changes() {
    let running = start().await;
    let (old, key) = running.store_key("openai", "default").await;
    let before = running.now_of(&key);
    let wrong = Canary::new("wrong");
    running
        .begin(&key, &wrong, asked("one", OVERLAP, true))
        .await;
    running.until_phase(&key, Phase::Refused).await;
    assert!(matches!(
        running.reason(&key),
        Some(Reason::Rejected { code: 401, .. })
    ));
    let after = running.now_of(&key);
    assert_eq!(after.record.status, KeyStatus::Active);
    assert_eq!(
        before.current.as_ref().map(|value| value.version),
        after.current.as_ref().map(|value| value.version)
    );
    assert!(after.staged().is_none());
    running.keys_seen();
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.keys_seen(), [old.text()]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_value_that_dies_is_rolled_back_and_no_held_request_fails() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        dies_under_load(protocol).await;
    }
}

async fn dies_under_load(protocol: Protocol) {
    let running = speaking(protocol).await;
    let (old, _new, key) = running.overlapping().await;
    // Under load, so that many requests meet the dead key before it is known to be dead.
    let failed = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let load = async {
        let mut client = running.client().await;
        let path = running.path("openai/chat/completions");
        let bearer = running.bearer();
        while !is_over.load(Ordering::SeqCst) {
            let headers = [("cf-aig-authorization", bearer.as_str())];
            let answer = client.post(&path, &headers, CHAT).await.unwrap();
            failed.fetch_add(usize::from(answer.status != 200), Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
        }
    };
    let watching = async {
        wait_until("there is load", || done.load(Ordering::SeqCst) > 10).await;
        running.provider.accept_keys([old.text()]);
        let died = Instant::now();
        running.until_phase(&key, Phase::RolledBack).await;
        let took = died.elapsed();
        let at = done.load(Ordering::SeqCst);
        wait_until("requests go on", || done.load(Ordering::SeqCst) > at + 10).await;
        is_over.store(true, Ordering::SeqCst);
        took
    };
    let ((), took) = tokio::join!(load, watching);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    assert!(matches!(
        running.reason(&key),
        Some(Reason::NewRefused { .. })
    ));
    assert_eq!(running.now_of(&key).record.status, KeyStatus::Active);
    println!(
        "roll-back over {protocol:?}: {} requests, 0 failed; {:.0} ms from the provider's change to the old value",
        done.load(Ordering::SeqCst),
        took.as_secs_f64() * 1000.0
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_both_are_refused_nothing_is_rolled_back_and_it_is_said() {
    let running = start().await;
    let (old, _new, key) = running.overlapping().await;
    running.provider.accept_keys(["sk-another"]);
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (424, 9018));
    wait_until("the key is invalid", || {
        running.now_of(&key).record.status == KeyStatus::Invalid
    })
    .await;
    assert_eq!(running.phase(&key), Some(Phase::Overlapping));
    assert!(matches!(
        running.reason(&key),
        Some(Reason::BothRefused { code: 401 })
    ));
    wait_until("it is said", || {
        running
            .logs
            .contents()
            .contains("provider_key.rotation.both_refused")
    })
    .await;
    // An operator may still go back.
    let secret = key.record.secret;
    running
        .registry
        .advance_rotation(ACCOUNT, secret, Event::RollBack, ACTOR, now())
        .await
        .unwrap();
    assert_eq!(running.phase(&key), Some(Phase::RolledBack));
    running.provider.accept_keys([old.text()]);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_in_the_overlap_rolls_nothing_back() {
    let running = start().await;
    let (_old, new, key) = running.overlapping().await;
    for status in [500, 503, 429, 403] {
        let body = r#"{"error":{"message":"no"}}"#.to_owned();
        running
            .provider
            .behave(keyward_testing::Behaviour::Status(status, body));
        for _ in 0..5 {
            assert_eq!(running.authorized_chat("openai", &[]).await.status, status);
        }
    }
    running.provider.behave(keyward_testing::Behaviour::Normal);
    running.keys_seen();
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    assert_eq!(running.keys_seen(), [new.text()]);
    assert_eq!(running.phase(&key), Some(Phase::Overlapping));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_probe_the_old_value_stands_in_and_comes_back() {
    let setup = Setup {
        relay: true,
        slugs: &["fireworks"],
        ..Setup::default()
    };
    let mut running = Running::start(setup).await;
    running.keep();
    let (old, key) = running.store_key("fireworks", "default").await;
    let wrong = Canary::new("wrong");
    running
        .begin(&key, &wrong, asked("one", OVERLAP, false))
        .await;
    assert_eq!(running.phase(&key), Some(Phase::Overlapping));
    running.provider.accept_keys([old.text(), wrong.text()]);
    running
        .provider
        .answer_key(wrong.text(), 401, &[], FIREWORKS_INVALID);
    for number in 0..8 {
        let answer = running.authorized_chat("fireworks", &[]).await;
        assert_eq!(answer.status, 200, "{number}: {}", answer.text());
    }
    crate::support::eventually("the old value is back", async || {
        let answer = running.authorized_chat("fireworks", &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        running.phase(&key) == Some(Phase::RolledBack)
    })
    .await;
    assert_eq!(running.now_of(&key).record.status, KeyStatus::Active);
    running.keys_seen();
    assert_eq!(running.authorized_chat("fireworks", &[]).await.status, 200);
    assert_eq!(running.keys_seen(), [old.text()]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_its_date_no_old_value_stands_in_for_a_key() {
    let running = start().await;
    let (_old, _new, key) = running.overlapping().await;
    let version = running.now_of(&key).current.as_ref().unwrap().version;
    let registry = &running.registry;
    let judged = registry.set_key_status(
        ACCOUNT,
        key.record.secret,
        version,
        KeyStatus::Invalid,
        None,
        now(),
    );
    judged.await.unwrap();
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    let edit = KeyEdit {
        expires_at: Some(Some(now() - Duration::from_secs(1))),
        ..KeyEdit::default()
    };
    let edited = registry.edit_provider_key(ACCOUNT, key.record.id, edit, ACTOR, now());
    edited.await.unwrap();
    let sent = running.provider.count();
    let answer = running.authorized_chat("openai", &[]).await;
    assert_eq!((answer.status, code(&answer)), (424, 9011));
    assert_eq!(running.provider.count(), sent);
    running.stop().await;
}

/// How many rotations the load goes through: few in the suite, a hundred by `cargo xtask show rotations`.
fn rotations() -> usize {
    let rotations = std::env::var("KEYWARD_ROTATIONS").ok();
    rotations.and_then(|text| text.parse().ok()).unwrap_or(5)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_under_load_fail_no_request() {
    let rotations = rotations();
    let per_rotation = 1000;
    let running = start().await;
    let (mut current, key) = running.store_key("openai", "default").await;
    let done = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let wanted = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let client = async || {
        let mut client = running.client().await;
        let path = running.path("openai/chat/completions");
        let bearer = running.bearer();
        while !is_over.load(Ordering::SeqCst) {
            let headers = [("cf-aig-authorization", bearer.as_str())];
            let answer = client.post(&path, &headers, CHAT).await.unwrap();
            failed.fetch_add(usize::from(answer.status != 200), Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
            drop(running.provider.take_recorded());
        }
    };
    let rotating = async {
        for number in 0..rotations {
            let next = Canary::new(&format!("rotation-{number}"));
            running.provider.accept_keys([current.text(), next.text()]);
            let request = format!("rotation-{number}");
            let overlap = Duration::from_millis(50);
            running
                .begin(&key, &next, asked(&request, overlap, true))
                .await;
            running.until_phase(&key, Phase::Finished).await;
            current = next;
            let until = wanted.fetch_add(per_rotation, Ordering::SeqCst) + per_rotation;
            crate::support::wait_within(Duration::from_secs(120), "the load goes on", || {
                done.load(Ordering::SeqCst) >= until
            })
            .await;
        }
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(rotating, client(), client(), client(), client());
    let done = done.load(Ordering::SeqCst);
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    println!("rotations: {rotations} under load, 0 of {done} requests failed");
    running.stop().await;
}
