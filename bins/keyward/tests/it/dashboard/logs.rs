//! A budget of a gateway in Chromium: set, spent by an application, refused, and seen in the log, in the plots and in what is
//! exported of them. With JavaScript and without.

use serde_json::{Value, json};

use super::{
    World,
    chromium::{Chromium, Hands, Script},
    pages::look_at,
    sign_in,
};
use crate::support::{Answer, send, until};

/// An answer to it takes 9 tokens in and 3 out, which cost 0.0000525 dollars.
const CHAT: &str = r#"{"model":"gpt-4o","messages":[],"max_tokens":3}"#;

#[test]
fn money_is_spent_and_seen_in_chromium() {
    spend(Script::On);
}

#[test]
fn money_is_spent_and_seen_in_chromium_without_javascript() {
    spend(Script::Off);
}

impl World {
    /// A request of an application, once the log has it, as it was settled by then.
    fn ask(&self, event: &str, so_far: usize) -> Answer {
        let url = format!(
            "{}/v1/{}/default/openai/chat/completions",
            self.dev.text("gateway_url"),
            self.dev.text("account_id")
        );
        let bearer = format!("Bearer {}", self.dev.text("gateway_token"));
        let fields = [
            ("cf-aig-authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("cf-aig-event-id", event),
        ];
        let answer = send("POST", &url, &fields, CHAT);
        until("the log has it", || self.logged().len() > so_far);
        answer
    }

    /// What the log has, the newest first.
    pub(super) fn logged(&self) -> Vec<Value> {
        let logs = self.rest("GET", "ai-gateway/gateways/default/logs", &json!(null));
        logs.as_array().unwrap().clone()
    }
}

/// The rows of the table of requests.
fn rows(browser: &Chromium) -> Value {
    browser.run("return document.querySelectorAll('#requests tbody tr').length")
}

/// What is told of a plot to who does not see it.
fn gist(browser: &Chromium, plot: &str) -> String {
    let script = format!("return document.querySelector('#plot-{plot} svg > title').textContent");
    browser.run(&script).as_str().unwrap().to_owned()
}

fn spend(script: Script) {
    let world = World::start();
    let key = json!({"alias": "default", "provider_slug": "openai", "secret": world.first.text()});
    world.post("ai-gateway/gateways/default/provider_configs", &key);
    let browser = Chromium::start(script, Hands::Mouse);
    sign_in(&world, &browser);

    set_budget(&browser);
    assert_eq!(world.ask("first", 0).status, 200);
    assert_eq!(world.ask("=1+1", 1).status, 200);
    assert_eq!(world.ask("third", 2).refusal(), (429, 2045));
    assert_eq!(world.provider.take_recorded().len(), 2);
    see_log(&browser, script);
    see_plots(&browser, script);
    find_nothing(&world, &browser, script);
    browser.stop();
    world.stop();
}

/// For one request and a half: two have room, the third has none.
fn set_budget(browser: &Chromium) {
    browser.click(".side a[href=\"/gateways\"]");
    browser.click("a[href=\"/gateways/default\"]");
    browser.click("a[href=\"/gateways/default/spend\"]");
    let rules = json!([{"id": "all", "limitType": "cost", "limit": 0.00008, "calendar": "month"}]);
    let limits = json!({"enabled": true, "rules": rules}).to_string();
    browser.fill("#limits", &limits);
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The settings are changed");
    browser.see("main", "0.00008 USD per month");
}

fn see_log(browser: &Chromium, script: Script) {
    // The log has all three, the refused one first.
    browser.click(".side a[href=\"/logs\"]");
    browser.see("h1", "Request log");
    assert_eq!(rows(browser), 3);
    browser.see("#requests tbody tr:first-child .badge.bad", "429");
    browser.see("#requests tbody tr:first-child", "2045");
    for part in ["gpt-4o", "200", "9", "3", "0.0000525", "openai/default"] {
        browser.see("#requests tbody tr:last-child", part);
    }
    look(browser, script, "the log of requests");
    export(browser, 3);

    // Narrowed by a form that stands in the address.
    browser.click("#f-outcome option[value=failed]");
    browser.click("form[role=search] button");
    browser.see("a.button[href=\"/gateways/default/logs\"]", "Clear");
    assert_eq!(rows(browser), 1);
    let address = browser.run("return location.search");
    assert!(
        address.as_str().unwrap().contains("outcome=failed"),
        "{address}"
    );
    export(browser, 1);

    // One request, with everything that is told of it.
    browser.click("#requests a.go");
    browser.see("h1 .badge.bad", "429");
    for part in ["third", "2045", "chat/completions", "openai/default"] {
        browser.see("main", part);
    }
    look(browser, script, "a request");
    browser.click(".crumbs li:nth-child(3) a");
    browser.see("h1", "Request log");
}

fn see_plots(browser: &Chromium, script: Script) {
    // The plots count the three, and the refused one among them.
    browser.click("a.button[href$=\"/logs/plots\"]");
    browser.see("h1", "Plots of requests");
    for (cell, text) in [(2, "3"), (3, "1"), (4, "18"), (5, "6"), (6, "0.000105")] {
        let css = format!("tbody tr:first-child > :nth-child({cell})");
        assert_eq!(browser.text(&css), text, "{css}");
    }
    browser.see("tbody tr:first-child th", "openai");
    assert!(gist(browser, "requests").starts_with("Requests: 3 in all"));
    assert!(gist(browser, "errors").starts_with("Errors: 1 in all"));
    assert!(gist(browser, "tokens").starts_with("Tokens: 24 in all"));
    assert!(gist(browser, "cost").starts_with("Cost, USD: 0.000105 in all"));
    assert!(gist(browser, "p95").starts_with("Duration, p95: between"));
    // The bar of the errors is seen, and no wider than its step.
    let drawn = browser.run(
        "const box = document.querySelector('#plot-errors .c-fill').getBoundingClientRect(); \
         return box.height > 20 && box.width > 1",
    );
    assert_eq!(drawn, true);
    look(browser, script, "plots of requests");
    browser.click("#plot-errors summary");
    browser.see("#plot-errors tbody tr:last-child td", "1");
    browser.click("#by option[value=model]");
    browser.click("form[role=search] button");
    browser.see("tbody tr:first-child th", "gpt-4o");
    browser.click("#by option[value=provider]");
    browser.click("form[role=search] button");
    browser.see("tbody tr:first-child th", "openai");
}

fn find_nothing(world: &World, browser: &Chromium, script: Script) {
    // From a line of the plots to its requests.
    browser.click("tbody tr:first-child th a");
    browser.see("h1", "Request log");
    assert_eq!(rows(browser), 3);
    browser.fill("#q", "nowhere");
    browser.click("form[role=search] button");
    browser.see(".empty", "No request matches");
    look(browser, script, "a log without what is asked for");
    browser.goto(&world.url("/gateways/default/logs?status=many"));
    browser.see("#filter-wrong", "The filter is not understood");
    look(browser, script, "a filter that is not understood");
}

/// Both exports have what the table has.
fn export(browser: &Chromium, requests: usize) {
    let (name, csv) = browser.download("a[href*=\"/export.csv\"]");
    assert!(name.starts_with("keyward-default-log-"), "{name}");
    assert!(name.ends_with(".csv"), "{name}");
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + requests, "{csv}");
    assert!(
        lines[0].starts_with("id,created_at,provider,model,path,status_code,"),
        "{csv}"
    );
    assert!(lines[1].contains(",chat/completions,429,false,"), "{csv}");
    assert!(lines[1].contains(",2045,third,"), "{csv}");
    if requests > 1 {
        assert!(lines[2].contains(",9,3,0.0000525,false,"), "{csv}");
        // A spreadsheet takes it for a text.
        assert!(lines[2].contains(",'=1+1,"), "{csv}");
    }
    let (name, json) = browser.download("a[href*=\"/export.json\"]");
    assert!(name.ends_with(".json"), "{name}");
    let entries: Value = serde_json::from_str(&json).unwrap();
    let entries = entries.as_array().unwrap();
    assert_eq!(entries.len(), requests, "{json}");
    assert_eq!(entries[0]["status_code"], 429);
    assert_eq!(entries[0]["error_code"], 2045);
}

/// What looks at a page is a script itself.
fn look(browser: &Chromium, script: Script, page: &str) {
    if script == Script::On {
        look_at(browser, page);
    }
}
