//! A Redis of one test alone.

use std::{
    env,
    io::{BufRead, BufReader, ErrorKind},
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::TestCa;

/// How often another port is tried, when somebody else took the one that was free.
const MOST_PORTS: usize = 20;

/// A `redis-server` on a free port of `127.0.0.1`, in a directory of its own, that keeps nothing unless it is started so. Ended when dropped.
///
/// The environment variable `KEYWARD_TEST_REDIS` names the program, else it is looked for in `PATH`.
#[derive(Debug)]
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    password: Option<String>,
    has_tls: bool,
    keeps: bool,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one, and waits until it takes connections.
    ///
    /// # Panics
    ///
    /// When it does not start; where it is not installed, with the line that installs it.
    #[must_use]
    pub fn start() -> Self {
        Self::start_as(None, None, false)
    }

    /// One that has written down what it was told before it answers, and reads it when it is started again.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_that_keeps() -> Self {
        Self::start_as(None, None, true)
    }

    /// One that asks for a password.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with_password(password: &str) -> Self {
        Self::start_as(Some(password), None, false)
    }

    /// One that speaks TLS alone, with a certificate of `ca` for `127.0.0.1` and `localhost`.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with_tls(ca: &TestCa) -> Self {
        Self::start_as(None, Some(ca), false)
    }

    fn start_as(password: Option<&str>, ca: Option<&TestCa>, keeps: bool) -> Self {
        let directory = TempDir::new().expect("a directory can be made");
        if let Some(ca) = ca {
            ca.write_server_pair(directory.path());
        }
        let mut server = Self {
            directory,
            port: 0,
            password: password.map(str::to_owned),
            has_tls: ca.is_some(),
            keeps,
            child: None,
        };
        for _ in 0..MOST_PORTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
            server.port = free.local_addr().expect("it has a port").port();
            drop(free);
            if server.try_run() {
                return server;
            }
        }
        panic!("redis-server started on none of {MOST_PORTS} ports");
    }

    /// Where it listens: `redis://127.0.0.1:PORT`, or `rediss://`. Without its password.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.has_tls { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Ends it at once and without a word, as `kill -9` does.
    ///
    /// # Panics
    ///
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be ended");
            child.wait().expect("it ends");
        }
    }

    /// Starts it again where it was, with what it kept in it.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.try_run(), "redis-server does not start again");
    }

    /// Starts the program, and waits until it says that it is ready. Whether it does.
    fn try_run(&mut self) -> bool {
        let program = env::var_os("KEYWARD_TEST_REDIS").unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(program);
        let keeps = if self.keeps { "yes" } else { "no" };
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", keeps]);
        command.args(["--appendfsync", "always"]);
        command.arg("--dir").arg(self.directory.path());
        let port = self.port.to_string();
        if self.has_tls {
            command.args([
                "--port",
                "0",
                "--tls-port",
                &port,
                "--tls-auth-clients",
                "no",
            ]);
            let file = |name| self.directory.path().join(name);
            command.arg("--tls-cert-file").arg(file("cert.pem"));
            command.arg("--tls-key-file").arg(file("key.pem"));
        } else {
            command.args(["--port", &port]);
        }
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!(
                    "redis-server is missing; install it with: sudo apt-get install redis-server"
                )
            }
            Err(error) => panic!("redis-server cannot be started: {error}"),
        };
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let is_ready =
            lines.any(|line| line.is_ok_and(|line| line.contains("Ready to accept connections")));
        if is_ready {
            // Read on, so that it never waits for somebody to.
            thread::spawn(move || lines.for_each(drop));
            self.child = Some(child);
        } else {
            child.wait().expect("it ends");
        }
        is_ready
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
