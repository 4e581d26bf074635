//! Transcripts: commands as they are typed, and what they print. Each file of `tests/cmd` is run command by
//! command, in a directory of its own with a running `keyward dev`.
//!
//! # To add a command
//!
//! 1. Write `tests/cmd/NAME.md`: text for people, and fences of the kind `console` with `$ keyward …` lines. A
//!    command that ends with another code than 0 has `? CODE` on the next line. Both examples of the command's
//!    `--help` must stand there, word by word (`help.rs` looks for them).
//! 2. Files that the commands need lie in `tests/cmd/NAME.in/`; they are copied (mode 0600) beside the `.keyward` of
//!    the server. HOME is the directory `home` beside them. A file `stdin` in there is the standard input of every command (there is never a terminal); without
//!    one it is empty.
//! 3. `TRYCMD=overwrite cargo test -p keyward --test it transcripts` writes what the commands print. Read it
//!    before you commit it. `trycmd=NAME` behind `--` runs one file.
//!
//! The commands see a small world, the same at each run (`tests/cmd/keyward.sh`):
//!
//! - the id [`EXAMPLE_TOKEN`] in an argument means the gateway token `my-app`, which is there from the start;
//! - gateways `production` and `staging` are there beside `default`;
//! - `KEYWARD_CONTROL_URL`, `KEYWARD_GATEWAY_URL` and `KEYWARD_ACCOUNT_ID` are not set, but
//!   `<control>`, `<gateway>` and `<account>` in an argument mean those of the server;
//! - `\` is printed as `/`, which is how trycmd compares;
//! - times, ids, ports and tokens in what is printed stand as `<time>`, `<id>`, `<port>`, `<token>` and so on.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{DEV, Server, keyward, run};

/// What the examples of `--help` call a token.
const EXAMPLE_TOKEN: &str = "4pHFIHbBrKxd";
/// What calls the binary, and makes what it prints the same at each run.
const WRAPPER: &str = include_str!("../cmd/keyward.sh");

/// The folder of the transcripts.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd")
}

#[test]
fn every_command_prints_what_its_transcript_says() {
    let mut files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let failed: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = files
            .iter()
            .map(|file| scope.spawn(|| check(file)))
            .collect();
        let ended = started.into_iter().zip(&files);
        ended
            .filter_map(|(thread, file)| thread.join().err().map(|_told| file.display()))
            .collect()
    });
    assert!(failed.is_empty(), "{failed:?} differ; see above");
}

/// Runs one file beside a server of its own.
fn check(file: &Path) {
    let directory = TempDir::new().unwrap();
    let name = file.file_stem().unwrap().to_str().unwrap();
    let inside = directory.path().join(format!("{name}.in"));
    fs::create_dir(&inside).unwrap();
    let world = World::start(&inside, &directory.path().join("log"));
    let given = file.with_extension("in");
    if given.is_dir() {
        copy(&given, &inside);
    }
    let copied = directory.path().join(file.file_name().unwrap());
    fs::copy(file, &copied).unwrap();
    let wrapper = directory.path().join("keyward.sh");
    fs::write(&wrapper, WRAPPER).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o700)).unwrap();
    let cases = trycmd::TestCases::new();
    cases
        .register_bin("keyward", trycmd::schema::Bin::Path(wrapper))
        .env("TRANSCRIPT_BIN", env!("CARGO_BIN_EXE_keyward"))
        .env("TRANSCRIPT_TOKEN", &world.token)
        .env("TRANSCRIPT_API_TOKEN", world.api_token())
        .env("TRANSCRIPT_ACCOUNT", world.text("account_id"))
        .env("TRANSCRIPT_CONTROL", world.text("control_url"))
        .env("TRANSCRIPT_GATEWAY", world.text("gateway_url"))
        .env("TRANSCRIPT_EXAMPLE", EXAMPLE_TOKEN)
        .case(&copied);
    let ran = catch_unwind(AssertUnwindSafe(|| cases.run()));
    if std::env::var_os("TRYCMD").is_some() {
        fs::copy(&copied, file).unwrap();
    }
    drop(world);
    assert!(ran.is_ok(), "{}", file.display());
}

/// A server with a few things in it.
struct World {
    _server: Server,
    ready: Value,
    /// The id of the gateway token `my-app`.
    token: String,
}

impl World {
    fn start(directory: &Path, log: &Path) -> Self {
        let command = keyward(directory, &[DEV, &["--json"]].concat());
        let server = Server::spawn(command, log.to_owned());
        let ready: Value = serde_json::from_str(&server.line()).unwrap();
        for gateway in ["production", "staging"] {
            run(directory, &["gateways", "create", gateway]).ok();
        }
        let create = ["tokens", "create", "my-app", "--json"];
        let made = run(directory, &create).ok().json();
        Self {
            _server: server,
            ready,
            token: made["id"].as_str().unwrap().to_owned(),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// The id of the API token that the commands use.
    fn api_token(&self) -> &str {
        self.text("api_token").split('_').nth(2).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}
