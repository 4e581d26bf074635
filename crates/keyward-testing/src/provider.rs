//! A provider that demands its key, records what it gets and misbehaves on demand.

mod answer;
mod behaviour;
mod connection;
mod http2;
mod placement;
mod recorded;
mod shapes;
mod writing;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

pub use self::{
    behaviour::{Behaviour, EchoPlace},
    placement::{Format, Placement},
    recorded::Recorded,
    writing::REASON_PHRASE,
};
use crate::{TestCa, wire::Headers};
use answer::Answer;
use placement::Refusal;

/// A provider on a free port of 127.0.0.1, speaking HTTP/1.1, or both that and HTTP/2
/// ([`start_http2`](Self::start_http2)).
///
/// It answers a request only when an accepted key stands in its [`Placement`], once, and no other credential
/// stands beside it. By the end of the path, behind any prefix:
///
/// | request | answer |
/// | --- | --- |
/// | `POST …/chat/completions`, `…/responses` | OpenAI's, as JSON or with `"stream":true` as events |
/// | `POST …/embeddings`, `POST …/files`, `GET …/models` | OpenAI's; a file with length and CRC-32 |
/// | `POST …/messages` | Anthropic's, as JSON or events; needs `anthropic-version` |
/// | `POST …:generateContent`, `…:streamGenerateContent` | Google's |
/// | anything else | 200 with method, target and the body's length and CRC-32 |
///
/// It ends when dropped; [`stop`](Self::stop) also waits until the port is closed.
pub struct FakeProvider {
    addr: SocketAddr,
    is_tls: bool,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    placement: Placement,
    keys: Mutex<Vec<String>>,
    behaviour: Mutex<Behaviour>,
    once: Mutex<VecDeque<Behaviour>>,
    /// What becomes of requests with one of the keys: status, header fields, body.
    told: Mutex<HashMap<String, Told>>,
    recorded: Mutex<Vec<Recorded>>,
    count: watch::Sender<usize>,
    open: AtomicUsize,
    accepted: AtomicUsize,
    gate: Semaphore,
}

/// What a key's requests are answered: status, header fields, body as JSON.
type Told = (u16, Vec<(String, String)>, String);

