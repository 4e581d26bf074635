//! One request to the control plane and its answer, over TCP in clear or with TLS.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use keyward_forward::{Dial, Offer, SystemDial, TlsConfig, dial};
use keyward_secret::{Origin, Scheme, SecretBytes};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// How long connecting, asking and answering may take together.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read. A page of 100 items has some 100 KiB.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const AGENT: &str = concat!("keyward/", env!("CARGO_PKG_VERSION"));

/// The control plane's address.
#[derive(Clone, Debug)]
pub(super) struct Url {
    origin: Origin,
    /// As it was given, without a slash at the end.
    text: String,
}

/// The control plane, and what shows who is asking.
#[derive(Debug)]
pub(super) struct Exchange {
    url: Url,
    dial: SystemDial,
    /// `None` asks what anybody may ask.
    authorization: Option<HeaderValue>,
}

impl Url {
    /// `https://host:port`, or `http://` with a loopback address. Any other needs `danger_plain_http`.
    pub(super) fn parse(text: &str, danger_plain_http: bool) -> Result<Self, Failure> {
        let refuse = |reason: &str| {
            Failure::usage("cannot use the control plane's URL")
                .because(reason)
                .at("--control-url, KEYWARD_CONTROL_URL or the profile")
                .help("name a URL such as http://127.0.0.1:8788 or https://keys.example.com")
        };
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix("/client/v4").unwrap_or(text);
        let uri: Uri = text.parse().map_err(|_error| refuse("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err(refuse("it begins with neither https:// nor http://")),
        }
        let is_bare = uri.path() == "/" && uri.query().is_none();
        let authority = uri
            .authority()
            .filter(|authority| is_bare && !authority.as_str().contains('@'));
        if authority.is_none() {
            return Err(refuse("it holds more than a host and a port"));
        }
        let origin = Origin::parse(text)
            .map_err(|error| refuse("it names no host").because(error.to_string()))?;
        let url = Self {
            origin,
            text: text.to_owned(),
        };
        if url.origin.scheme() == Scheme::Https || url.is_loopback() || danger_plain_http {
            return Ok(url);
        }
        Err(refuse("without TLS, tokens and keys could be read on the way to another machine")
            .help("run the command on the control plane's machine or through a tunnel, or add --danger-plain-http"))
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.origin.is_loopback()
    }

    /// Whether another URL, in whatever spelling, is the same control plane.
    pub(super) fn is_same_place(&self, other: &str) -> bool {
        // What has been allowed to be sent here may be sent here: only the place is compared.
        Self::parse(other, true).is_ok_and(|other| other.origin == self.origin)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Exchange {
    /// Trusts the system's certificate authorities and those of the PEM text `authorities`.
    pub(super) fn new(
        url: Url,
        token: Option<&SecretBytes>,
        authorities: Option<Vec<u8>>,
    ) -> Result<Self, Failure> {
        let authorization = token.map(bearer).transpose()?;
        let tls = TlsConfig {
            extra_ca_pem: authorities.into_iter().collect(),
        };
        let dial = SystemDial::build(tls).map_err(|error| {
            Failure::new("cannot speak TLS with the control plane")
                .caused_by(&error)
                .help("--ca-file, KEYWARD_CONTROL_CA_FILE or the profile names a PEM file with certificates")
        })?;
        Ok(Self {
            url,
            dial,
            authorization,
        })
    }

    /// Sends one request. The answer is the whole envelope of a success.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Value, Failure> {
        let request = self.request(method, path, body)?;
        let (status, answer) = self.ask(request).await?;
        self.read(status, &answer)
    }

    /// Asks `/healthz` or `/readyz`, which answer anyone, outside the envelope. `None` is no answer of Keyward's.
    pub(super) async fn probe(&self, path: &str) -> Result<Option<Value>, Failure> {
        let request = self.request(Method::GET, path, None)?;
        let (_, answer) = self.ask(request).await?;
        let answer: Option<Value> = serde_json::from_slice(&answer).ok();
        Ok(answer.filter(|answer| answer.get("status").is_some_and(Value::is_string)))
    }

    /// What is answered to a path that is none. `None` is no JSON.
    pub(super) async fn refusal(&self, path: &str) -> Result<Option<Value>, Failure> {
        let request = self.request(Method::GET, path, None)?;
        let (_, answer) = self.ask(request).await?;
        Ok(serde_json::from_slice(&answer).ok())
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        match tokio::time::timeout(TIMEOUT, self.exchange(request)).await {
            Ok(exchanged) => exchanged,
            Err(_elapsed) => {
                let failure = self.unreachable();
                Err(failure.because(format!("no answer within {} s", TIMEOUT.as_secs())))
            }
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.url.origin.authority())
            .header(USER_AGENT, AGENT);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| Failure::new("cannot write the request").caused_by(&error))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let fail = |error: &dyn Error| self.unreachable().caused_by(error);
        let dialled = self.dial.dial(&self.url.origin, Offer::Http1).await;
        let stream = dialled.map_err(|error| {
            let failure = fail(&error);
            match error.kind() {
                dial::Kind::Tls => failure.help("correct the URL, or trust the server's authority: --ca-file FILE, KEYWARD_CONTROL_CA_FILE or `keyward profile set NAME --ca-file FILE`"),
                dial::Kind::Unresolvable => failure.help("correct the host in --control-url, KEYWARD_CONTROL_URL or the profile"),
                _ => failure,
            }
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| fail(&error))?;
        let connection = tokio::spawn(connection);
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| fail(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        connection.abort();
        let body = body.map_err(|error| fail(&*error))?;
        Ok((head.status, body.to_bytes()))
    }

    fn read(&self, status: StatusCode, answer: &[u8]) -> Result<Value, Failure> {
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
            return Err(self
                .stranger()
                .because(format!("its answer, with status {status}, is not JSON")));
        };
        if status.is_success() && answer.get("success").and_then(Value::as_bool) == Some(true) {
            return Ok(answer);
        }
        let Some((message, code)) = told(&answer) else {
            return Err(self.stranger().because(format!(
                "its answer, with status {status}, is none of a control plane"
            )));
        };
        let told = format!("{message}{code}");
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                Failure::not_authorised("the control plane does not accept the API token")
                    .because(told)
                    .help("name a file with a valid one in KEYWARD_API_TOKEN_FILE")
            }
            StatusCode::FORBIDDEN => {
                Failure::not_authorised("the API token may not do this")
                    .because(told)
                    .help("`keyward status` says what it may do; name a file with another one in KEYWARD_API_TOKEN_FILE")
            }
            status if status.is_server_error() => {
                Failure::unreachable("the control plane cannot answer").because(told).help(
                    "try again; the log of the server says more, and `keyward status` whether it serves",
                )
            }
            _ => refused(&message, &code, &answer),
        })
    }

    /// Something else answers there.
    pub(super) fn stranger(&self) -> Failure {
        Failure::new(format!(
            "what answers at {} is no control plane of Keyward's",
            self.url
        ))
        .help("name the control plane's URL with --control-url, not the data plane's")
    }

    fn unreachable(&self) -> Failure {
        Failure::unreachable(format!(
            "cannot reach the control plane at {}",
            self.url.text
        ))
        .help("start it with `keyward dev` or `keyward serve`, or name another with --control-url")
    }
}

