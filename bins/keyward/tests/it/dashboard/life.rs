//! A key from its first paste to its end: with JavaScript, without, and with the keyboard alone.

use std::time::Instant;

use keyward_testing::register_named_canary;

use super::{
    World,
    chromium::{Chromium, Hands, Script},
    sign_in,
};
use crate::support::{foreign, run_with};

#[test]
fn a_key_lives_and_ends_in_chromium() {
    live(Script::On, Hands::Mouse);
}

#[test]
fn a_key_lives_and_ends_in_chromium_without_javascript() {
    live(Script::Off, Hands::Mouse);
}

#[test]
fn a_key_lives_and_ends_in_chromium_with_the_keyboard_alone() {
    live(Script::On, Hands::Keyboard);
}

/// The dashboard alone, from a directory with nothing in it: what `keyward dev` prints is the link.
#[test]
fn a_first_request_is_few_steps_away() {
    let start = Instant::now();
    let world = World::start();
    let browser = Chromium::start(Script::On, Hands::Mouse);
    sign_in(&world, &browser);
    add(&world, &browser);
    browser.click(".side a[href=\"/tokens\"]");
    browser.click("a.primary[href=\"/tokens/new\"]");
    browser.fill("#name", "first");
    browser.click("form.card button.primary");
    let token = browser.text("#value");
    register_named_canary("dashboard token", &token);
    browser.click(".side a[href=\"/gateways\"]");
    browser.click("a[href=\"/gateways/default\"]");
    browser.goto(&world.url("/gateways/default?provider=openai"));
    let line = browser.text(".code pre");
    let mut shell = foreign("bash", world.dev.path());
    shell
        .args(["-c", &format!("{line} --silent --fail")])
        .env("KEYWARD_TOKEN", &token);
    run_with(shell, "").ok();
    assert_eq!(world.provider.take_recorded().len(), 1);
    let (steps, time) = (browser.steps(), start.elapsed().as_secs_f64());
    // What was shown once is kept nowhere, and not there for who goes back.
    let kept = browser.run("return JSON.stringify([{...localStorage}, {...sessionStorage}])");
    assert!(!kept.as_str().unwrap().contains(&token), "{kept}");
    for _ in 0..5 {
        let shown = browser.run(
            "return document.documentElement.outerHTML + location.href + JSON.stringify(history.state)",
        );
        assert!(!shown.as_str().unwrap().contains(&token), "{shown}");
        browser.back();
    }
    println!(
        "dashboard: first request after {steps} steps, {time:.1} s with the start of server and browser"
    );
    assert!(steps <= 16, "{steps}");
    browser.stop();
    world.stop();
}

#[test]
fn a_page_that_refreshes_itself_goes_with_its_session() {
    let world = World::start();
    let browser = Chromium::start(Script::On, Hands::Mouse);
    sign_in(&world, &browser);
    add(&world, &browser);
    // As in another tab.
    browser.run(
        "const csrf = document.querySelector('[name=csrf]').value; \
         const form = {method: 'POST', redirect: 'manual', body: new URLSearchParams({csrf})}; \
         return fetch('/sign-out', form).then(() => true)",
    );
    browser.see("h1", "Sign in");
    browser.stop();
    world.stop();
}

fn add(world: &World, browser: &Chromium) {
    browser.click(".side a[href=\"/keys\"]");
    browser.click("a.primary[href=\"/keys/new\"]");
    browser.click("input[value=\"openai\"]");
    browser.fill("#secret", world.first.text());
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The key is stored");
    browser.see("#status", "active");
    browser.see("#last-used", "never");
}

fn live(script: Script, hands: Hands) {
    let world = World::start();
    let browser = Chromium::start(script, hands);
    sign_in(&world, &browser);
    world.is_refused();
    add(&world, &browser);

    // Use. With JavaScript the page refreshes itself.
    world.is_answered();
    if script == Script::Off {
        browser.refresh();
    }
    browser.see("#last-used", "now");

    // Disable, and enable.
    browser.click("form[action$=\"/disable\"] button");
    browser.see(".banner.ok", "The key is disabled");
    browser.see("#status", "disabled");
    world.is_refused();
    browser.click("form[action$=\"/enable\"] button");
    browser.see("#status", "active");
    world.is_answered();

    // Rotate.
    world.provider.accept_keys([world.second.text()]);
    browser.click("a[href$=\"/rotate\"]");
    browser.fill("#secret", world.second.text());
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "The rotation has begun");
    browser.see("#phase", "The new value is in use");
    browser.see("#timer", "9:");
    world.is_answered();

    // Delete, once its name is typed.
    browser.click("a[href$=\"/delete\"]");
    browser.fill("#typed", "openai/team");
    browser.click("button.danger");
    browser.see("#typed-error", "that is not its name");
    browser.fill("#typed", "openai/default");
    browser.click("button.danger");
    browser.see(".banner.ok", "The key is deleted");
    world.is_refused();

    if script == Script::On {
        // htmx keeps the path of the page, and nothing else is kept.
        let kept = browser.run("return JSON.stringify([localStorage, sessionStorage])");
        let kept = kept.as_str().unwrap();
        for secret in [
            world.first.random_part(),
            world.second.random_part(),
            "kw_",
            "sign-in",
        ] {
            assert!(!kept.contains(secret), "{kept}");
        }
    }
    // Sign out; the link was good once.
    browser.click(".side form[action=\"/sign-out\"] button");
    browser.see("h1", "Sign in");
    browser.goto(world.dev.text("dashboard_url"));
    browser.see(".banner.bad", "The link is good no more");
    browser.stop();
    // Nor does the log hold it, at its most talkative.
    let (_, code) = world.dev.text("dashboard_url").rsplit_once('/').unwrap();
    assert!(!world.dev.server.logged().contains(code));
    world.stop();
}