impl FakeProvider {
    /// Starts one without TLS.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    pub async fn start<K: Into<String>>(
        placement: Placement,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        Self::listen(placement, keys, None).await
    }

    /// Starts one with a certificate of `ca` for `127.0.0.1` and `localhost`.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    pub async fn start_tls<K: Into<String>>(
        placement: Placement,
        keys: impl IntoIterator<Item = K>,
        ca: &TestCa,
    ) -> Self {
        let acceptor = TlsAcceptor::from(ca.server_config());
        Self::listen(placement, keys, Some(acceptor)).await
    }

    /// Starts one with a certificate of `ca` that speaks HTTP/2 with who knows it, else HTTP/1.1.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    pub async fn start_http2<K: Into<String>>(
        placement: Placement,
        keys: impl IntoIterator<Item = K>,
        ca: &TestCa,
    ) -> Self {
        let acceptor = TlsAcceptor::from(ca.server_config_http2());
        Self::listen(placement, keys, Some(acceptor)).await
    }

    /// Starts one with a certificate of `ca` for `names` alone.
    ///
    /// # Panics
    ///
    /// When it cannot listen, or a name can stand in no certificate.
    pub async fn start_tls_as<K: Into<String>>(
        placement: Placement,
        keys: impl IntoIterator<Item = K>,
        ca: &TestCa,
        names: &[&str],
    ) -> Self {
        let acceptor = TlsAcceptor::from(ca.server_config_for(names));
        Self::listen(placement, keys, Some(acceptor)).await
    }

    async fn listen<K: Into<String>>(
        placement: Placement,
        keys: impl IntoIterator<Item = K>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback can be listened on");
        let addr = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(State {
            placement,
            keys: Mutex::new(keys.into_iter().map(Into::into).collect()),
            behaviour: Mutex::default(),
            once: Mutex::default(),
            told: Mutex::default(),
            recorded: Mutex::default(),
            count: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        });
        let is_tls = tls.is_some();
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&state)));
        Self {
            addr,
            is_tls,
            state,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its origin, such as `http://127.0.0.1:4711`.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// Accepts these keys from now on, and no others.
    pub fn accept_keys<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) {
        *lock(&self.state.keys) = keys.into_iter().map(Into::into).collect();
    }

    /// Answers requests with this accepted key with this status, these header fields and this body, as JSON: the key is
    /// limited, or there is no money. Until [`forgive_key`](Self::forgive_key).
    pub fn answer_key(&self, key: &str, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let told = (status, headers.collect(), body.to_owned());
        lock(&self.state.told).insert(key.to_owned(), told);
    }

    /// Answers requests with this key as those with any other.
    pub fn forgive_key(&self, key: &str) {
        lock(&self.state.told).remove(key);
    }

    /// Behaves so from the next request on; requests already read keep their behaviour.
    pub fn behave(&self, behaviour: Behaviour) {
        *lock(&self.state.behaviour) = behaviour;
    }

    /// Behaves so for one request, or for [`Behaviour::CloseOnAccept`] for one connection, before anything
    /// that [`behave`](Self::behave) says. Several calls queue up.
    pub fn behave_once(&self, behaviour: Behaviour) {
        lock(&self.state.once).push_back(behaviour);
    }

    /// Lets `times` waiting steps of stalled or gated answers go on, now or when they come to wait.
    pub fn release(&self, times: usize) {
        self.state.gate.add_permits(times);
    }

    /// The requests recorded and not taken so far, in the order in which they were read.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        lock(&self.state.recorded).clone()
    }

    /// Takes the recorded requests; [`count`](Self::count) goes on.
    #[must_use]
    pub fn take_recorded(&self) -> Vec<Recorded> {
        std::mem::take(&mut lock(&self.state.recorded))
    }

    /// How many requests were read so far, also those taken since.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.state.count.borrow()
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted_connections(&self) -> usize {
        self.state.accepted.load(Ordering::Acquire)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.state.open.load(Ordering::Acquire)
    }

    /// Waits until `requests` were read since the start.
    ///
    /// # Panics
    ///
    /// When that takes longer than `deadline`.
    pub async fn wait_for(&self, requests: usize, deadline: Duration) {
        let mut count = self.state.count.subscribe();
        let waiting = count.wait_for(|&count| count >= requests);
        assert!(
            timeout(deadline, waiting).await.is_ok(),
            "{} of {requests} requests came within {deadline:?}",
            self.count()
        );
    }

    /// Ends every connection and closes the port: afterwards connections are refused.
    pub async fn stop(mut self) {
        self.task.abort();
        // The task was aborted: that is the only way it ends.
        let _aborted = (&mut self.task).await;
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeProvider")
            .field("origin", &self.origin())
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl State {
    fn find_key(&self, headers: &Headers) -> Result<String, Refusal> {
        self.placement.find_key(headers, &lock(&self.keys))
    }

    /// What a request with this key is told instead of an answer.
    fn told(&self, key: &str) -> Option<Answer> {
        let told = lock(&self.told).get(key).cloned()?;
        let (status, headers, body) = told;
        let answer = Answer::whole(status, "application/json", body.into_bytes());
        Some(headers.iter().fold(answer, |answer, (name, value)| {
            answer.with_header(name, value.as_str())
        }))
    }

    /// The behaviour for the next request.
    fn next_behaviour(&self) -> Behaviour {
        let once = lock(&self.once).pop_front();
        once.unwrap_or_else(|| lock(&self.behaviour).clone())
    }

    /// Whether a new connection is to be closed unread.
    fn closes_on_accept(&self) -> bool {
        let mut once = lock(&self.once);
        if once.front() == Some(&Behaviour::CloseOnAccept) {
            once.pop_front();
            return true;
        }
        *lock(&self.behaviour) == Behaviour::CloseOnAccept
    }

    fn record(&self, request: Recorded) {
        lock(&self.recorded).push(request);
        self.count.send_modify(|count| *count += 1);
    }

    /// Counts a connection as open until the guard is dropped.
    fn count_open(&self) -> OpenGuard<'_> {
        self.open.fetch_add(1, Ordering::AcqRel);
        OpenGuard(&self.open)
    }
}

struct OpenGuard<'a>(&'a AtomicUsize);

impl Drop for OpenGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Accepts until aborted; the connections end with it.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let number = state.accepted.fetch_add(1, Ordering::AcqRel);
        if !state.closes_on_accept() {
            connections.spawn(connection::serve(
                tcp,
                tls.clone(),
                number,
                Arc::clone(&state),
            ));
        }
        while connections.try_join_next().is_some() {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
