//! What whoever wants to know is told of stored keys.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use keyward_gateway::{KeyEvent, Notify, What};
use keyward_registry::KeyEdit;
use keyward_testing::Canary;
use keyward_vault::rotation::{RequestId, RotationRequest};

use crate::support::{ACCOUNT, ACTOR, Running, Setup, now, value, wait_until};

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<KeyEvent>>);

impl Notify for Heard {
    fn notify(&self, event: &KeyEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Heard {
    fn events(&self) -> Vec<KeyEvent> {
        self.0.lock().unwrap().clone()
    }

    fn names(&self) -> Vec<&'static str> {
        self.events()
            .iter()
            .map(|event| event.what.name())
            .collect()
    }

    async fn until(&self, names: &[&str]) {
        wait_until(&format!("{names:?}"), || self.names() == names).await;
    }
}

async fn start() -> (Running, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let setup = Setup {
        relay: true,
        notify: Some(Arc::clone(&heard) as _),
        ..Setup::default()
    };
    let mut running = Running::start(setup).await;
    running.keep();
    (running, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_told_step_by_step_and_a_conviction_once() {
    let (running, heard) = start().await;
    let (old, key) = running.store_key("openai", "default").await;
    let new = Canary::new("new");
    running.provider.accept_keys([old.text(), new.text()]);
    let asked = RotationRequest {
        request: RequestId::parse("one").unwrap(),
        overlap: Duration::from_secs(600),
        verify: true,
    };
    let entered = value(&new);
    let begun =
        running
            .registry
            .begin_rotation(ACCOUNT, key.record.id, &entered, asked, ACTOR, now());
    begun.await.unwrap();
    let (begun, promoted) = (
        "provider_key.rotation.begun",
        "provider_key.rotation.promoted",
    );
    heard.until(&[begun, promoted]).await;
    running.provider.accept_keys([old.text()]);
    assert_eq!(running.authorized_chat("openai", &[]).await.status, 200);
    let back = "provider_key.rotation.rolled_back";
    heard.until(&[begun, promoted, back]).await;
    let events = heard.events();
    let What::RolledBack { reason } = &events[2].what else {
        panic!("{:?}", events[2]);
    };
    assert!(reason.contains("401"), "{reason}");
    for event in &events {
        assert_eq!((event.account, event.key), (ACCOUNT, key.record.id));
        assert_eq!(event.gateway.as_str(), "prod");
    }

    running.provider.accept_keys(["sk-another"]);
    for _ in 0..5 {
        assert_eq!(running.authorized_chat("openai", &[]).await.status, 424);
    }
    let invalid = "provider_key.invalid";
    heard.until(&[begun, promoted, back, invalid]).await;
    let ids: std::collections::HashSet<_> =
        heard.events().into_iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_date_that_is_near_is_told_once_and_its_passing_too() {
    let (running, heard) = start().await;
    let (_canary, key) = running.store_key("openai", "default").await;
    let edit = async |days: u64| {
        let edit = KeyEdit {
            expires_at: Some(Some(now() + Duration::from_secs(days * 24 * 3600))),
            ..KeyEdit::default()
        };
        let edited = running
            .registry
            .edit_provider_key(ACCOUNT, key.record.id, edit, ACTOR, now());
        edited.await.unwrap();
    };
    edit(5).await;
    heard.until(&["provider_key.expires_soon"]).await;
    assert!(matches!(
        heard.events()[0].what,
        What::ExpiresSoon { days: 7, .. }
    ));
    // Further away is no news; nearer is.
    edit(40).await;
    edit(1).await;
    heard
        .until(&["provider_key.expires_soon", "provider_key.expires_soon"])
        .await;
    assert!(matches!(
        heard.events()[1].what,
        What::ExpiresSoon { days: 1, .. }
    ));
    running.stop().await;
}
