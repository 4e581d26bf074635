//! Every page, found by its links: accessible, whole at every width, and untouched by the names that stand on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use http::Method;
use keyward_control::Control;
use keyward_testing::register_named_canary;
use serde_json::Value;

use super::{
    World,
    chromium::{Chromium, Hands, Scheme, Script},
    seed::{self, Names},
    sign_in,
};

/// A phone held upright; a window.
pub(super) const NARROW: u32 = 360;
pub(super) const WIDE: u32 = 1280;

#[test]
fn every_page_is_accessible_and_fits() {
    let world = World::start();
    // Long and strange names are the hardest to fit.
    seed::fill(&world, Names::Hostile);
    seed::a_day_of_requests(&world);
    let browser = Chromium::start(Script::On, Hands::Mouse);
    sign_in(&world, &browser);
    for (pattern, path) in every_page(&world, &browser) {
        browser.goto(&world.url(&path));
        let untouched = browser.run(
            "return typeof pwned === 'undefined' && !document.querySelector('img, main script, main a[href^=\"javascript:\"]')",
        );
        assert_eq!(untouched, true, "{pattern}");
        look_at(&browser, pattern);
    }
    browser.stop();
    world.stop();
}

#[test]
fn ways_in_errors_and_what_forms_answer_are_accessible_and_fit_too() {
    let world = World::start();
    seed::fill(&world, Names::Plain);
    let browser = Chromium::start(Script::On, Hands::Mouse);
    browser.goto(&world.url("/sign-in"));
    look_at(&browser, "the way in");
    browser.goto(world.dev.text("dashboard_url"));
    look_at(&browser, "a link to sign in");
    sign_in(&world, &browser);
    browser.goto(&world.url("/tokens/nobody"));
    look_at(&browser, "a page that is not there");
    browser.goto(&world.url("/tokens/new"));
    // The browser takes a blank for a name; the server does not.
    browser.fill("#name", " ");
    browser.click("form.card button.primary");
    browser.see("#name-error", "");
    look_at(&browser, "a form that is refused");
    browser.fill("#name", "first");
    browser.click("form.card button.primary");
    register_named_canary("dashboard token", &browser.text("#value"));
    look_at(&browser, "a token that was made");
    try_openai(&world, &browser);
    look_at(&browser, "a message that was sent");
    // Not even the head of the request has the key, and the provider had it.
    let shown = browser.text("main");
    assert!(!shown.contains(world.first.random_part()), "{shown}");
    assert_eq!(world.provider.take_recorded().len(), 1);
    browser.goto(&world.url("/keys?gateway=default"));
    browser.click("a[href^=\"/keys/default/\"]");
    browser.click("a[href$=\"/rotate\"]");
    browser.fill("#secret", world.second.text());
    browser.click("form.card button.primary");
    browser.see("#timer", "9:");
    look_at(&browser, "a rotation under way");
    browser.stop();
    world.stop();
}

/// Sends a message on the page for that, and sees what came back.
pub(super) fn try_openai(world: &World, browser: &Chromium) {
    browser.goto(&world.url("/playground"));
    browser.click("#gateway option:first-child");
    browser.click("#provider option[value=openai]");
    browser.click("form.card button.primary");
    browser.see("#back ~ p", "after");
    browser.see("main", "200 from the provider");
}

pub(super) fn look_at(browser: &Chromium, page: &str) {
    for width in [WIDE, NARROW] {
        for scheme in [Scheme::Light, Scheme::Dark] {
            let name = format!("{page}, {width} wide, {scheme:?}");
            browser.look(width, scheme);
            browser.is_accessible(&name);
            browser.fits(&name);
        }
    }
    browser.look(WIDE, Scheme::Light);
}

/// One path for each page, found by following links from the overview.
pub(super) fn every_page(world: &World, browser: &Chromium) -> BTreeMap<&'static str, String> {
    let all = Control::pages().filter(|(method, _)| *method == Method::GET);
    let all: BTreeSet<_> = all.map(|(_, pattern)| pattern).collect();
    let mut found = BTreeMap::new();
    let mut downloads = BTreeSet::new();
    let mut next = VecDeque::from(["/".to_owned()]);
    while let Some(path) = next.pop_front() {
        let Some(pattern) = pattern(&all, &path) else {
            panic!("a link leads to {path}, which is no page");
        };
        if found.contains_key(pattern) {
            continue;
        }
        browser.goto(&world.url(&path));
        found.insert(pattern, path);
        next.extend(links(browser, "a[href^=\"/\"]:not([download])"));
        // What is to be saved is no page to look at.
        let files = links(browser, "a[href^=\"/\"][download]");
        downloads.extend(files.iter().filter_map(|path| self::pattern(&all, path)));
    }
    // Where nobody is signed in, the two ways in are looked at.
    let rest: Vec<_> = all
        .iter()
        .filter(|page| !found.contains_key(*page) && !downloads.contains(*page))
        .collect();
    assert_eq!(
        rest,
        [&"/sign-in", &"/sign-in/{code}"],
        "no link leads there"
    );
    found
}

/// Where the links of a page lead to.
fn links(browser: &Chromium, css: &str) -> Vec<String> {
    let links = browser.run(&format!(
        "return [...document.querySelectorAll('{css}')].map((link) => link.pathname + link.search)"
    ));
    let links = links.as_array().unwrap().iter();
    links.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The page of a path: the one that names most of it.
fn pattern(all: &BTreeSet<&'static str>, path: &str) -> Option<&'static str> {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let fits = |pattern: &&&str| {
        let (mut wanted, mut parts) = (pattern.split('/'), path.split('/'));
        let same = wanted
            .by_ref()
            .zip(parts.by_ref())
            .all(|(wanted, part)| wanted == part || wanted.starts_with('{'));
        same && pattern.split('/').count() == path.split('/').count()
    };
    let open = |pattern: &&&str| pattern.matches('{').count();
    all.iter().filter(fits).min_by_key(open).copied()
}
