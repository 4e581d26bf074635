//! What hyper, Node and h11 see in a stream of bytes.

use std::{
    convert::Infallible,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use serde::Deserialize;
use tokio::{io::AsyncWriteExt, process::Command};

/// Names of headers that hold a credential; `_` counts as `-`.
const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// A request as a parser sees it. Bytes are in hexadecimal.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) hosts: Vec<String>,
    /// Name and value of every header that holds a credential.
    pub(crate) credentials: Vec<(String, String)>,
    /// How many header fields there are.
    pub(crate) fields: usize,
    /// How many of them hold a gateway token.
    pub(crate) tokens: usize,
    pub(crate) body: String,
    /// Whether the request came to its end.
    pub(crate) complete: bool,
}

pub(crate) type Parsed = Vec<Vec<Seen>>;

/// One parser's name, and what it saw in each stream.
pub(crate) struct Reading {
    pub(crate) parser: &'static str,
    pub(crate) streams: Parsed,
}

/// Lets every parser read every stream.
pub(crate) async fn read_all(streams: &[Vec<u8>]) -> Vec<Reading> {
    let mut input = Vec::new();
    for stream in streams {
        input.extend_from_slice(&u32::try_from(stream.len()).unwrap().to_be_bytes());
        input.extend_from_slice(stream);
    }
    let (node, lenient, h11, hyper) = tokio::join!(
        script(node(), &["parse.js"], &input),
        script(node(), &["parse.js", "--lenient"], &input),
        script(python(), &["parse.py"], &input),
        with_hyper(streams),
    );
    [
        ("hyper", hyper),
        ("Node", node),
        ("Node, lenient", lenient),
        ("h11", h11),
    ]
    .map(|(parser, streams)| Reading { parser, streams })
    .into()
}

fn node() -> PathBuf {
    "node".into()
}

fn python() -> PathBuf {
    std::env::var_os("KEYWARD_TEST_PYTHON")
        .expect(
            "KEYWARD_TEST_PYTHON is not set: run the tests by `cargo xtask test`, which sets Python up",
        )
        .into()
}

async fn script(program: PathBuf, arguments: &[&str], input: &[u8]) -> Parsed {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    let mut child = Command::new(&program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut stdin = child.stdin.take().unwrap();
    let writing = async move {
        stdin.write_all(input).await.unwrap();
        drop(stdin);
    };
    let running = async { tokio::join!(writing, child.wait_with_output()).1 };
    let output = tokio::time::timeout(Duration::from_secs(600), running);
    let output = output.await.expect("the parser ends").unwrap();
    assert!(output.status.success(), "{}", program.display());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn with_hyper(streams: &[Vec<u8>]) -> Parsed {
    let mut parsed = Vec::new();
    for stream in streams {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let service = service_fn(move |request| note(request, Arc::clone(&seen)));
        let io = tokio::io::join(&stream[..], tokio::io::sink());
        let served = http1::Builder::new()
            .half_close(true)
            .max_buf_size(1 << 20)
            .max_headers(400)
            .serve_connection(TokioIo::new(io), service);
        // An error ends the reading; what was seen until then is what counts.
        drop(served.await);
        let requests = std::mem::take(&mut *requests.lock().unwrap());
        parsed.push(requests);
    }
    parsed
}

async fn note(
    request: Request<Incoming>,
    requests: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, mut body) = request.into_parts();
    let fields = parts.headers.iter();
    let credentials = fields.filter(|(name, _)| {
        let name = name.as_str().replace('_', "-");
        CREDENTIALS.contains(&name.as_str())
    });
    let mut seen = Seen {
        method: parts.method.to_string(),
        target: HEXLOWER.encode(parts.uri.to_string().as_bytes()),
        hosts: (parts.headers.get_all("host").iter())
            .map(|value| HEXLOWER.encode(value.as_bytes()))
            .collect(),
        credentials: credentials
            .map(|(name, value)| (name.to_string(), HEXLOWER.encode(value.as_bytes())))
            .collect(),
        fields: parts.headers.len(),
        tokens: (parts.headers.values())
            .filter(|value| memmem::find(value.as_bytes(), b"kw_gw_").is_some())
            .count(),
        ..Seen::default()
    };
    seen.complete = loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    seen.body.push_str(&HEXLOWER.encode(&data));
                }
            }
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    requests.lock().unwrap().push(seen);
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}
