//! Chromium without a window, by way of chromedriver: both of this machine, in a directory of their own.
//!
//! Operated with the mouse or with the keyboard alone, as [`Hands`] says.

mod driver;
mod keyboard;
mod look;

use std::{
    cell::Cell,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::driver::{Driver, ask};
pub(super) use self::look::Scheme;
use crate::support::until;

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    On,
    Off,
}

/// With what pages are operated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hands {
    Mouse,
    Keyboard,
}

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(60);
/// By this name an element stands in an answer (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(super) struct Chromium {
    /// The driver's.
    port: u16,
    /// Of the browser that was started.
    path: String,
    hands: Hands,
    /// What the person did so far: addresses entered, clicks, fields filled in.
    steps: Cell<u32>,
    /// Where files go that are downloaded.
    downloads: PathBuf,
    // Before its directory, so that it ends before that goes.
    driver: Driver,
    _profile: TempDir,
}

impl Chromium {
    pub(super) fn start(script: Script, hands: Hands) -> Self {
        let profile = TempDir::new().unwrap();
        let (driver, port) = driver::start(&profile);
        let mut args = vec![
            "--headless=new".to_owned(),
            "--window-size=1280,1000".to_owned(),
            "--no-first-run".to_owned(),
            "--no-default-browser-check".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            // Nothing but this machine is asked for.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1".to_owned(),
            format!(
                "--user-data-dir={}",
                profile.path().join("chromium").display()
            ),
        ];
        if rustix::process::geteuid().is_root() {
            // The sandbox does not start as root.
            args.push("--no-sandbox".to_owned());
        }
        let downloads = profile.path().join("downloads");
        fs::create_dir(&downloads).unwrap();
        let mut options =
            json!({"args": args, "prefs": {"download.default_directory": &downloads}});
        if script == Script::Off {
            const BLOCK: u8 = 2;
            options["prefs"]["profile.managed_default_content_settings.javascript"] = json!(BLOCK);
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let begun = ask("POST", port, "/session", &wanted);
        let begun = begun.unwrap_or_else(|error| panic!("{error}"));
        let id = begun["sessionId"].as_str().unwrap();
        Self {
            port,
            path: format!("/session/{id}"),
            hands,
            steps: Cell::default(),
            downloads,
            driver,
            _profile: profile,
        }
    }

    pub(super) fn stop(self) {
        self.ask("DELETE", "", &json!({})).unwrap();
        drop(self.driver);
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("{}{path}", self.path);
        ask(method, self.port, &path, body)
    }

    pub(super) fn goto(&self, url: &str) {
        self.step();
        self.ask("POST", "/url", &json!({ "url": url })).unwrap();
    }

    pub(super) fn back(&self) {
        self.ask("POST", "/back", &json!({})).unwrap();
    }

    pub(super) fn refresh(&self) {
        self.ask("POST", "/refresh", &json!({})).unwrap();
    }

    pub(super) fn steps(&self) -> u32 {
        self.steps.get()
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    #[track_caller]
    pub(super) fn click(&self, css: &str) {
        self.step();
        self.until(css, |element| match self.hands {
            Hands::Mouse => self.ask("POST", &format!("/element/{element}/click"), &json!({})),
            Hands::Keyboard => self.press(element),
        });
    }

    /// Clicks what leads to a file, and waits for it: its name, and what it holds. The file is gone then.
    #[track_caller]
    pub(super) fn download(&self, css: &str) -> (String, String) {
        self.click(css);
        let mut found = None;
        until("a file is downloaded", || {
            let files = fs::read_dir(&self.downloads).unwrap();
            // Until it is whole it has another name, and an empty file holds its own for it.
            let mut whole = files.map(Result::unwrap).filter(|file| {
                let name = file.file_name().into_string().unwrap();
                let is_other = name.starts_with('.') || name.ends_with(".crdownload");
                !is_other && file.metadata().unwrap().len() > 0
            });
            found = whole.next().map(|file| file.path());
            found.is_some()
        });
        let path = found.unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(path).unwrap();
        (name, text)
    }

    #[track_caller]
    pub(super) fn fill(&self, css: &str, text: &str) {
        self.step();
        self.until(css, |element| {
            if self.hands == Hands::Keyboard {
                return self.type_into(element, text);
            }
            self.ask("POST", &format!("/element/{element}/clear"), &json!({}))?;
            let body = json!({ "text": text });
            self.ask("POST", &format!("/element/{element}/value"), &body)
        });
    }

    /// Waits until the element shows the text. It is looked for anew each time: pages change under it.
    #[track_caller]
    pub(super) fn see(&self, css: &str, text: &str) {
        self.until(css, |element| {
            let shown = self.ask("GET", &format!("/element/{element}/text"), &json!({}))?;
            match shown.as_str() {
                Some(shown) if shown.contains(text) => Ok(shown.into()),
                _ => Err(format!("{shown} is not {text}")),
            }
        });
    }

    /// What the element shows.
    #[track_caller]
    pub(super) fn text(&self, css: &str) -> String {
        let mut text = String::new();
        self.until(css, |element| {
            let shown = self.ask("GET", &format!("/element/{element}/text"), &json!({}))?;
            text = shown.as_str().unwrap_or_default().to_owned();
            Ok(shown)
        });
        text
    }

    /// What a script returns.
    #[track_caller]
    pub(super) fn run(&self, script: &str) -> Value {
        self.run_with(script, &[]).unwrap()
    }

    fn run_with(&self, script: &str, args: &[Value]) -> Result<Value, String> {
        let body = json!({"script": script, "args": args});
        self.ask("POST", "/execute/sync", &body)
    }

    #[track_caller]
    fn until(&self, css: &str, mut act: impl FnMut(&str) -> Result<Value, String>) {
        let start = Instant::now();
        let find = json!({"using": "css selector", "value": css});
        loop {
            let found = self.ask("POST", "/element", &find);
            let done = found.and_then(|found| act(found[ELEMENT].as_str().unwrap_or_default()));
            let Err(error) = done else {
                return;
            };
            if start.elapsed() > PATIENCE {
                let source = self.ask("GET", "/source", &json!({})).unwrap_or_default();
                panic!("{css}: {error}\n{}", source.as_str().unwrap_or_default());
            }
            thread::park_timeout(Duration::from_millis(50));
        }
    }
}
