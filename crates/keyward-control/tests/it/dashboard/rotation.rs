//! A rotation on pages: how it is begun, what is shown of it, and what an operator may decide.

use std::time::Duration;

use keyward_registry::{Actor, ProviderKeyId};
use keyward_vault::{
    VersionNumber,
    rotation::Event,
    status::{Charge, Finding, Refusal},
};

use super::browser::{Browser, Page};
use crate::support::{Harness, OURS, keys, now, secret};

struct World<'a> {
    harness: &'a Harness,
    browser: Browser<'a>,
    key: String,
    path: String,
}

impl<'a> World<'a> {
    async fn new(harness: &'a Harness) -> Self {
        let key = harness.key("default").await;
        Self {
            browser: Browser::signed_in(harness).await,
            path: format!("/keys/default/{key}"),
            harness,
            key,
        }
    }

    async fn begin(&self, fields: &[(&str, &str)]) -> Page {
        self.browser.get(&format!("{}/rotate", self.path)).await;
        let secret = secret();
        let fields = [&[("secret", secret.as_str())], fields].concat();
        self.browser
            .post(&format!("{}/rotate", self.path), &fields)
            .await
    }

    async fn shown(&self) -> Page {
        self.browser.get(&self.path).await
    }

    async fn version(&self) -> u64 {
        let path = format!("{}/{}", keys(OURS, "default"), self.key);
        self.harness.get(&path).await.result()["version"]
            .as_u64()
            .unwrap()
    }

    async fn happens(&self, event: Event, later: Duration) {
        let registry = &self.harness.registry;
        let id = ProviderKeyId::parse(&self.key).unwrap();
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
        let version = VersionNumber::new(2).unwrap();
        self.happens(Event::Probed { version, finding }, Duration::ZERO)
            .await;
    }
}

#[tokio::test]
async fn a_rotation_is_shown_from_its_proof_to_its_end() {
    let harness = Harness::new().await;
    let world = World::new(&harness).await;
    let form = world.browser.get(&format!("{}/rotate", world.path)).await;
    form.shows(r#"name="verify" value="1" checked"#)
        .shows(r#"<option value="600" selected>10 minutes</option>"#);
    let begun = world.begin(&[("overlap", "3600"), ("verify", "1")]).await;
    let page = world.browser.get(begun.to()).await;
    page.shows("The rotation has begun")
        .shows("The provider is asked about the new value")
        .shows(r#"hx-trigger="every 1s""#)
        .shows(r#"<noscript><meta http-equiv="refresh""#)
        .shows(">Withdraw</button>")
        .lacks(r#"id="timer""#);

    world.probed(Finding::Good).await;
    let page = world.shown().await;
    page.shows("The new value is in use, the old one is kept")
        .shows(r#"role="timer">59:"#)
        .shows(">Roll back</button>")
        .shows("Erase the old value now")
        .shows("retiring");

    // A part of the page that shows it as it was has the whole loaded anew once it is over.
    let part = format!("{}?part=rotation", world.path);
    let open = world.browser.get(&part).await;
    assert!(open.headers.get("hx-refresh").is_none());
    world.happens(Event::Tick, Duration::from_secs(3_601)).await;
    let over = world.browser.get(&part).await;
    assert_eq!(over.headers["hx-refresh"], "true");
    over.shows("The new value is in use, the old one is erased")
        .lacks(r#"every 1s"#)
        .lacks("noscript")
        .lacks(">Roll back</button>");
}

#[tokio::test]
async fn a_value_that_is_not_taken_is_told_with_the_reason() {
    let harness = Harness::new().await;
    let world = World::new(&harness).await;
    world.begin(&[("verify", "1")]).await.to();
    world
        .probed(Finding::Bad(Refusal::new(Charge::Rejected, 401)))
        .await;
    world
        .shown()
        .await
        .shows("Not taken: the new value is erased, nothing changed")
        .shows("does not know the new value (401)");
    assert_eq!(world.version().await, 1);
}

#[tokio::test]
async fn an_operator_rolls_back_withdraws_and_erases() {
    let harness = Harness::new().await;
    let world = World::new(&harness).await;
    let step = async |step: &str| {
        let path = format!("{}/{step}", world.path);
        let done = world.browser.post(&path, &[]).await;
        world.browser.get(done.to()).await
    };
    world.begin(&[("verify", "1")]).await.to();
    step("roll-back").await.shows("The new value is withdrawn");
    world.begin(&[]).await.to();
    assert_eq!(world.version().await, 3);
    step("roll-back")
        .await
        .shows("The old value is in use again")
        .shows("Rolled back");
    assert_eq!(world.version().await, 1);
    world.begin(&[]).await.to();
    step("destroy-old").await.shows("The old value is erased");
    assert_eq!(world.version().await, 4);
    // What is over cannot be undone.
    let late = world
        .browser
        .post(&format!("{}/roll-back", world.path), &[])
        .await;
    assert_eq!(late.status, 409);
}

#[tokio::test]
async fn another_one_under_way_is_told_beside_the_form_and_a_leaked_key_is_replaced_all_the_same() {
    let harness = Harness::new().await;
    let world = World::new(&harness).await;
    world.begin(&[]).await.to();
    let page = world.begin(&[("overlap", "86400")]).await;
    assert_eq!(page.status, 409);
    page.shows("is under way")
        .shows(r#"<option value="86400" selected>"#)
        .lacks("wxyz\"");
    let replaced = world.begin(&[("now", "1")]).await;
    world
        .browser
        .get(replaced.to())
        .await
        .shows("The key is rotated");
    assert_eq!(world.version().await, 3);
}
