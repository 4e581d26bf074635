//! Custom providers.

use keyward_auth::Permission;
use serde_json::{Value, json};

use super::{
    browser::Browser,
    records::{SLUG, provider},
};
use crate::support::{CANARY, Harness, OURS, keys, secret};

/// What a browser sends of the form.
fn typed<'a>(changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let fields = [
        ("name", "Our models"),
        ("slug", SLUG),
        ("base_url", "https://llm.example.com/v1"),
        ("credential_header", "X-Api-Key"),
        ("enable", "1"),
        ("headers", ""),
        ("description", "kept & shown"),
    ];
    let mut fields = fields.to_vec();
    for (name, value) in changed {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    fields
}

async fn stored(harness: &Harness) -> Value {
    let path = format!("/client/v4/accounts/{OURS}/ai-gateway/custom-providers");
    harness.get(&path).await.result()[0].clone()
}

#[tokio::test]
async fn a_provider_is_added_with_masked_headers_and_gets_a_key() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/providers")
        .await
        .shows("No custom providers yet")
        .shows("/providers/new");
    browser
        .get("/providers/new")
        .await
        .shows("Authorization: Bearer</option>");
    let headers = format!("X-Org: {}\r\n\r\nX-Team : a:b \r\n", secret());
    let fields = typed(&[("headers", &headers), ("link", "https://example.com/docs")]);
    let made = browser.post("/providers/new", &fields).await;
    let page = browser.get(made.to()).await;
    page.shows("The provider is added")
        .shows("custom-ours")
        .shows("x-org: ••••wxyz")
        .shows("x-team: ••••")
        .shows("sealed for https://llm.example.com")
        .shows(r#"<a href="https://example.com/docs" rel="noopener noreferrer nofollow">"#)
        .shows("/keys/new?provider=custom-ours")
        .shows("keyward providers show ours");
    let provider = stored(&harness).await;
    assert_eq!(provider["enable"], true);
    assert_eq!(provider["credential_header"], "X-Api-Key");
    browser
        .get("/providers?q=MODELS")
        .await
        .shows(">Our models</a>")
        .shows("https://llm.example.com/v1");
    browser
        .get("/providers?q=none")
        .await
        .shows("No provider matches");
    browser
        .get("/keys/new?provider=custom-ours")
        .await
        .shows(r#"value="custom-ours" required checked"#);
}

#[tokio::test]
async fn what_is_not_acceptable_stands_beside_its_field() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/providers/new").await;
    let no_header = format!("X-Org: a\n{}", secret());
    let forbidden = format!("Authorization: {}", secret());
    for (field, value) in [
        ("name", ""),
        ("slug", "Not One"),
        ("slug", "openai"),
        ("base_url", "http://llm.example.com"),
        ("base_url", "https://llm.example.com/?q"),
        ("link", "javascript:alert(1)"),
        ("logo", "no picture"),
        ("position", "first"),
        ("headers", no_header.as_str()),
        ("headers", forbidden.as_str()),
        ("credential_header", "Cookie"),
    ] {
        let page = browser
            .post("/providers/new", &typed(&[(field, value)]))
            .await;
        assert_eq!(page.status, 400, "{field} {value}: {}", page.text);
        page.shows(&format!(r#"<p class="error" id="{field}-error">"#))
            .shows("kept &#38; shown")
            .lacks(CANARY);
        if field != "headers" && field != "credential_header" {
            page.shows(&if field == "logo" {
                "nopicture</textarea>".to_owned()
            } else {
                format!(r#"value="{value}""#)
            });
        }
    }
    provider(&harness, json!({})).await;
    let page = browser.post("/providers/new", &typed(&[])).await;
    assert_eq!(page.status, 409);
    page.shows(r#"id="slug-error""#);
}

#[tokio::test]
async fn a_mask_keeps_a_value_and_what_is_the_same_is_not_sent() {
    let harness = Harness::new().await;
    let id = provider(&harness, json!({"logo": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="})).await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/providers/{id}");
    let edit = format!("{path}/edit");
    browser
        .get(&edit)
        .await
        .shows("x-org: ••••wxyz</textarea>")
        .shows("One is stored")
        .lacks("iVBOR");
    browser
        .get(&path)
        .await
        .shows("characters of Base64")
        .lacks("<img");
    let same = [
        ("name", "Ours"),
        ("base_url", "https://llm.example.com/v1"),
        ("credential_header", "Authorization: Bearer"),
        ("enable", "1"),
        ("headers", "x-org: ••••wxyz\r\n"),
    ];
    let done = browser.post(&edit, &same).await;
    assert!(done.to().ends_with("?done=same"), "{}", done.to());
    assert_eq!(
        stored(&harness).await["logo"].as_str().map(str::len),
        Some(92)
    );
    let mut fields = same.to_vec();
    fields.retain(|(name, _)| *name != "headers");
    fields.push(("headers", "x-org: ••••wxyz\nX-New: another-one"));
    fields.push(("drops_logo", "1"));
    let done = browser.post(&edit, &fields).await;
    browser
        .get(done.to())
        .await
        .shows("The provider is changed")
        .shows("x-org: ••••wxyz")
        .shows("x-new: ••••")
        .lacks("another-one")
        .lacks("characters of Base64");
    fields.retain(|(name, _)| *name != "headers");
    fields.push(("headers", "x-org: ••••aaaa"));
    let page = browser.post(&edit, &fields).await;
    assert_eq!(page.status, 400, "{}", page.text);
    page.shows(r#"id="headers-error""#).shows("x-org: ••••wxyz");
    fields.retain(|(name, _)| *name != "headers");
    browser.post(&edit, &fields).await.to();
    assert_eq!(stored(&harness).await["headers"], Value::Null);
}

#[tokio::test]
async fn a_provider_that_moves_says_that_keys_stay_behind() {
    let harness = Harness::new().await;
    let id = provider(&harness, json!({"headers": null})).await;
    let body = json!({"provider_slug": "custom-ours", "alias": "team-a", "secret": secret()});
    harness.post(&keys(OURS, "default"), body).await.result();
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/providers/{id}");
    browser
        .get(&path)
        .await
        .shows(">team-a</a>")
        .lacks("enter it again");
    browser
        .get(&format!("{path}/edit"))
        .await
        .shows("the stored key stays")
        .shows("https://llm.example.com</code>");
    let moved = typed(&[("base_url", "https://new.example.com/v1")]);
    let moved = browser.post(&format!("{path}/edit"), &moved).await;
    browser
        .get(moved.to())
        .await
        .shows("stay sealed for the old one")
        .shows("enter it again")
        .shows("https://new.example.com/v1");
}

#[tokio::test]
async fn a_provider_is_deleted_with_its_keys_once_its_slug_is_typed() {
    let harness = Harness::new().await;
    let id = provider(&harness, json!({})).await;
    let body = json!({"provider_slug": "custom-ours", "alias": "team-a", "secret": secret()});
    harness.post(&keys(OURS, "default"), body).await.result();
    let browser = Browser::signed_in(&harness).await;
    let delete = format!("/providers/{id}/delete");
    browser
        .get(&delete)
        .await
        .shows("default / team-a")
        .shows("never used")
        .shows("Its provider key is deleted with it");
    let wrong = browser.post(&delete, &[("typed", "custom-ours")]).await;
    assert_eq!(wrong.status, 400);
    wrong.shows("that is not its slug");
    let deleted = browser.post(&delete, &[("typed", "ours")]).await;
    browser
        .get(deleted.to())
        .await
        .shows("The provider is deleted")
        .shows("No custom providers yet");
    browser.get("/keys").await.lacks("team-a");
    assert_eq!(browser.get(&format!("/providers/{id}")).await.status, 404);
}

#[tokio::test]
async fn who_may_read_alone_sees_no_button() {
    let harness = Harness::new().await;
    let id = provider(&harness, json!({})).await;
    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    let browser = Browser::signed_in_as(&harness, &reader).await;
    browser
        .get("/providers")
        .await
        .shows(">Ours</a>")
        .lacks("/providers/new");
    let path = format!("/providers/{id}");
    browser
        .get(&path)
        .await
        .shows("x-org")
        .lacks("/edit")
        .lacks("/delete")
        .lacks("/keys/new");
    let other = harness
        .token_with(OURS, &[Permission::SecretsStoreRead])
        .await;
    let browser = Browser::signed_in_as(&harness, &other).await;
    assert_eq!(browser.get("/providers").await.status, 403);
}
