//! What goes wrong is told in one sentence, with a cause and a way out, and changes nothing.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    net::TcpListener,
    path::Path,
};

use keyward_testing::Canary;
use tempfile::TempDir;

use crate::support::{DEV, Dev, keyward, run, run_with};

fn files(directory: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// A data directory whose database was spoilt by `spoil`; `dev` must refuse it and leave it as it is.
#[track_caller]
fn check_spoilt(spoil: impl FnOnce(&Path), code: i32, says: &[&str]) {
    let directory = Dev::start().stop();
    let data = directory.path().join(".keyward");
    spoil(&data);
    let before = files(&data);
    run(directory.path(), DEV).failed(code, says);
    assert!(files(&data) == before, "files were changed");
}

#[test]
fn a_damaged_database_is_refused() {
    check_spoilt(
        |data| fs::write(data.join("keyward.db"), vec![b'x'; 8192]).unwrap(),
        1,
        &[
            "damaged, or no database of Keyward's",
            "help: nothing was changed",
        ],
    );
}

#[test]
fn a_newer_database_is_refused() {
    let newer = |data: &Path| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .open(data.join("keyward.db"))
            .unwrap();
        // The header's user version (sqlite.org/fileformat2.html).
        file.seek(SeekFrom::Start(60)).unwrap();
        file.write_all(&99_u32.to_be_bytes()).unwrap();
    };
    check_spoilt(newer, 1, &["it has schema 99", "newer"]);
}

#[test]
fn a_lost_or_spoilt_key_file_leaves_the_vault_sealed() {
    check_spoilt(
        |data| fs::remove_file(data.join("key")).unwrap(),
        3,
        &["stays sealed", "restore it"],
    );
    check_spoilt(
        |data| fs::write(data.join("key"), "KEYWARD-KEY-FILE-1 AAAA\n").unwrap(),
        3,
        &["stays sealed", "cut short"],
    );
}

#[test]
fn a_spoilt_dev_file_is_told_without_its_content() {
    let dev = Dev::start();
    let token = dev.text("api_token").to_owned();
    let directory = dev.stop();
    let file = directory.path().join(".keyward/dev.json");
    fs::write(&file, format!("{{\"api_token\": {token}}}")).unwrap();
    let done = run(directory.path(), DEV);
    done.failed(1, &["dev.json cannot be understood", "dev.json:1:"]);
    assert!(!done.err.contains(&token));
}

#[test]
fn a_data_directory_serves_one_process() {
    let dev = Dev::start();
    dev.run(DEV)
        .failed(1, &["another process uses it", "--data-dir"]);
    assert_eq!(dev.chat_with(dev.text("gateway_token")).status, 200);
    dev.stop();
}

#[test]
fn a_busy_port_is_told_and_nothing_is_made() {
    let directory = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for option in ["--listen", "--control-listen"] {
        let mut args: Vec<&str> = DEV.to_vec();
        let place = args.iter().position(|arg| arg == &option).unwrap();
        args[place + 1] = &address;
        let done = run(directory.path(), &args);
        done.failed(
            1,
            &[&format!("cannot listen on {address}"), "in use", option],
        );
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_control_plane_that_does_not_answer_ends_with_3() {
    let directory = TempDir::new().unwrap();
    run(directory.path(), &["keys", "list"])
        .failed(3, &["no control plane is known", "keyward dev"]);
    let stopped = Dev::start().stop();
    run(stopped.path(), &["keys", "list"]).failed(3, &["cannot reach", "help: start it with"]);
}

#[test]
fn the_token_of_dev_goes_to_this_machine_only() {
    let directory = Dev::start().stop();
    let with = |url: &str| {
        let args = ["keys", "list", "--control-url", url];
        run(directory.path(), &args)
    };
    with("ftp://127.0.0.1:8788").failed(2, &["neither https:// nor http://"]);
    with("127.0.0.1:8788").failed(2, &["http://"]);
    with("http://192.0.2.1:8788").failed(2, &["without TLS", "--danger-plain-http"]);
    let args = [
        "keys",
        "list",
        "--control-url",
        "http://192.0.2.1:8788",
        "--danger-plain-http",
    ];
    run(directory.path(), &args).failed(4, &["dev.json", "KEYWARD_API_TOKEN_FILE"]);
    // Another program on this machine is another place too.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    with(&format!("http://{}", other.local_addr().unwrap()))
        .failed(4, &["in dev.json is for http://127.0.0.1:"]);
    let asked = other.accept().unwrap_err().kind();
    assert_eq!(asked, std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_key_that_is_pasted_as_an_argument_is_not_repeated() {
    let directory = TempDir::new().unwrap();
    let key = Canary::new("pasted argument");
    let known = format!("sk-proj-0{}", key.text());
    // As keys are that begin like no other.
    let unknown = format!("0{}", key.random_part());
    for pasted in [known, unknown] {
        let pasted = pasted.as_str();
        for line in [
            &["import", pasted][..],
            &["snippet", pasted],
            &[pasted],
            &["status", pasted],
            &["status", "--json", pasted],
            &["help", pasted, "x"],
            &["tokens", "revoke", pasted],
            &["keys", "list", "--gateway", pasted, "--nothing"],
            &["keys", "add", "openai", "--from-file", pasted],
            &["vault", "slots", "remove", pasted],
            &["completions", pasted],
            &["config", "check", "x", pasted],
        ] {
            // What is told is swept for the canary too.
            let done = run(directory.path(), line);
            assert_eq!(done.code, Some(2), "{done:?}");
            assert!(!done.err.contains(key.random_part()), "{line:?}");
        }
    }
}

#[test]
fn another_server_is_not_mistaken_for_a_control_plane() {
    let dev = Dev::start();
    fs::write(dev.path().join("token"), dev.text("api_token")).unwrap();
    let mut command = keyward(
        dev.path(),
        &["keys", "list", "--control-url", dev.text("gateway_url")],
    );
    command.env("KEYWARD_API_TOKEN_FILE", "token");
    let done = run_with(command, "");
    assert_eq!(done.code, Some(1), "{done:?}");
    dev.stop();
}

#[test]
fn a_configuration_that_cannot_be_used_stops_the_start() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("keyward.toml");
    for (text, says) in [
        (
            "[gatway]\n",
            ["`gatway` is not a known key", "did you mean `gateway`?"],
        ),
        (
            "[gateway]\nworkers = 0\n",
            ["keyward.toml:2:11", "cannot use"],
        ),
        (
            "[gateway]\nlisten = \"localhost:8787\"\n",
            ["keyward.toml:2:10", "an IP address and a port"],
        ),
        (
            "[tls]\nextra_ca_files = [\"missing.pem\"]\n",
            ["cannot read", "missing.pem"],
        ),
        (
            "[providers.opnai]\nbase_url = \"x\"\n",
            ["keyward.toml:1:12", "did you mean `openai`?"],
        ),
        (
            "[providers.openai]\nbase_url = \"http://a.example\"\n",
            ["`base_url`", "danger_plain_http"],
        ),
        ("[log]\nfilter = \"a=b=c\"\n", ["no filter", "KEYWARD_LOG"]),
    ] {
        fs::write(&file, text).unwrap();
        let args = [DEV, &["--config", "keyward.toml"]].concat();
        run(directory.path(), &args).failed(1, &says);
    }
    let args = [DEV, &["--config", "absent.toml"]].concat();
    run(directory.path(), &args).failed(1, &["cannot read the configuration file absent.toml"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
