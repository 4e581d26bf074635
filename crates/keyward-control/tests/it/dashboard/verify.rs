//! Whether a provider takes a key, on pages.

use keyward_control::verify::Answered;
use keyward_providers::{ErrorClass, ProbeOutcome};

use super::browser::Browser;
use crate::support::{Harness, OURS, keys, secret};

fn refused() -> Answered {
    Answered {
        outcome: ProbeOutcome::Dead(ErrorClass::CredentialRejected),
        class: Some(ErrorClass::CredentialRejected),
        status: Some(401),
        problem: None,
    }
}

fn unreachable() -> Answered {
    Answered {
        outcome: ProbeOutcome::Unclear(ErrorClass::ProviderFault),
        class: None,
        status: None,
        problem: Some("the provider is not reachable: <b>".to_owned()),
    }
}

fn fields<'a>(provider: &'a str, secret: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("provider_slug", provider),
        ("gateway", "default"),
        ("secret", secret),
        ("verify", "1"),
    ]
}

#[tokio::test]
async fn a_key_is_verified_before_it_is_saved_unless_somebody_unticks_it() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/keys/new")
        .await
        .shows(r#"name="verify" value="1" checked"#);
    harness.plane.judge(refused());
    let secret = secret();
    let page = browser.post("/keys/new", &fields("openai", &secret)).await;
    assert_eq!(page.status, 400);
    page.shows(r#"<p class="error" id="secret-error">"#)
        .shows("wrong key")
        .shows("nothing was stored")
        .shows(r#"name="verify" value="1" checked"#)
        .lacks("wxyz");
    let listed = harness.get(&keys(OURS, "default")).await;
    assert!(listed.result().as_array().unwrap().is_empty());

    harness.plane.judge(unreachable());
    let page = browser.post("/keys/new", &fields("openai", &secret)).await;
    page.shows("not reachable: &#60;b&#62;").shows("unverified");

    let [unticked @ .., _verify] = fields("openai", &secret);
    let stored = browser.post("/keys/new", &unticked).await;
    browser
        .get(stored.to())
        .await
        .shows("The key is stored. Requests");
    assert_eq!(harness.plane.take_verified().len(), 2);
}

#[tokio::test]
async fn it_is_told_whether_the_stored_key_is_proven() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/keys/new").await;
    let secret = secret();
    let stored = browser.post("/keys/new", &fields("openai", &secret)).await;
    browser
        .get(stored.to())
        .await
        .shows("its provider takes it");
    browser.get("/keys/new").await;
    let stored = browser.post("/keys/new", &fields("cohere", &secret)).await;
    let page = browser.get(stored.to()).await;
    page.shows("could not be verified");
    // Nothing can be asked there.
    page.lacks("/verify");
}

#[tokio::test]
async fn the_button_of_a_key_tells_what_the_provider_says() {
    for (answered, shown) in [
        (None, "The provider takes the key."),
        (Some(refused()), "The provider does not take the key."),
        (Some(unreachable()), "Nothing certain is known of the key."),
    ] {
        let harness = Harness::new().await;
        let path = format!("/keys/default/{}", harness.key("default").await);
        let browser = Browser::signed_in(&harness).await;
        browser.get(&path).await.shows(">Verify</button>");
        let reason = match answered {
            None => "accepts the key",
            Some(Answered { status: None, .. }) => "not reachable: &#60;b&#62;",
            Some(_) => "wrong key",
        };
        if let Some(answered) = answered {
            harness.plane.judge(answered);
        }
        let page = browser.post(&format!("{path}/verify"), &[]).await;
        assert_eq!(page.status, 200);
        page.shows(shown).shows(reason).shows("Asked ");
        page.shows("provider_key.verify");
    }
}
