//! An upstream that says what a test tells it to, and a forwarder that goes there.

pub(crate) mod tls;

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use keyward_forward::{
    Config, Endpoint, ForwardError, Forwarder, ResponseBody, Rules, Scrubber, StripList,
    SystemDial, Target, TlsConfig,
};
use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const SECRET: &str = "sk-canary-0123456789abcdefXYZ";

/// How long a condition may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A raw TCP server. Each connection is handed to the test's script.
pub(crate) struct Upstream {
    pub(crate) origin: Origin,
    pub(crate) accepted: Arc<AtomicUsize>,
    /// Heads in the order they came, from scripts that use [`read_request`].
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(crate) async fn start<F, S>(script: S) -> Self
    where
        S: Fn(Peer) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (count, seen) = (accepted.clone(), heads.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let heads = seen.clone();
                tokio::spawn(script(Peer { stream, heads }));
            }
        });
        Self {
            origin: Origin::parse(&format!("http://127.0.0.1:{port}")).unwrap(),
            accepted,
            heads,
        }
    }

    /// Answers every request with `answer`, over connections that stay open.
    pub(crate) async fn always(answer: &'static str) -> Self {
        Self::start(move |mut peer| async move {
            while peer.read_request().await.is_some() {
                peer.write(answer).await;
            }
        })
        .await
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Peer {
    /// Reads a head, and the body that `Content-Length` announces. None at the end of the connection.
    pub(crate) async fn read_request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.read_head().await?;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((head, body))
    }

    pub(crate) async fn read_head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Writes to a side that may close before it has all of it.
    pub(crate) async fn write_bytes(&mut self, bytes: &[u8]) {
        let _may_be_gone = self.stream.write_all(bytes).await;
    }

    /// Waits until the other side closes.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _reset_counts_too = self.stream.read_to_end(&mut rest).await;
    }
}

/// The values of a field in a head, joined.
pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    let values: Vec<_> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A forwarder, and what its requests share.
pub(crate) struct Gateway<B> {
    pub(crate) forwarder: Forwarder<B>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) strip: StripList,
    pub(crate) credential: BoundCredential,
    pub(crate) scrubber: Arc<Scrubber>,
}

impl<B> Gateway<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn to(origin: &Origin) -> Self {
        Self::with(origin, Config::default(), TlsConfig::default())
    }

    pub(crate) fn with(origin: &Origin, config: Config, tls: TlsConfig) -> Self {
        let dial = Arc::new(SystemDial::build(tls).unwrap());
        let credential = BoundCredential::build(
            AUTHORIZATION,
            "Bearer ",
            SecretBytes::copy_from(SECRET.as_bytes()),
            Destination::exact(origin.clone()).unwrap(),
        )
        .unwrap();
        Self {
            forwarder: Forwarder::new(dial, config),
            endpoint: Arc::new(Endpoint::new(origin.clone()).unwrap()),
            strip: StripList::new(["authorization", "x-api-key", "api-key"], []),
            scrubber: Arc::new(Scrubber::new(&credential)),
            credential,
        }
    }

    pub(crate) fn rules(&self) -> Rules<'_> {
        let mut rules = Rules::new(&self.strip).with_credential(&self.credential, &self.scrubber);
        rules.location.prefix = "/v1";
        rules.location.mount = "/v1/acc/gw/openai";
        rules
    }

    pub(crate) fn target(&self) -> Target {
        Target::join(self.endpoint.clone(), "/v1", "/chat", Some("a=b")).unwrap()
    }

    pub(crate) async fn send(
        &self,
        request: Request<B>,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        let forwarding = self.forwarder.forward(request, self.target(), self.rules());
        tokio::time::timeout(DEADLINE, forwarding).await.unwrap()
    }
}

pub(crate) type Whole = Full<Bytes>;

pub(crate) fn post(body: &'static str) -> Request<Whole> {
    Request::post("http://client.example/ignored?x")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap()
}

pub(crate) async fn text(response: Response<ResponseBody>) -> String {
    let body = tokio::time::timeout(DEADLINE, response.into_body().collect())
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
}
