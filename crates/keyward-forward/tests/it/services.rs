//! The forwarder as a service, and the layer around a client of one's own.

use std::{convert::Infallible, io, pin::pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use keyward_forward::{
    BoxError, Config, Endpoint, ForwardService, Forwarder, Inject, InjectError, InjectLayer, Kind,
    ResponseBody, RuleSet, ScrubbedBody, SystemDial, TlsConfig,
};
use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{SECRET, Upstream, Whole, field, text};

type Frames = Vec<Result<Frame<Bytes>, io::Error>>;

fn credential(entries: &[&str]) -> BoundCredential {
    BoundCredential::build(
        AUTHORIZATION,
        "Bearer ",
        SecretBytes::copy_from(SECRET.as_bytes()),
        Destination::parse(entries.iter().copied()).unwrap(),
    )
    .unwrap()
}

fn service(origin: &Origin) -> ForwardService<Whole> {
    let dial = Arc::new(SystemDial::build(TlsConfig::default()).unwrap());
    let forwarder = Arc::new(Forwarder::new(dial, Config::default()));
    let endpoint = Endpoint::new(origin.clone()).unwrap();
    let rules = RuleSet::injecting(credential(&[&origin.to_string()]))
        .with_prefix("/v1")
        .with_mount("/api");
    ForwardService::new(forwarder, endpoint, rules)
}

fn get(uri: &str) -> Request<Whole> {
    Request::get(uri).body(Whole::default()).unwrap()
}

#[test]
fn services_and_their_futures_may_move_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    fn call_is_send<S: Service<Request<B>, Future: Send>, B>() {}
    fn takes<B>()
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        is_send_and_sync::<Forwarder<B>>();
        is_send_and_sync::<ForwardService<B>>();
        call_is_send::<ForwardService<B>, B>();
    }
    // What hyper's servers, axum and callers with a body at hand bring.
    takes::<Incoming>();
    takes::<UnsyncBoxBody<Bytes, BoxError>>();
    takes::<Full<Bytes>>();
    fn answers_are_send<T: Send>() {}
    answers_are_send::<ResponseBody>();
    answers_are_send::<ScrubbedBody<Incoming>>();
    is_send_and_sync::<InjectLayer>();
    is_send_and_sync::<InjectError>();
}

#[tokio::test]
async fn a_service_puts_the_path_below_its_prefix_and_redirects_below_its_mount() {
    let upstream = Upstream::always(
        "HTTP/1.1 302 Found\r\nLocation: /v1/there?x=1\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let mut request = get("/models/a%2Fb?limit=3");
    let foreign = HeaderValue::from_static("the client's own");
    request.headers_mut().insert("x-api-key", foreign);
    let answer = service(&upstream.origin).oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["location"], "/api/there?x=1");

    let heads = upstream.heads();
    let head = heads.first().unwrap();
    assert!(head.starts_with("GET /v1/models/a%2Fb?limit=3 HTTP/1.1\r\n"));
    assert_eq!(
        field(head, "authorization").unwrap(),
        format!("Bearer {SECRET}")
    );
    assert_eq!(field(head, "x-api-key"), None);
}

#[tokio::test]
async fn a_service_refuses_paths_that_leave_its_prefix_and_connects_to_nobody() {
    let upstream = Upstream::always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let service = service(&upstream.origin);
    for path in ["/../admin", "/a/%2e%2e/admin", "/..%2fadmin"] {
        let error = service.clone().oneshot(get(path)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Path, "{path}");
    }
    assert_eq!(upstream.accepted(), 0);
    let answer = service.oneshot(get("/a..b")).await.unwrap();
    assert_eq!(text(answer).await, "");
}

#[tokio::test]
async fn clones_of_a_service_share_its_connections() {
    let upstream = Upstream::always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let service = service(&upstream.origin);
    for _ in 0..3 {
        let answer = service.clone().oneshot(get("/x")).await.unwrap();
        assert_eq!(text(answer).await, "ok");
    }
    assert_eq!(upstream.accepted(), 1);
}

