//! A dynamic route in Chromium: from its first version to a roll-back, with JavaScript and without.

use serde_json::{Value, json};

use super::{
    World,
    chromium::{Chromium, Hands, Script},
    pages::look_at,
    sign_in,
};
use crate::support::send;

#[test]
fn a_route_lives_in_chromium() {
    live(Script::On);
}

#[test]
fn a_route_lives_in_chromium_without_javascript() {
    live(Script::Off);
}

/// One model, as somebody types it: without line breaks.
fn elements(model: &str) -> String {
    json!([
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": "answer"}}},
        {"id": "answer", "type": "model", "properties": {"provider": "openai", "model": model},
         "outputs": {"success": {"elementId": "end"}}},
        {"id": "end", "type": "end", "outputs": {}},
    ])
    .to_string()
}

impl World {
    /// Which model the provider was asked for, by an application that asks for the route.
    #[track_caller]
    fn routed_to(&self, route: &str) -> Value {
        let url = format!(
            "{}/v1/{}/default/compat/chat/completions",
            self.dev.text("gateway_url"),
            self.dev.text("account_id")
        );
        let bearer = format!("Bearer {}", self.dev.text("gateway_token"));
        let body = json!({"model": format!("dynamic/{route}"), "messages": [{"role": "user", "content": "hello"}]});
        let fields = [
            ("cf-aig-authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let answer = send("POST", &url, &fields, &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        let recorded = self.provider.take_recorded();
        let body: Value = serde_json::from_slice(&recorded[0].body).unwrap();
        body["model"].clone()
    }
}

/// What looks at a page is a script itself.
fn look(browser: &Chromium, script: Script, page: &str) {
    if script == Script::On {
        look_at(browser, page);
    }
}

fn live(script: Script) {
    let world = World::start();
    let key = json!({"alias": "default", "provider_slug": "openai", "secret": world.first.text()});
    world.post("ai-gateway/gateways/default/provider_configs", &key);
    let browser = Chromium::start(script, Hands::Mouse);
    sign_in(&world, &browser);

    // Make: what is wrong stands beside its element, and what was typed stays.
    browser.click(".side a[href=\"/gateways\"]");
    browser.click("a[href=\"/gateways/default\"]");
    browser.click("a[href=\"/gateways/default/routes/new\"]");
    browser.fill("#name", "support");
    let faulty = elements("gpt-5-mini").replace("\"openai\"", "\"openia\"");
    browser.fill("#elements", &faulty);
    browser.click("form.card button.primary");
    browser.see("#elements-error", "One thing is wrong");
    browser.see("tr.t-wrong", "answer");
    browser.see("tr.t-wrong .error", "elements[1].properties.provider");
    browser.see("svg.g-wrong .g-id", "answer");
    let kept = browser.run("return document.querySelector('#elements').value");
    assert_eq!(kept, faulty);
    look(&browser, script, "a route that is refused");
    browser.fill("#elements", &elements("gpt-5-mini"));
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The route is made");
    browser.see("svg.g-box:nth-of-type(2) .g-what", "openai/gpt-5-mini");
    assert_eq!(world.routed_to("support"), "gpt-5-mini");

    // Which way a request would take.
    browser.click("a.button[href$=\"/explain\"]");
    browser.fill("#metadata", r#"{"plan": "free"}"#);
    browser.click("form.card button.primary");
    browser.see("#stops", "openai/gpt-5-mini");
    browser.see("svg.g-on .g-mark", "1");
    look(&browser, script, "the way of a request");
    browser.click(".crumbs li:nth-child(4) a");

    // Save a version: nothing is deployed by that, and what it changes is shown.
    browser.click("a.primary[href$=\"/edit\"]");
    browser.fill("#elements", &elements("gpt-5"));
    browser.fill("#comment", "the large one");
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The version is saved");
    browser.see(".diff del", "\"gpt-5-mini\"");
    browser.see(".diff ins", "\"gpt-5\"");
    assert_eq!(world.routed_to("support"), "gpt-5-mini");

    // Deploy, and roll back.
    browser.click("a.primary[href$=\"/deploy\"]");
    browser.see("h1", "Deploy version 2 of support");
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The version is deployed");
    assert_eq!(world.routed_to("support"), "gpt-5");
    browser.click("a[href$=\"/versions\"]");
    browser.see("table", "the large one");
    browser.click("a.button[href$=\"/deploy\"]");
    browser.see("h1", "Roll back support to version 1");
    browser.see(".diff ins", "\"gpt-5-mini\"");
    browser.click("form.card button.primary");
    browser.see("#graph", "version 1");
    assert_eq!(world.routed_to("support"), "gpt-5-mini");

    // Two versions that are picked from the list.
    browser.click("a[href$=\"/versions\"]");
    browser.click("tbody tr:nth-child(2) input[name=from]");
    browser.click("tbody tr:nth-child(1) input[name=to]");
    browser.click("form.section button");
    browser.see("#diff", "From version 1 to version 2");

    // Delete, once its name is typed.
    browser.click(".crumbs a[href$=\"/routes\"]");
    browser.click("a.go");
    browser.click("a[href$=\"/delete\"]");
    browser.fill("#typed", "supports");
    browser.click("button.danger");
    browser.see("#typed-error", "that is not its name");
    browser.fill("#typed", "support");
    browser.click("button.danger");
    browser.see(".banner.ok", "The route is deleted");
    browser.stop();
    world.stop();
}
