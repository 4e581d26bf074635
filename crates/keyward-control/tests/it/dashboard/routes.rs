//! Dynamic routes.

use keyward_auth::{Grant, Permission, Permissions, Scope};
use serde_json::{Value, json};

use super::{
    browser::{Browser, Page},
    records::{ROUTE, elements_with, route_of},
};
use crate::support::{Harness, OURS, gateways, new_gateway, secret};

const ROUTES: &str = "/gateways/default/routes";

/// Elements that say what they are on lines of their own: what is saved is what was typed.
const TYPED: &str = r#"[
  {"id": "start", "type": "start", "outputs": {"next": {"elementId": "plan"}}},
  {"id": "plan", "type": "conditional", "properties": {"conditions": {"metadata.plan": "free"}},
   "outputs": {"true": {"elementId": "small"}, "false": {"elementId": "large"}}},
  {"id": "large", "type": "model", "properties": {"provider": "openai", "model": "gpt-5"},
   "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "small"}}},
  {"id": "small", "type": "model", "properties": {"provider": "groq", "model": "llama-3.1-8b-instant"},
   "outputs": {"success": {"elementId": "end"}}},
  {"id": "end", "type": "end", "outputs": {}}
]"#;

async fn stored(harness: &Harness, path: &str) -> Value {
    let path = path.replace("/gateways/default", "");
    let path = format!("{}/default{path}", gateways(OURS));
    harness.get(&path).await.json["result"].clone()
}

/// How often a text stands on a page.
fn count(page: &Page, text: &str) -> usize {
    page.text.matches(text).count()
}