/// A client that answers every request with `status`, `headers` and `frames`, and keeps what it was asked.
#[derive(Clone)]
struct Client {
    asked: Arc<std::sync::Mutex<Vec<(String, HeaderMap)>>>,
    status: StatusCode,
    headers: HeaderMap,
    frames: Arc<dyn Fn() -> Frames + Send + Sync>,
}

impl Client {
    fn new(frames: impl Fn() -> Frames + Send + Sync + 'static) -> Self {
        Self {
            asked: Arc::default(),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            frames: Arc::new(frames),
        }
    }

    fn saying(text: &'static str) -> Self {
        Self::new(move || vec![Ok(Frame::data(Bytes::from_static(text.as_bytes())))])
    }

    fn asked(&self) -> Vec<(String, HeaderMap)> {
        self.asked.lock().unwrap().clone()
    }

    /// Sends one request through the layer.
    async fn ask(
        &self,
        entries: &[&str],
        request: Request<Whole>,
    ) -> Result<
        Response<ScrubbedBody<impl Body<Data = Bytes, Error = io::Error> + use<>>>,
        InjectError,
    > {
        let layer = InjectLayer::new(credential(entries));
        let this = self.clone();
        let client = service_fn(move |request: Request<Whole>| {
            let this = this.clone();
            async move {
                let asked = (request.uri().to_string(), request.headers().clone());
                this.asked.lock().unwrap().push(asked);
                let stream = futures_util::stream::iter((this.frames)());
                let mut answer = Response::new(StreamBody::new(stream));
                *answer.status_mut() = this.status;
                *answer.headers_mut() = this.headers;
                Ok::<_, Infallible>(answer)
            }
        });
        layer.layer(client).oneshot(request).await
    }
}

const API: &str = "https://api.example.com";

#[tokio::test]
async fn a_layer_injects_last_and_strips_what_a_client_may_not_send() {
    let client = Client::saying("ok");
    let mut request = get("https://api.example.com/v1/models?x=1");
    for (name, value) in [
        ("authorization", "Bearer own"),
        ("x_api_key", "own"),
        ("connection", "authorization, x-kept"),
        ("cookie", "a=b"),
        ("accept", "text/plain"),
    ] {
        request
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    client.ask(&[API], request).await.unwrap();
    let [(uri, headers)] = &client.asked()[..] else {
        panic!("one request")
    };
    assert_eq!(uri, "https://api.example.com/v1/models?x=1");
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["accept", "accept-encoding", "authorization", "host"]
    );
    assert_eq!(headers["authorization"], format!("Bearer {SECRET}"));
    assert!(headers["authorization"].is_sensitive());
    assert_eq!(headers["host"], "api.example.com");
}

#[tokio::test]
async fn a_layer_sends_nothing_where_the_credential_may_not_go() {
    let client = Client::saying("ok");
    for uri in [
        "https://evil.example/",
        "http://api.example.com/",
        "https://api.example.com:444/",
        "https://api.example.com.evil.example/",
        "https://api.example.com@evil.example/",
        "https://api.example.com%2eevil.example/",
        "/v1/models",
    ] {
        let Ok(uri) = uri.parse::<http::Uri>() else {
            continue;
        };
        let refused = client.ask(&[API], get(&uri.to_string())).await;
        assert!(refused.is_err(), "{uri}");
    }
    let mut connect = get(API);
    *connect.method_mut() = http::Method::CONNECT;
    assert!(client.ask(&[API], connect).await.is_err());
    assert!(client.asked().is_empty());
}

#[tokio::test]
async fn a_layer_tells_apart_whose_error_it_is() {
    let failing = service_fn(async |_request: Request<Whole>| {
        Err::<Response<Whole>, _>(io::Error::other("no route"))
    });
    let layer = InjectLayer::new(credential(&[API]));
    let error = layer.layer(failing).oneshot(get(API)).await.unwrap_err();
    assert!(error.is_inner());
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.downcast_ref::<io::Error>().unwrap().to_string(),
        "no route"
    );

    let elsewhere = Client::saying("ok")
        .ask(&[API], get("https://evil.example/"))
        .await;
    assert!(elsewhere.err().unwrap().is_wrong_destination());
}

