//! chromedriver: started, asked, and killed with everything that it started.
//!
//! The protocol is WebDriver (<https://www.w3.org/TR/webdriver2/>): JSON over HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Child, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;
use crate::support::foreign;

/// Killed when it is dropped, and Chromium with it: it leads a group of processes, and Chromium stays in that.
pub(super) struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _may_be_gone = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        drop(self.0.wait());
    }
}

/// One request. Not by the HTTP that other tests have: chromedriver says that it closes a connection, and does not.
pub(super) fn ask(method: &str, port: u16, path: &str, body: &Value) -> Result<Value, String> {
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

pub(super) fn start(profile: &TempDir) -> (Driver, u16) {
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