#[tokio::test]
async fn a_route_is_made_and_drawn() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get("/gateways/default")
        .await
        .shows("Dynamic routes")
        .shows("/gateways/default/routes/new");
    browser.get(ROUTES).await.shows("No routes yet");
    let form = browser.get(&format!("{ROUTES}/new")).await;
    // What the form begins with can be saved as it is.
    form.shows(r#"role="img""#).lacks("g-wrong");
    let fields = [
        ("name", ROUTE),
        ("elements", TYPED),
        ("comment", "first & last"),
    ];
    let made = browser.post(&format!("{ROUTES}/new"), &fields).await;
    let (path, _) = made.to().split_once('?').unwrap();
    let page = browser.get(made.to()).await;
    page.shows("The route is made")
        .shows("dynamic/support")
        .shows("Graph of support: 5 elements")
        .shows("first &#38; last")
        .shows("route.create")
        .shows("keyward routes show support --gateway default");
    assert_eq!(count(&page, r#"class="g-box"#), 5);
    assert_eq!(count(&page, r#"class="g-line"#), 6);
    // In words as well, for who does not see the picture.
    for words in [
        "true → <code>small</code>",
        "false → <code>large</code>",
        "openai/gpt-5",
    ] {
        page.shows(words);
    }
    // To the byte.
    assert_eq!(stored(&harness, path).await["version"]["data"], TYPED);
    browser
        .get(ROUTES)
        .await
        .shows(">support</a>")
        .shows("version 1")
        .shows("<code>openai/gpt-5</code>, <code>groq/llama-3.1-8b-instant</code>");
    browser.get("/gateways/default").await.shows("One route");
    let again = browser.post(&format!("{ROUTES}/new"), &fields).await;
    assert_eq!(again.status, 400, "{}", again.text);
    again.shows("already").shows("metadata.plan");
}

#[tokio::test]
async fn every_fault_stands_beside_its_element_and_the_text_is_kept() {
    let harness = Harness::new().await;
    let (id, _) = route_of(&harness, "small", "").await;
    let browser = Browser::signed_in(&harness).await;
    let faulty = TYPED
        .replace(r#""model": "gpt-5""#, r#""model": 7"#)
        .replace(
            r#"{"elementId": "small"}, "false""#,
            r#"{"elementId": "nowhere"}, "false""#,
        );
    for path in [format!("{ROUTES}/new"), format!("{ROUTES}/{id}/edit")] {
        browser.get(&path).await;
        let fields = [
            ("name", "other"),
            ("elements", &faulty),
            ("comment", "kept & shown"),
        ];
        let page = browser.post(&path, &fields).await;
        assert_eq!(page.status, 400, "{}", page.text);
        page.shows("2 things are wrong with the elements")
            .shows("<code>elements[1].outputs.true")
            .shows("<code>elements[2].properties.model</code>")
            .shows("kept &#38; shown")
            .shows(r#"&#34;model&#34;: 7}"#)
            .shows(r#"aria-invalid="true""#);
        assert_eq!(count(&page, r#"class="g-box g-wrong""#), 2);
        assert_eq!(count(&page, r#"class="t-wrong""#), 2);
        // Each in the row of its element.
        let row = |id: &str| {
            let start = page
                .text
                .find(&format!(r#"<th scope="row"><code>{id}</code>"#))
                .unwrap();
            page.text[start..].split_once("</tr>").unwrap().0.to_owned()
        };
        assert!(row("plan").contains("elements[1]"), "{}", row("plan"));
        assert!(row("large").contains("elements[2]"), "{}", row("large"));
        assert!(
            !row("small").contains("class=\"error\""),
            "{}",
            row("small")
        );
    }
    // What is no list of elements has no picture; where it stops being JSON is told.
    let edit = format!("{ROUTES}/{id}/edit");
    // No text ends the field of the body that it stands in.
    let smuggled = format!("{TYPED}, \"comment\": \"smuggled\"");
    for (text, told) in [
        (smuggled.as_str(), "is no JSON"),
        ("[{\"id\": ", "is no JSON"),
        ("{}", "an array of elements is wanted"),
        ("", "is no JSON"),
        ("[], \"comment\": []", "is no JSON"),
        ("[{\"id\": \"a\", \"id\": \"b\"}]", "twice"),
    ] {
        let page = browser.post(&edit, &[("elements", text)]).await;
        assert_eq!(page.status, 400, "{text}: {}", page.text);
        page.shows(told);
    }
    // A circle, and an element that stands twice, are drawn as they were typed.
    let circle = r#"[{"id":"start","type":"start","outputs":{"next":{"elementId":"m"}}},
        {"id":"m","type":"model","properties":{"provider":"openai","model":"gpt-5"},"outputs":{"success":{"elementId":"m"}}},
        {"id":"m","type":"end"}]"#;
    let page = browser.post(&edit, &[("elements", circle)]).await;
    assert_eq!(page.status, 400);
    page.shows("g-back");
    let versions = stored(&harness, &format!("{ROUTES}/{id}/versions")).await;
    assert_eq!(versions, Value::Null, "lists stand in `data`");
    assert_eq!(
        stored(&harness, &format!("{ROUTES}/{id}")).await["version"]["number"],
        1
    );
}

#[tokio::test]
async fn a_version_is_saved_compared_deployed_and_rolled_back() {
    let harness = Harness::new().await;
    let (id, first) = route_of(&harness, "small", "the first").await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("{ROUTES}/{id}");
    browser
        .get(&format!("{path}/edit"))
        .await
        .shows("gpt-5-mini");
    let elements = elements_with("small")
        .to_string()
        .replace("gpt-5-mini", "gpt-5");
    let fields = [("elements", elements.as_str()), ("comment", "larger")];
    let saved = browser.post(&format!("{path}/edit"), &fields).await;
    let version = saved.to().split_once('?').unwrap().0.to_owned();
    browser
        .get(saved.to())
        .await
        .shows("The version is saved")
        .shows("From version 1 to version 2")
        .shows(r#"<del>-       &#34;model&#34;: &#34;gpt-5-mini&#34;,</del>"#)
        .shows(r#"<ins>+       &#34;model&#34;: &#34;gpt-5&#34;,</ins>"#)
        .shows("Deploy…");
    // Nothing is deployed by that.
    assert_eq!(stored(&harness, &path).await["version"]["number"], 1);
    let list = browser.get(&format!("{path}/versions")).await;
    let token = format!("token {}", harness.admin_id());
    list.shows("larger").shows("the first").shows("Deploy…");
    // Two versions and one deployment, each with who did it.
    assert_eq!(count(&list, &token), 3, "{}", list.text);

    let deploy = format!("{version}/deploy");
    browser
        .get(&deploy)
        .await
        .shows("Deploy version 2 of support")
        .shows("What it changes: from version 1 to version 2");
    let deployed = browser.post(&deploy, &[("comment", "now")]).await;
    browser
        .get(deployed.to())
        .await
        .shows("The version is deployed")
        .shows("Deployed: version 2")
        .shows("route_deployment.create");
    assert_eq!(stored(&harness, &path).await["version"]["number"], 2);

    let back = format!("{path}/versions/{first}/deploy");
    browser
        .get(&back)
        .await
        .shows("Roll back support to version 1")
        .shows("<ins>+       &#34;model&#34;: &#34;gpt-5-mini&#34;,</ins>");
    assert_eq!(browser.post(&back, &[]).await.status, 303);
    assert_eq!(stored(&harness, &path).await["version"]["number"], 1);
    let list = browser.get(&format!("{path}/versions")).await;
    list.shows("in force").shows("now");
    assert_eq!(count(&list, &token), 5);
    let second = version.rsplit('/').next().unwrap();
    browser
        .get(&format!("{path}/compare?from={second}&to={first}"))
        .await
        .shows("From version 2 to version 1");
    assert_eq!(
        browser
            .get(&format!("{path}/compare?from=x&to={first}"))
            .await
            .status,
        404
    );
    assert_eq!(
        browser
            .get(&format!("{path}/versions/{id}/deploy"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn the_form_begins_with_any_version_and_may_deploy_at_once() {
    let harness = Harness::new().await;
    let (id, _) = route_of(&harness, "small", "").await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("{ROUTES}/{id}");
    let edit = format!("{path}/edit");
    browser.get(&edit).await;
    let saved = browser.post(&edit, &[("elements", TYPED)]).await;
    let version = saved.to().split_once('?').unwrap().0.to_owned();
    let version = version.rsplit('/').next().unwrap();
    // As it was typed, and drawn.
    let form = browser.get(&format!("{edit}?version={version}")).await;
    form.shows("the form begins with version 2")
        .shows("{&#34;metadata.plan&#34;: &#34;free&#34;}},\n");
    assert_eq!(count(&form, r#"class="g-box"#), 5);
    assert_eq!(
        browser.get(&format!("{edit}?version=none")).await.status,
        404
    );
    let fields = [("elements", TYPED), ("comment", "at once"), ("deploy", "1")];
    let deployed = browser.post(&edit, &fields).await;
    browser
        .get(deployed.to())
        .await
        .shows("Deployed: version 3")
        .shows("at once");
    // What is saved and cannot be deployed is told as that, and lies there to be deployed later.
    harness.break_store_after(1);
    let saved = browser.post(&edit, &fields).await;
    browser
        .get(saved.to())
        .await
        .shows("could not be deployed")
        .shows("support, version 4")
        .shows("Deploy…");
    assert_eq!(stored(&harness, &path).await["version"]["number"], 3);
}

#[tokio::test]
async fn a_route_is_renamed_and_deleted() {
    let harness = Harness::new().await;
    let (id, _) = route_of(&harness, "small", "").await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("{ROUTES}/{id}");
    browser.get(&format!("{path}/rename")).await;
    let page = browser
        .post(&format!("{path}/rename"), &[("name", "no good")])
        .await;
    assert_eq!(page.status, 400);
    page.shows(r#"id="name-error""#).shows(r#"value="no good""#);
    let renamed = browser
        .post(&format!("{path}/rename"), &[("name", "help-desk")])
        .await;
    browser
        .get(renamed.to())
        .await
        .shows("The route has another name")
        .shows("dynamic/help-desk");
    let page = browser
        .post(&format!("{path}/delete"), &[("typed", ROUTE)])
        .await;
    assert_eq!(page.status, 400);
    page.shows("that is not its name");
    let deleted = browser
        .post(&format!("{path}/delete"), &[("typed", "help-desk")])
        .await;
    browser
        .get(deleted.to())
        .await
        .shows("The route is deleted")
        .shows("No routes yet");
    assert_eq!(browser.get(&path).await.status, 404);
}

#[tokio::test]
async fn who_may_only_read_sees_no_form_and_no_other_gateway() {
    let harness = Harness::new().await;
    let (id, version) = route_of(&harness, "small", "").await;
    harness
        .post(&gateways(OURS), new_gateway("other"))
        .await
        .result();
    let mut grant = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    grant.gateways = Scope::only(["default".to_owned()]);
    let (_, text) = harness.token(grant).await;
    let browser = Browser::signed_in_as(&harness, &text).await;
    let path = format!("{ROUTES}/{id}");
    let pages = [
        ROUTES.to_owned(),
        path.clone(),
        format!("{path}/versions"),
        format!("{path}/versions/{version}"),
    ];
    for page in &pages {
        let page = browser.get(page).await;
        assert_eq!(page.status, 200, "{}", page.text);
        for form in ["/edit", "/rename", "/delete", "/deploy", "/new\""] {
            page.lacks(&format!("{path}{form}"))
                .lacks(&format!("{ROUTES}{form}"));
        }
        page.lacks("/deploy").lacks("Make route");
    }
    browser
        .get(&path)
        .await
        .shows("g-box")
        .lacks("Audit log of this route");
    assert_eq!(browser.get("/gateways/other/routes").await.status, 403);
    // By the way of another gateway there is no such route.
    let admin = Browser::signed_in(&harness).await;
    for page in ["", "/edit", "/versions", "/delete"] {
        let page = admin
            .get(&format!("/gateways/other/routes/{id}{page}"))
            .await;
        assert_eq!(page.status, 404, "{}", page.text);
    }
    assert_eq!(admin.get("/gateways/nowhere/routes").await.status, 404);
    assert_eq!(admin.get("/gateways/nowhere/routes/new").await.status, 404);
}

#[tokio::test]
async fn a_long_text_is_kept_and_an_oversized_one_refused() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get(&format!("{ROUTES}/new")).await;
    // As large as a graph may be: a hundred elements, and 64 KiB with blanks between them.
    let chain: Vec<_> = (0..98)
        .map(|number| {
            let next = if number == 97 {
                "end".to_owned()
            } else {
                format!("m{}", number + 1)
            };
            json!({"id": format!("m{number}"), "type": "model",
                "properties": {"provider": "openai", "model": "gpt-5"},
                "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": next}}})
            .to_string()
        })
        .collect();
    let text = format!(
        r#"[{{"id":"start","type":"start","outputs":{{"next":{{"elementId":"m0"}}}}}},{},{{"id":"end","type":"end"}}]"#,
        chain.join(",")
    );
    let text = text.replacen('[', &format!("[{}", " ".repeat(64 * 1024 - text.len())), 1);
    let fields = [("name", "long"), ("elements", text.as_str())];
    let made = browser.post(&format!("{ROUTES}/new"), &fields).await;
    let page = browser.get(made.to()).await;
    assert_eq!(count(&page, r#"class="g-box"#), 100);
    assert_eq!(count(&page, r#"class="g-line"#), 197);
    let longer = format!(" {text} ").replacen('[', "[ ", 1);
    let fields = [("name", "longer"), ("elements", longer.as_str())];
    let page = browser.post(&format!("{ROUTES}/new"), &fields).await;
    assert_eq!(
        page.status,
        400,
        "{}",
        &page.text[..page.text.len().min(2_000)]
    );
    page.shows("65537 bytes of JSON");
}

#[tokio::test]
async fn the_way_of_a_request_is_told_and_marked() {
    let harness = Harness::new().await;
    let (id, first) = route_of(&harness, "small", "").await;
    let path = format!("{ROUTES}/{id}");
    let saved = format!("{}/default/routes/{id}/versions", gateways(OURS));
    let elements: Value = serde_json::from_str(TYPED).unwrap();
    let saved = harness.post(&saved, json!({"elements": elements})).await;
    let version = saved.result()["version_id"].as_str().unwrap().to_owned();
    // Who may read a route may ask.
    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    let browser = Browser::signed_in_as(&harness, &reader).await;
    browser.get(&path).await.shows("/explain");
    let explain = format!("{path}/explain");
    let form = browser.get(&format!("{explain}?version={version}")).await;
    assert_eq!(form.field("version"), version);
    let ask = async |fields: &[(&str, &str)]| {
        let own = [("version", version.as_str())];
        let fields: Vec<_> = own.iter().chain(fields).copied().collect();
        browser.post(&explain, &fields).await
    };

    let page = ask(&[("metadata", r#"{"plan": "free"}"#)]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    page.shows("The way through version 2")
        .shows("metadata.plan");
    // The start, the condition, one model and the end; the other model is not on the way.
    assert_eq!(count(&page, r#"class="g-box g-on""#), 4);
    assert_eq!(count(&page, r#"class="g-box g-off""#), 1);
    assert_eq!(count(&page, r#"class="g-line g-on""#), 3);
    page.shows("Graph of support: 5 elements, with the way of a request")
        .shows("{&#34;plan&#34;: &#34;free&#34;}</textarea>");
    let page = ask(&[("metadata", r#"{"plan": "paid"}"#)]).await;
    assert_eq!(count(&page, r#"class="g-box g-on""#), 5);
    page.shows("openai/gpt-5");

    // A header's value is neither told nor kept, whatever is wrong beside it.
    let headers = format!("Authorization: Bearer {}\r\nX-Team: search", secret());
    let page = ask(&[("headers", &headers), ("body", r#"{"max_tokens": 5}"#)]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    page.lacks("search</textarea>").lacks("Bearer kw");
    let no_header = format!("X-Team: search\n{}", secret());
    for (field, value, told) in [
        ("body", "{", "is no JSON"),
        ("body", "[]", "must be an object"),
        ("body", "{}, \"elements\": []", "is no JSON"),
        ("metadata", "free", "is no JSON"),
        ("draw", "1.5", "below 1"),
        ("headers", no_header.as_str(), "line 2 is no header"),
    ] {
        let page = ask(
            &[("headers", headers.as_str()), (field, value)][usize::from(field == "headers")..]
        )
        .await;
        assert_eq!(page.status, 400, "{field} {value}: {}", page.text);
        page.shows(&format!(r#"id="{field}-error""#))
            .shows(told)
            .lacks("g-on");
    }
    // Without a version it is the one that is deployed.
    let page = browser.post(&explain, &[]).await;
    page.shows("The way through version 1");
    assert_eq!(
        browser.post(&explain, &[("version", &first)]).await.status,
        200
    );
    assert_eq!(
        browser.post(&explain, &[("version", "none")]).await.status,
        404
    );
}
