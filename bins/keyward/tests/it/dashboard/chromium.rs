//! Chromium without a window, by way of chromedriver: both of this machine, in a directory of their own.
//!
//! The protocol is WebDriver (<https://www.w3.org/TR/webdriver2/>): JSON over HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::foreign;

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    On,
    Off,
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
    // Before its directory, so that it ends before that goes.
    driver: Driver,
    _profile: TempDir,
}

/// Killed when it is dropped, and Chromium with it: it leads a group of processes, and Chromium stays in that.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _may_be_gone = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        drop(self.0.wait());
    }
}

impl Chromium {
    pub(super) fn start(script: Script) -> Self {
        let profile = TempDir::new().unwrap();
        let (driver, port) = start_driver(&profile);
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
        let mut options = json!({ "args": args });
        if script == Script::Off {
            const BLOCK: u8 = 2;
            options["prefs"] =
                json!({"profile.managed_default_content_settings.javascript": BLOCK});
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let begun = ask("POST", port, "/session", &wanted);
        let begun = begun.unwrap_or_else(|error| panic!("{error}"));
        let id = begun["sessionId"].as_str().unwrap();
        Self {
            port,
            path: format!("/session/{id}"),
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
        self.ask("POST", "/url", &json!({ "url": url })).unwrap();
    }

    pub(super) fn refresh(&self) {
        self.ask("POST", "/refresh", &json!({})).unwrap();
    }

    #[track_caller]
    pub(super) fn click(&self, css: &str) {
        self.until(css, |element| {
            self.ask("POST", &format!("/element/{element}/click"), &json!({}))
        });
    }

    #[track_caller]
    pub(super) fn fill(&self, css: &str, text: &str) {
        self.until(css, |element| {
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

    /// What a script returns.
    pub(super) fn run(&self, script: &str) -> Value {
        let body = json!({"script": script, "args": []});
        self.ask("POST", "/execute/sync", &body).unwrap()
    }

    #[track_caller]
    fn until(&self, css: &str, act: impl Fn(&str) -> Result<Value, String>) {
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

/// One request. Not by the HTTP that other tests have: chromedriver says that it closes a connection, and does not.
fn ask(method: &str, port: u16, path: &str, body: &Value) -> Result<Value, String> {
    let body = match method {
        "POST" => body.to_string(),
        _ => String::new(),
    };
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let (mut status, mut length) = (String::new(), 0);
    reader.read_line(&mut status).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer).unwrap();
    let mut answer: Value = serde_json::from_slice(&answer).unwrap();
    let value = answer["value"].take();
    if status.contains(" 200 ") {
        Ok(value)
    } else {
        Err(format!("{}: {}", value["error"], value["message"]))
    }
}

fn start_driver(profile: &TempDir) -> (Driver, u16) {
    let mut command = foreign("chromedriver", profile.path());
    command.arg("--port=0").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("chromedriver: {error}: `sudo apt-get install chromium chromium-driver` installs it")
    });
    let out = BufReader::new(child.stdout.take().unwrap());
    let driver = Driver(child);
    // "ChromeDriver was started successfully on port 40123."
    let mut lines = out.lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    let port = port.expect("chromedriver tells its port");
    // What else it says must find a reader.
    thread::spawn(move || lines.for_each(drop));
    (driver, port)
}
