//! A collector that takes whatever is posted to it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use crate::outputs::append_output;

/// Takes requests by HTTP/1.1 on a free port of 127.0.0.1, keeps them whole, and answers each with a status and no body. It
/// knows nothing of what they hold.
///
/// It needs no runtime, and ends with the process.
#[derive(Debug)]
pub struct Collector {
    addr: SocketAddr,
    state: Arc<State>,
}

/// One request, whole.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The head, with its first line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Debug)]
struct State {
    posted: Mutex<Vec<Posted>>,
    came: Condvar,
    status: AtomicU16,
    once: Mutex<Vec<u16>>,
    is_silent: AtomicBool,
}

impl Collector {
    /// Starts one that answers 200.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
        let addr = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(State {
            posted: Mutex::default(),
            came: Condvar::new(),
            status: AtomicU16::new(200),
            once: Mutex::default(),
            is_silent: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&accepting);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { addr, state }
    }

    /// Its origin, such as `http://127.0.0.1:4318`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::Release);
    }

    /// Answers the next request with this status, before anything that [`answer`](Self::answer) says.
    pub fn answer_once(&self, status: u16) {
        let mut once = self
            .state
            .once
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        once.push(status);
    }

    /// Answers nothing from now on, and keeps connections open.
    pub fn fall_silent(&self) {
        self.state.is_silent.store(true, Ordering::Release);
    }

    /// Everything that came so far.
    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        self.state.lock().clone()
    }

    /// Waits until `is_met` says yes to what came so far, and gives it.
    ///
    /// # Panics
    ///
    /// When that takes longer than `deadline`.
    #[must_use]
    pub fn wait_until(
        &self,
        deadline: Duration,
        is_met: impl Fn(&[Posted]) -> bool,
    ) -> Vec<Posted> {
        let posted = self.state.lock();
        let waited = self
            .state
            .came
            .wait_timeout_while(posted, deadline, |posted| !is_met(posted));
        let (posted, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "it did not come within {deadline:?}");
        posted.clone()
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Vec<Posted>> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection until its client leaves.
    fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        while let Some(posted) = next(&mut stream, &mut bytes) {
            // What stands in heads is for the collector to know.
            append_output("collector", &posted.body);
            self.lock().push(posted);
            self.came.notify_all();
            if self.is_silent.load(Ordering::Acquire) {
                continue;
            }
            let once = self
                .once
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let status = once.unwrap_or_else(|| self.status.load(Ordering::Acquire));
            let answer = format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The next request; none where the client left. `bytes` holds what came too early.
fn next(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Posted> {
    let mut more = [0; 16 * 1024];
    loop {
        if let Some(at) = memchr::memmem::find(bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            let end = at + 4 + length.unwrap_or_default();
            if bytes.len() >= end {
                let rest = bytes.split_off(end);
                let body = bytes.split_off(at + 4);
                *bytes = rest;
                return Some(Posted { head, body });
            }
        }
        match stream.read(&mut more) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&more[..length]),
        }
    }
}
