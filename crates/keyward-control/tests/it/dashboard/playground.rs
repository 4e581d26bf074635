//! The playground.

use keyward_auth::Permission;
use keyward_control::explain::{Outcome, Refused};
use serde_json::json;

use super::{
    browser::Browser,
    records::{SLUG, provider},
};
use crate::{
    support::{Harness, OURS},
    trial::{forwarded, tried},
};

const FIELDS: [(&str, &str); 3] = [
    ("gateway", "default"),
    ("provider", "openai"),
    ("message", "Say <b>hello</b>."),
];

#[tokio::test]
async fn providers_with_a_key_come_first() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/playground")
        .await
        .shows("Say hello in one word.")
        .shows("Without one")
        .lacks("With a key that can be used");
    harness.key("default").await;
    let page = browser.get("/playground").await;
    page.shows(r#"<option value="openai" selected>"#)
        .shows(r#"placeholder="gpt-5-mini""#)
        .shows("/keyward/try")
        .shows("keyward snippet openai --gateway default");
    let at = |text: &str| page.text.find(text).unwrap();
    let (with, without) = (at("With a key that can be used"), at("Without one"));
    assert!(with < at(r#"value="openai""#) && at(r#"value="openai""#) < without);
    assert!(without < at(r#"value="anthropic""#));
    // One that takes no messages, or whose format is not known, is not offered.
    page.lacks(r#"value="deepgram""#);
    browser
        .get("/playground?provider=anthropic&alias=team-a")
        .await
        .shows(r#"<option value="anthropic" selected>"#)
        .shows(r#"value="team-a""#);
}

#[tokio::test]
async fn what_went_upstream_and_what_came_back_is_shown_as_text() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/playground").await;
    let mut answer = tried(Some(Outcome::Forwarded(Box::new(forwarded(&key)))));
    answer.body = b"<script>alert(1)</script>".to_vec();
    answer.is_cut = true;
    harness.plane.answer(answer);
    let page = browser.post("/playground", &FIELDS).await;
    assert_eq!(page.status, 200);
    page.shows("What was decided")
        .shows(&format!("/keys/default/{key}"))
        .shows("the request names no alias")
        .shows("POST https://api.openai.com/v1/chat/completions\nhost: api.openai.com\nauthorization: ••••\n")
        .shows("&#60;b&#62;hello&#60;/b&#62;")
        .shows("200 from the provider")
        .shows("&#60;script&#62;alert(1)")
        .shows("Its first 64 KiB are shown")
        .lacks("<script>alert")
        .lacks("<b>hello");
    let sent = harness.plane.take_tried().unwrap();
    assert!(String::from_utf8_lossy(sent.request.body()).contains("Say <b>hello</b>."));

    let refused = Refused {
        status: 400,
        code: Some(2044),
        message: "there is <no> key".to_owned(),
        reason: None,
        help: Some("keyward keys add openai".to_owned()),
    };
    harness.plane.answer(tried(Some(Outcome::Refused(refused))));
    let page = browser.post("/playground", &FIELDS).await;
    page.shows("with code 2044")
        .shows("there is &#60;no&#62; key")
        .shows("keyward keys add openai")
        .shows("from the gateway")
        .lacks("What went upstream");
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_told() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/playground").await;
    harness.plane.fall_silent();
    let page = browser.post("/playground", &FIELDS).await;
    page.shows("No answer came within a minute")
        .shows("Say &#60;b&#62;hello");
}

#[tokio::test]
async fn what_is_not_acceptable_stands_beside_its_field_and_the_message_is_kept() {
    let harness = Harness::new().await;
    provider(&harness, json!({})).await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/playground")
        .await
        .shows(&format!(r#"value="custom-{SLUG}""#));
    for (field, value, is_at) in [
        ("message", " ", "message"),
        ("provider", "custom-ours", "model"),
        ("provider", "nobody", "provider"),
        ("model", "a b", "model"),
        ("alias", "No Alias!", "alias"),
        ("gateway", "No Such", "gateway"),
    ] {
        let mut fields = FIELDS.to_vec();
        fields.retain(|(known, _)| *known != field);
        fields.push((field, value));
        let page = browser.post("/playground", &fields).await;
        assert_eq!(page.status, 400, "{field}: {}", page.text);
        page.shows(&format!(r#"<p class="error" id="{is_at}-error">"#));
        if field != "message" {
            page.shows("Say &#60;b&#62;hello");
        }
        assert!(harness.plane.take_tried().is_none());
    }
}

#[tokio::test]
async fn who_may_not_make_tokens_sends_nothing() {
    let harness = Harness::new().await;
    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    let browser = Browser::signed_in_as(&harness, &reader).await;
    browser
        .get("/playground")
        .await
        .shows("Your API token may not send requests")
        .lacks(r#"action="/playground""#);
    assert_eq!(browser.post("/playground", &FIELDS).await.status, 403);
    assert!(harness.plane.take_tried().is_none());
}
