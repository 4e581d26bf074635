//! `[rotation.NAME]`: keys that get a new value by themselves, and `[webhooks.NAME]`, which tells of it.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use keyward_testing::{Canary, register_named_canary};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Dev, run, send, until};

/// What `[rotation.echo]` says: the shell text `script` writes the value of dev's own key.
fn rotation(directory: &Path, every: &str, script: &str) -> String {
    let path = directory.join("command.sh");
    fs::write(&path, script).unwrap();
    format!(
        "[rotation.echo]\ncommand = [\"/bin/sh\", \"{}\"]\nkeys = [{{ gateway = \"default\", provider = \"echo\" }}]\n\
         every = \"{every}\"\noverlap = \"0s\"\nverify = false\n",
        path.display()
    )
}

fn version(dev: &Dev) -> u64 {
    let keys = dev.run(&["keys", "list", "--json"]).ok().json();
    let mut keys = keys.as_array().unwrap().iter();
    let echo = keys.find(|key| key["provider_slug"] == "echo").unwrap();
    echo["version"].as_u64().unwrap()
}

fn runs(directory: &Path) -> usize {
    let runs = fs::read_to_string(directory.join("runs")).unwrap_or_default();
    runs.lines().count()
}

#[test]
fn a_key_gets_a_new_value_when_it_is_due() {
    let directory = TempDir::new().unwrap();
    let value = Canary::new("rotated");
    fs::write(directory.path().join("value"), value.text()).unwrap();
    let here = directory.path().display();
    let script = format!(
        "cat /proc/self/environ > {here}/environ\necho run >> {here}/runs\ncat {here}/value\necho\n"
    );
    let config = rotation(directory.path(), "2s", &script);
    let dev = Dev::start_with(directory, &config);
    until("the key has another value", || version(&dev) >= 2);
    // The shell sets some of its own; none came from us.
    let environ = fs::read_to_string(dev.path().join("environ")).unwrap();
    assert!(!environ.contains("KEYWARD"), "{environ}");
    let audit = dev.run(&["audit", "tail", "--json"]).ok();
    let began = audit
        .out
        .lines()
        .find(|line| line.contains("provider_key.rotate.begin"));
    assert!(began.unwrap().contains("system"), "{}", audit.out);
    // The gateway uses it: echo tells the last characters of the credential that came.
    let metrics = metrics(&dev);
    let not_counted = r#"keyward_scheduled_rotations_total{outcome="begun"} 0"#;
    assert!(!metrics.contains(not_counted), "{metrics}");
    dev.stop();
}

fn metrics(dev: &Dev) -> String {
    let url = format!("{}/metrics", dev.text("control_url"));
    send("GET", &url, &[], "").body
}

/// The process ends while the command runs: after the next start the value is fetched, once.
#[test]
fn a_rotation_that_was_cut_off_is_done_once_after_the_next_start() {
    let directory = TempDir::new().unwrap();
    let value = Canary::new("rotated-after-a-kill");
    fs::write(directory.path().join("value"), value.text()).unwrap();
    let here = directory.path().display();
    let script = format!(
        "echo run >> {here}/runs\nif [ ! -e {here}/go ]; then echo $$ > {here}/pid; exec sleep 600; fi\ncat {here}/value\n"
    );
    let config = rotation(directory.path(), "6s", &script);
    let mut dev = Dev::start_with(directory, &config);
    until("the command runs", || {
        dev.path().join("pid").exists() && runs(dev.path()) == 1
    });
    dev.server.signal(Signal::KILL);
    dev.server.wait();
    let pid = fs::read_to_string(dev.path().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    fs::write(dev.path().join("go"), "").unwrap();
    let Dev { directory, .. } = dev;

    let dev = Dev::start_with(directory, &config);
    until("the key has another value", || version(&dev) == 2);
    let before = runs(dev.path());
    assert_eq!(before, 2, "once before the kill, and once after it");
    // A start that comes before the next date changes nothing.
    let directory = dev.stop();
    let config = config.replace("\"6s\"", "\"30d\"");
    let dev = Dev::start_with(directory, &config);
    assert_eq!((version(&dev), runs(dev.path())), (2, 2));
    dev.stop();
}

/// One request as it came, head and body; answered with 204.
fn take(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut room = [0; 4096];
    loop {
        let count = stream.read(&mut room).ok().filter(|count| *count > 0)?;
        text.push_str(std::str::from_utf8(&room[..count]).ok()?);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        })?;
        if body.len() >= length {
            break;
        }
    }
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).ok()?;
    Some(text)
}

