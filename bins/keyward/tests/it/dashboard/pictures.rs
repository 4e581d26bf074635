//! A picture of every page: in light, in dark, on a phone; empty, and with many keys.
//!
//! `KEYWARD_PICTURES` says where they go, and then there are 10,000 keys where there are many: `cargo xtask show pictures`
//! draws those of the documentation. Otherwise they go where the test's other files go, and there are 120 keys.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::{
    World,
    chromium::{Chromium, Hands, Scheme, Script},
    pages::{NARROW, WIDE, every_page, try_openai},
    seed::{self, Names},
    sign_in,
};

/// What a picture shows of a long page, in pixels.
const HEIGHT: u64 = 1_600;

struct Gallery {
    directory: PathBuf,
    _kept: TempDir,
    many: usize,
}

impl Gallery {
    fn open() -> Self {
        let own = TempDir::new().unwrap();
        let wanted = std::env::var_os("KEYWARD_PICTURES");
        let many = if wanted.is_some() { 10_000 } else { 120 };
        let directory = wanted.map_or_else(|| own.path().to_owned(), PathBuf::from);
        fs::create_dir_all(&directory).unwrap();
        Self {
            directory,
            _kept: own,
            many,
        }
    }

    /// Draws the page that the browser shows: wide in light and dark, and narrow.
    fn draw(&self, browser: &Chromium, name: &str) {
        for (kind, width, scheme) in [
            ("light", WIDE, Scheme::Light),
            ("dark", WIDE, Scheme::Dark),
            ("phone", NARROW, Scheme::Light),
        ] {
            browser.look(width, scheme);
            browser.fits(&format!("{name}, {kind}"));
            let picture = browser.picture(HEIGHT);
            // A page that is drawn is no blank sheet.
            assert!(
                picture.len() > 2_000,
                "{name}, {kind}: {} bytes",
                picture.len()
            );
            fs::write(self.directory.join(format!("{name}-{kind}.webp")), picture).unwrap();
        }
    }
}

#[test]
fn every_page_is_drawn() {
    let gallery = Gallery::open();
    let world = World::start();
    seed::fill(&world, Names::Plain);
    let browser = Chromium::start(Script::On, Hands::Mouse);
    browser.goto(&world.url("/sign-in"));
    gallery.draw(&browser, "sign-in");
    sign_in(&world, &browser);
    seed::a_day_of_requests(&world);
    world.is_answered();
    for (pattern, path) in every_page(&world, &browser) {
        browser.goto(&world.url(&path));
        gallery.draw(&browser, &name(pattern));
    }
    // A day of them is made up there.
    for page in ["", "/plots"] {
        let path = format!("/gateways/production/logs{page}");
        browser.goto(&world.url(&path));
        browser.see("h1", "equest");
        gallery.draw(&browser, &name(&path.replace("production", "{gateway}")));
    }
    try_openai(&world, &browser);
    gallery.draw(&browser, "playground-sent");
    browser.stop();
    world.stop();
}

#[test]
fn pages_of_an_empty_store_and_of_a_full_one_are_drawn() {
    let gallery = Gallery::open();
    let world = World::start();
    let browser = Chromium::start(Script::On, Hands::Mouse);
    sign_in(&world, &browser);
    let lists = ["/", "/keys", "/gateways", "/tokens", "/audit"];
    for path in lists {
        browser.goto(&world.url(path));
        gallery.draw(&browser, &format!("{}-empty", name(path)));
    }
    seed::fill_with_keys(&world, gallery.many);
    for path in ["/", "/keys"] {
        browser.goto(&world.url(path));
        gallery.draw(&browser, &format!("{}-full", name(path)));
    }
    browser.stop();
    world.stop();
}

/// `/keys/{gateway}/{id}/rotate` as `keys-gateway-id-rotate`.
fn name(pattern: &str) -> String {
    match pattern.trim_start_matches('/') {
        "" => "overview".to_owned(),
        pattern => pattern.replace('/', "-").replace(['{', '}'], ""),
    }
}