fn bearer(token: &SecretBytes) -> Result<HeaderValue, Failure> {
    const SCHEME: &[u8] = b"Bearer ";
    let token = token.expose().trim_ascii();
    let mut text = Zeroizing::new(Vec::with_capacity(SCHEME.len() + token.len()));
    text.extend_from_slice(SCHEME);
    text.extend_from_slice(token);
    let value = HeaderValue::from_maybe_shared(Bytes::from_owner(text));
    let mut value = value.map_err(|_unfit| {
        Failure::not_authorised("the API token holds characters that no token has")
            .help("the file must hold the token and nothing else")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The first error of an envelope, such as `gateway x was not found` and ` [7002]`.
fn told(answer: &Value) -> Option<(String, String)> {
    let error = answer.get("errors")?.get(0)?;
    let message = error.get("message")?.as_str()?;
    let code = error.get("code").and_then(Value::as_u64)?;
    Some((message.to_owned(), format!(" [{code}]")))
}

/// What is refused, with every reason where there are several.
fn refused(message: &str, code: &str, answer: &Value) -> Failure {
    let errors = answer.get("errors").and_then(Value::as_array);
    let reasons = errors.into_iter().flatten();
    let reasons: Vec<_> = reasons
        .filter_map(|error| error.get("message")?.as_str())
        .collect();
    let refused = match reasons.len() {
        0 | 1 => Failure::refused(message, code),
        count => {
            let what = format!("the control plane refuses it, for {count} reasons{code}");
            let refused = Failure::new(what).help("correct what is named above");
            reasons.into_iter().fold(refused, Failure::because)
        }
    };
    // Such as `body`, `elements`, 1.
    let field = answer.pointer("/errors/0/path/1").and_then(Value::as_str);
    refused.in_field(field)
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let parsed = Url::parse(text, false).ok();
        let parsed = parsed.map(|url| url.origin.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }

    #[test]
    fn the_url_is_https_or_http_to_loopback() {
        check("http://127.0.0.1:8788", Some("http://127.0.0.1:8788"));
        check("http://localhost:1/", Some("http://localhost:1"));
        check("http://[::1]:1/client/v4", Some("http://[::1]:1"));
        check("https://127.0.0.1:8788", Some("https://127.0.0.1:8788"));
        check(
            "https://keys.example.com/",
            Some("https://keys.example.com"),
        );
        for text in [
            "127.0.0.1:8788",
            "ftp://127.0.0.1:8788",
            "http://user@127.0.0.1:1",
            "https://user@keys.example.com",
            "http://127.0.0.1:1/path",
            "https://keys.example.com/path",
            "http://127.0.0.1:1/?q",
            "http://127.0.0.1.example",
            "http://10.0.0.1:8788",
            "",
        ] {
            check(text, None);
        }
        assert!(Url::parse("http://10.0.0.1:8788", true).is_ok());
    }
}
