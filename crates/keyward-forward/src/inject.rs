//! A layer that gives an existing HTTP client a credential: no forwarder, no connections of ours.
//!
//! The client's requests are rewritten as the forwarder's are, and go out by the client. So the client keeps its
//! pool, its TLS and its time-outs, and the application's code never holds the key.

mod error;
mod future;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    Request, Response, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use keyward_secret::{BoundCredential, Origin};
use tower_layer::Layer;
use tower_service::Service;

pub use self::{error::InjectError, future::InjectFuture};
use crate::{AcceptEncoding, BoxError, Endpoint, RuleSet, ScrubbedBody, Target, headers};

/// Wraps a client so that its requests carry a credential, and go nowhere else.
///
/// A request to an origin that the credential is not bound to is refused, not sent without it. Headers of clients
/// that may hold credentials are stripped and the credential goes in last, as [`Forwarder`](crate::Forwarder) does
/// it. An answer loses its hop-by-hop headers and cookies, and the credential, where the API echoes it. A redirect
/// that leads to another origin is an error, because whoever follows it would take the request there; what stays
/// becomes a path of the same origin.
///
/// Put it **innermost**, directly around the client: then retries and redirects that other layers follow come by
/// here again. A client that follows redirects by itself must be told not to.
///
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use keyward_forward::InjectLayer;
/// use keyward_secret::{BoundCredential, Destination, SecretBytes};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Any client that is a service: hyper-util's, for one.
/// let client = service_fn(async |request: http::Request<Full<Bytes>>| {
///     let sent = request.headers()["authorization"].clone();
///     assert_eq!(sent, "Bearer sk-example");
///     Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("your key is sk-example"))))
/// });
/// let credential = BoundCredential::build(
///     http::header::AUTHORIZATION,
///     "Bearer ",
///     SecretBytes::new(b"sk-example".to_vec()),
///     Destination::parse(["https://api.example.com"])?,
/// )?;
/// let mut client = ServiceBuilder::new().layer(InjectLayer::new(credential)).service(client);
///
/// let request = http::Request::get("https://api.example.com/v1/models").body(Full::default())?;
/// let answer = client.ready().await?.call(request).await?;
/// let body = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
/// assert_eq!(body, "your key is **********");
///
/// let request = http::Request::get("https://evil.example/v1/models").body(Full::default())?;
/// let refused = client.ready().await?.call(request).await.unwrap_err();
/// assert!(refused.is_wrong_destination());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct InjectLayer {
    rules: Arc<RuleSet>,
}

/// A client whose requests carry a credential: what [`InjectLayer`] makes of `S`.
#[derive(Debug, Clone)]
pub struct Inject<S> {
    inner: S,
    rules: Arc<RuleSet>,
    /// The upstream of the last request: most clients speak to one.
    last: Option<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    scheme: Scheme,
    authority: Authority,
    endpoint: Arc<Endpoint>,
}

impl InjectLayer {
    /// Injects `credential` into every request, and asks for answers that are not compressed: others cannot be
    /// searched for it.
    #[must_use]
    pub fn new(credential: BoundCredential) -> Self {
        let rules = RuleSet::injecting(credential);
        Self::with_rules(rules.with_accept_encoding(AcceptEncoding::Identity))
    }

    /// As [`new`](Self::new), by rules of one's own: other headers to strip, other origins that redirects may lead
    /// to. Prefix and mount stay empty: a client sees the upstream's own paths.
    #[must_use]
    pub fn with_rules(rules: RuleSet) -> Self {
        let rules = Arc::new(rules);
        Self { rules }
    }
}

impl<S> Layer<S> for InjectLayer {
    type Service = Inject<S>;

    fn layer(&self, inner: S) -> Inject<S> {
        Inject {
            inner,
            rules: self.rules.clone(),
            last: None,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Inject<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<ScrubbedBody<R>>;
    type Error = InjectError;
    type Future = InjectFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), InjectError>> {
        self.inner.poll_ready(cx).map_err(InjectError::inner)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.prepare(&mut request) {
            Ok(target) => {
                InjectFuture::waiting(self.inner.call(request), target, self.rules.clone())
            }
            Err(error) => InjectFuture::refused(error),
        }
    }
}

impl<S> Inject<S> {
    fn prepare<B>(&mut self, request: &mut Request<B>) -> Result<Target, InjectError> {
        if headers::is_never_forwarded(request.method()) {
            return Err(InjectError::method(request.method()));
        }
        let endpoint = self.endpoint(request.uri())?;
        headers::prepare_request(request.headers_mut(), &endpoint, &self.rules.lend())
            .map_err(InjectError::wrong_destination)?;
        let path = request.uri().path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Target::from_path(endpoint, path))
    }

    fn endpoint(&mut self, uri: &Uri) -> Result<Arc<Endpoint>, InjectError> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(InjectError::relative());
        };
        if let Some(known) = &self.last
            && known.scheme == *scheme
            && known.authority == *authority
        {
            return Ok(known.endpoint.clone());
        }
        let endpoint = Origin::parse(&format!("{scheme}://{authority}"))
            .map_err(InjectError::address)
            .and_then(|origin| Endpoint::new(origin).map_err(InjectError::address))?;
        let endpoint = Arc::new(endpoint);
        self.last = Some(Known {
            scheme: scheme.clone(),
            authority: authority.clone(),
            endpoint: endpoint.clone(),
        });
        Ok(endpoint)
    }
}
