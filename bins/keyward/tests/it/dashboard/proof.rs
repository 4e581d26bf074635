//! What a provider says of keys, in Chromium: before one is saved, in a rotation, and afterwards.

use super::{
    World,
    chromium::{Chromium, Hands, Script},
    sign_in,
};
use crate::support::until;

#[test]
fn a_bad_key_is_not_saved_and_the_page_says_why() {
    let world = World::relayed();
    let browser = Chromium::start(Script::On, Hands::Mouse);
    sign_in(&world, &browser);
    enter(&browser, world.second.text());
    browser.see("#secret-error", "wrong key");
    browser.see("#secret-error", "nothing was stored");
    let kept = browser.run("return document.querySelector('#secret').value");
    assert_eq!(kept, "");
    assert_eq!(world.provider.count(), 1);

    // The good one is, and whoever asks again is told so.
    browser.click("input[value=\"openai\"]");
    browser.fill("#secret", world.first.text());
    browser.click("form.card button.primary");
    browser.see(".banner.ok", "its provider takes it");
    browser.click("form[action$=\"/verify\"] button");
    browser.see("#verified", "The provider takes the key.");
    browser.stop();
    world.stop();
}

#[test]
fn a_rotation_is_followed_in_chromium() {
    rotate(Script::On);
}

#[test]
fn a_rotation_is_followed_in_chromium_without_javascript() {
    rotate(Script::Off);
}

#[test]
fn a_key_that_is_refused_is_shown_so_and_comes_back() {
    let world = World::relayed();
    let browser = Chromium::start(Script::On, Hands::Mouse);
    sign_in(&world, &browser);
    enter(&browser, world.first.text());
    browser.see("#status", "active");
    // Revoked at the provider: the first request that fails is told of, and nobody does anything.
    world.provider.accept_keys([world.second.text()]);
    assert_eq!(world.chat().status, 424);
    browser.see("#status", "invalid");
    browser.see("#status", "since");
    browser.see("#status", "401");
    // It is good again, and whoever asks finds out.
    world.provider.accept_keys([world.first.text()]);
    browser.click("form[action$=\"/verify\"] button");
    browser.see("#verified", "The provider takes the key.");
    browser.see("#status", "active");
    assert_eq!(world.chat().status, 200);
    browser.stop();
    world.stop();
}

fn enter(browser: &Chromium, key: &str) {
    browser.click(".side a[href=\"/keys\"]");
    browser.click("a.primary[href=\"/keys/new\"]");
    browser.click("input[value=\"openai\"]");
    browser.fill("#secret", key);
    browser.click("form.card button.primary");
}

fn rotate(script: Script) {
    let world = World::relayed();
    let browser = Chromium::start(script, Hands::Mouse);
    sign_in(&world, &browser);
    enter(&browser, world.first.text());
    browser.see(".banner.ok", "its provider takes it");

    // Refused: nothing changes.
    browser.click("a[href$=\"/rotate\"]");
    browser.fill("#secret", world.second.text());
    browser.click("form.card button.primary");
    browser.see("#phase", "nothing changed");
    browser.see("#phase", "does not know the new value (401)");

    // Taken: the old one is kept, and the page counts.
    world
        .provider
        .accept_keys([world.first.text(), world.second.text()]);
    browser.click("a[href$=\"/rotate\"]");
    browser.fill("#secret", world.second.text());
    browser.click("form.card button.primary");
    browser.see("#phase", "The new value is in use");
    browser.see("#timer", "9:");
    let first = browser.text("#timer");
    until("the timer counts", || browser.text("#timer") != first);

    browser.click("form[action$=\"/roll-back\"] button");
    browser.see(".banner.ok", "The old value is in use again");
    browser.see("#phase", "Rolled back");
    browser.stop();
    world.stop();
}
