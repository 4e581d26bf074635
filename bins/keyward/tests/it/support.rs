//! Running the binary, and talking to it.

mod http;
pub(crate) mod logs;
mod terminal;

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use keyward_testing::outputs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::{
    http::{Answer, curl_request, send},
    terminal::OnTerminal,
};

/// Long enough for a machine that does much else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
const CHAT: &str = r#"{"model":"echo","messages":[{"role":"user","content":"hello"}]}"#;

/// The binary in a directory, with nothing of our own environment but the path.
pub(crate) fn keyward(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.current_dir(directory).args(args).env_clear();
    command
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The command failed with this code, and its error says all of this.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.starts_with("error: "), "{self:?}");
        for text in says {
            assert!(self.err.contains(text), "no `{text}` in {}", self.err);
        }
    }

    /// The command failed with this code, and its error, as JSON on standard error, says this.
    #[track_caller]
    pub(crate) fn failed_json(&self, code: i32, says: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let error: Value =
            serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(error["exit_code"], code);
        assert!(
            error["error"].to_string().contains(says),
            "no `{says}` in {error}"
        );
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command to its end, with `input` on its standard input.
pub(crate) fn run_with(command: Command, input: &str) -> Done {
    run_within(DEADLINE, command, input)
}

/// As [`run_with`], for commands that take longer.
pub(crate) fn run_within(deadline: Duration, mut command: Command, input: &str) -> Done {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends without reading closes the pipe.
    let _may_be_closed = child.stdin.take().unwrap().write_all(input.as_bytes());
    let id = Pid::from_child(&child);
    let (sender, done) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let done = match done.recv_timeout(deadline) {
        Ok(done) => done.unwrap(),
        Err(_still_runs) => {
            // A server that should have refused to start serves for ever.
            kill_process(id, Signal::KILL).unwrap();
            panic!("the command did not end within {deadline:?}: {command:?}");
        }
    };
    outputs("command-stdout", &done.stdout);
    outputs("command-stderr", &done.stderr);
    Done {
        code: done.status.code(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// What `cargo xtask test` prepares, by the name of its variable.
#[track_caller]
pub(crate) fn prepared(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run the tests by `cargo xtask test`, which installs the SDKs"
        )
    });
    PathBuf::from(value)
}

/// A program that is none of ours, in a directory, with nothing of our own environment but the path.
pub(crate) fn foreign(program: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env_clear();
    command.env("HOME", directory);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

pub(crate) fn run(directory: &Path, args: &[&str]) -> Done {
    run_with(keyward(directory, args), "")
}

/// A server that runs; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Server {
    /// Starts a server and passes on the lines that it writes to standard output.
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, log }
    }

    #[track_caller]
    pub(crate) fn line(&self) -> String {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(error) => panic!("{error}: {}", self.logged()),
        }
    }

    /// Whether a line can be read without waiting; it is read then.
    pub(crate) fn has_printed(&self) -> bool {
        self.lines.try_recv().is_ok()
    }

    /// Lines up to the one that begins so.
    #[track_caller]
    pub(crate) fn lines_until(&self, start: &str) -> Vec<String> {
        let mut lines = vec![self.line()];
        while !lines.last().unwrap().starts_with(start) {
            lines.push(self.line());
        }
        lines
    }

    pub(crate) fn logged(&self) -> String {
        let mut text = String::new();
        File::open(&self.log)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the server ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Stops it as an operator does, and expects a clean end.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.logged());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What every other user of the machine can see of it. It may have ended already.
        for seen in ["cmdline", "environ"] {
            let path = format!("/proc/{}/{seen}", self.child.id());
            outputs(seen, &fs::read(path).unwrap_or_default());
        }
        drop(self.child.kill());
        drop(self.child.wait());
        outputs("server-stderr", &fs::read(&self.log).unwrap_or_default());
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A directory with a running `keyward dev --json` in it.
pub(crate) struct Dev {
    // First, so that the server ends before its directory goes.
    pub(crate) server: Server,
    pub(crate) directory: TempDir,
    pub(crate) ready: Value,
}

impl Dev {
    pub(crate) fn start() -> Self {
        Self::start_in(TempDir::new().unwrap())
    }

    pub(crate) fn start_in(directory: TempDir) -> Self {
        Self::start_as(directory, &[])
    }

    /// With this configuration file, which may name files that lie in `directory`.
    pub(crate) fn start_with(directory: TempDir, config: &str) -> Self {
        fs::write(directory.path().join("keyward.toml"), config).unwrap();
        Self::start_as(directory, &["--config", "keyward.toml"])
    }

    fn start_as(directory: TempDir, args: &[&str]) -> Self {
        let mut command = keyward(directory.path(), DEV);
        // The sweep wants every line there is.
        command.arg("--json").args(args).env("KEYWARD_LOG", "trace");
        let server = Server::spawn(command, directory.path().join("log"));
        Self::of(server, directory)
    }

    /// A server that was started with `--json` in `directory`, once it is ready.
    pub(crate) fn of(server: Server, directory: TempDir) -> Self {
        let ready: Value = serde_json::from_str(&server.line()).unwrap();
        assert_eq!(ready["event"], "ready");
        Self {
            directory,
            server,
            ready,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        run(self.path(), args)
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Done {
        run_with(keyward(self.path(), args), input)
    }

    /// Runs the words of a line.
    pub(crate) fn run_line(&self, line: &str) -> Done {
        let words: Vec<_> = line.split(' ').collect();
        self.run(&words)
    }

    /// Makes an API token with one permission, in the file `name`.
    #[track_caller]
    pub(crate) fn make_api_token(&self, name: &str, permission: &str) {
        let create = format!("tokens create {name} --api --out {name} --permission");
        let words: Vec<_> = create.split(' ').chain([permission]).collect();
        self.run(&words).ok();
    }

    /// A command with the API token that `file` holds.
    pub(crate) fn command_with(&self, file: &str, args: &[&str]) -> Command {
        let mut command = keyward(self.path(), args);
        command
            .env("KEYWARD_API_TOKEN_FILE", file)
            .env("KEYWARD_CONTROL_URL", self.text("control_url"));
        command
    }

    /// A chat with echo, with these header lines.
    pub(crate) fn chat(&self, gateway: &str, headers: &[(&str, &str)]) -> Answer {
        let url = format!(
            "{}/v1/{}/{gateway}/echo/chat/completions",
            self.text("gateway_url"),
            self.text("account_id")
        );
        send("POST", &url, headers, CHAT)
    }

    /// A chat with echo through the gateway `default`, with this token.
    pub(crate) fn chat_with(&self, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.chat("default", &[("cf-aig-authorization", &bearer)])
    }

    /// Stops the server cleanly and keeps what it stored for the sweep.
    pub(crate) fn stop(self) -> TempDir {
        self.server.stop();
        for entry in fs::read_dir(self.directory.path().join(".keyward")).unwrap() {
            outputs("data-directory", &fs::read(entry.unwrap().path()).unwrap());
        }
        self.directory
    }
}

/// `dev` on free ports.
pub(crate) const DEV: &[&str] = &[
    "dev",
    "--listen",
    "127.0.0.1:0",
    "--control-listen",
    "127.0.0.1:0",
    "--workers",
    "1",
];