#[tokio::test]
async fn one_layered_client_serves_every_origin_the_credential_is_bound_to() {
    let layer = InjectLayer::new(credential(&["https://{resource}.api.example.com"]));
    let mut client: Inject<_> = layer.layer(service_fn(async |request: Request<Whole>| {
        let host = request.headers()["host"].clone();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::copy_from_slice(
            host.as_bytes(),
        ))))
    }));
    for host in [
        "a.api.example.com",
        "b.api.example.com",
        "b.api.example.com:8443",
        "a.api.example.com",
    ] {
        let asked = client
            .ready()
            .await
            .unwrap()
            .call(get(&format!("https://{host}/")))
            .await;
        match asked {
            Ok(answer) => {
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, host);
            }
            Err(error) => assert!(error.is_wrong_destination() && host.ends_with(":8443")),
        }
    }
}

#[tokio::test]
async fn a_layer_refuses_redirects_that_lead_outside() {
    for (location, expected) in [
        ("https://api.example.com/next?a=b", Some("/next?a=b")),
        ("/next", Some("/next")),
        ("https://evil.example/", None),
        ("//evil.example/", None),
        ("http://api.example.com/", None),
    ] {
        let mut client = Client::saying("");
        client.status = StatusCode::TEMPORARY_REDIRECT;
        client
            .headers
            .insert("location", HeaderValue::from_static(location));
        match (client.ask(&[API], get(API)).await, expected) {
            (Ok(answer), Some(expected)) => assert_eq!(answer.headers()["location"], expected),
            (Err(error), None) => assert!(error.is_redirect_outside(), "{location}"),
            (result, _) => panic!("{location}: {:?}", result.map(drop)),
        }
    }
    let mut client = Client::saying("");
    client.status = StatusCode::SWITCHING_PROTOCOLS;
    assert!(client.ask(&[API], get(API)).await.is_err());
}

#[tokio::test]
async fn a_layer_scrubs_bodies_at_every_split_headers_and_trailers() {
    let stars = "*".repeat(SECRET.len());
    for split in 0..=SECRET.len() {
        let mut client = Client::new(move || {
            let (front, back) = SECRET.split_at(split);
            let mut trailers = HeaderMap::new();
            trailers.insert("x-key", HeaderValue::from_static(SECRET));
            trailers.insert("set-cookie", HeaderValue::from_static("a=b"));
            vec![
                Ok(Frame::data(Bytes::from(format!("<{front}")))),
                Ok(Frame::data(Bytes::from(format!("{back}>sk-canary")))),
                Ok(Frame::trailers(trailers)),
            ]
        });
        client
            .headers
            .insert("x-key", HeaderValue::from_static(SECRET));
        client
            .headers
            .insert("set-cookie", HeaderValue::from_static("a=b"));
        let answer = client.ask(&[API], get(API)).await.unwrap();
        assert_eq!(answer.headers()["x-key"], stars);
        assert!(!answer.headers().contains_key("set-cookie"));
        let collected = answer.into_body().collect().await.unwrap();
        let trailers = collected.trailers().unwrap();
        assert_eq!(trailers["x-key"], stars);
        assert!(!trailers.contains_key("set-cookie"));
        assert_eq!(collected.to_bytes(), format!("<{stars}>sk-canary"));
    }
}

#[tokio::test]
async fn what_may_be_the_beginning_of_the_credential_is_not_given_out_when_a_body_breaks_off() {
    let client = Client::new(|| {
        let (front, _) = SECRET.split_at(SECRET.len() - 1);
        vec![
            Ok(Frame::data(Bytes::from(format!("<{front}")))),
            Err(io::Error::other("broken")),
        ]
    });
    let answer = client.ask(&[API], get(API)).await.unwrap();
    let mut body = pin!(answer.into_body());
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "<");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
}