#[test]
fn a_command_that_fails_is_told_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let request = stream.ok().and_then(|mut stream| take(&mut stream));
            if request.is_none_or(|request| told.send(request).is_err()) {
                break;
            }
        }
    });
    let secret = "whsec_a2V5d2FyZCB0ZXN0cyBzaWduIHdpdGggdGhpcyE=";
    register_named_canary("secret of a webhook", secret);
    fs::write(directory.path().join("hook-secret"), format!("{secret}\n")).unwrap();
    let leaked = Canary::new("written-by-a-command-that-failed");
    fs::write(directory.path().join("value"), leaked.text()).unwrap();
    let here = directory.path().display();
    let script = format!("cat {here}/value\necho complaint >&2\nexit 7\n");
    let mut config = rotation(directory.path(), "1s", &script);
    write!(
        config,
        "[webhooks.ops]\nurl = \"http://127.0.0.1:{port}/hook\"\nsecret_file = \"hook-secret\"\nevents = [\"provider_key.rotation.*\"]\n"
    )
    .unwrap();
    let dev = Dev::start_with(directory, &config);
    let request = requests.recv_timeout(Duration::from_secs(30)).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    for name in [
        "webhook-id: evt_",
        "webhook-timestamp: ",
        "webhook-signature: v1,",
    ] {
        assert!(head.to_lowercase().contains(name), "{head}");
    }
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["type"], "provider_key.rotation.schedule_failed");
    assert_eq!(body["data"]["provider"], "echo");
    assert_eq!(
        body["data"]["reason"],
        "the command gave no value: it ended with exit status: 7"
    );
    until("the delivery is counted", || {
        metrics(&dev).contains(r#"keyward_webhooks_sent_total{webhook="ops"} 1"#)
    });
    let metrics = metrics(&dev);
    for line in [
        r#"keyward_key_events_total{what="provider_key.rotation.schedule_failed"} "#,
        r#"keyward_scheduled_rotations_total{outcome="failed"} "#,
    ] {
        assert!(metrics.contains(line), "{metrics}");
        assert!(!metrics.contains(&format!("{line}0\n")), "{metrics}");
    }
    assert_eq!(version(&dev), 1);
    assert!(!dev.server.logged().contains("complaint"));
    dev.stop();
}

#[test]
fn what_cannot_be_meant_stops_the_start() {
    let directory = TempDir::new().unwrap();
    let short = directory.path().join("short");
    fs::write(&short, "whsec_c2hvcnQ=").unwrap();
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600)).unwrap();
    let rotation = |line: &str| {
        let keys = "keys = [{ gateway = \"default\", provider = \"echo\" }]";
        format!("[rotation.x]\ncommand = [\"/bin/true\"]\n{keys}\n{line}\n")
    };
    let webhook = |lines: &str| format!("[webhooks.ops]\n{lines}\n");
    for (config, says) in [
        (rotation("every = \"10m\""), "before the old value is gone"),
        (
            rotation("every = \"30d\"\noverlap = \"8d\""),
            "kept for too long",
        ),
        (rotation("every = \"monthly\""), "digits and a unit"),
        (
            rotation("every = \"30d\"").replace("/bin/true", "true"),
            "absolute path",
        ),
        (
            webhook("url = \"http://hooks.example.com\"\nsecret_file = \"short\""),
            "https, or http to this machine",
        ),
        (
            webhook("url = \"https://hooks.example.com\"\nsecret_file = \"none\""),
            "cannot open",
        ),
        (
            webhook("url = \"https://hooks.example.com\"\nsecret_file = \"short\""),
            "24 to 64 random bytes",
        ),
        (
            webhook(
                "url = \"https://hooks.example.com\"\nsecret_file = \"short\"\nevents = [\"key.gone\"]",
            ),
            "docs/webhooks.md",
        ),
        (
            webhook("url = \"https://hooks.example.com\""),
            "missing field `secret_file`",
        ),
        (
            webhook("uri = \"https://hooks.example.com\""),
            "did you mean `url`?",
        ),
    ] {
        fs::write(directory.path().join("keyward.toml"), &config).unwrap();
        let start = ["dev", "--config", "keyward.toml", "--listen", "127.0.0.1:0"];
        let start = [&start[..], &["--control-listen", "127.0.0.1:0"]].concat();
        run(directory.path(), &start).failed(1, &[says]);
    }
}
