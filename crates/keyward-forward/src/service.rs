//! The forwarder as a [`tower_service::Service`]: one upstream, the same rules for every request.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    BoxError, BoxFuture, Endpoint, ForwardError, Forwarder, Kind, ResponseBody, RuleSet, Target,
};

/// Forwards every request to one upstream by one [`RuleSet`].
///
/// The path of a request is what stands below [`RuleSet::with_mount`]: a router that strips the mount, such as
/// axum's `nest_service`, gives it so. It is put behind [`RuleSet::with_prefix`], byte for byte; a path that
/// would leave the prefix is refused ([`Kind::Path`]), and the client to blame.
///
/// Clones share the forwarder and its connections. A clone is always ready: the forwarder has its own limits. A
/// call costs one allocation more than [`Forwarder::forward`], for its future.
///
/// ```no_run
/// # async fn example<B>(request: http::Request<B>) -> Result<(), Box<dyn std::error::Error>>
/// # where B: http_body::Body<Data = bytes::Bytes, Error = std::io::Error> + Send + Unpin + 'static {
/// use std::sync::Arc;
///
/// use keyward_forward::{
///     Config, Endpoint, ForwardService, Forwarder, RuleSet, SystemDial, TlsConfig,
/// };
/// use keyward_secret::Origin;
/// use tower_service::Service;
///
/// let dial = Arc::new(SystemDial::build(TlsConfig::default())?);
/// let forwarder = Arc::new(Forwarder::new(dial, Config::default()));
/// let upstream = Endpoint::new(Origin::parse("https://api.example.com")?)?;
/// let rules = RuleSet::default().with_prefix("/v1").with_mount("/example");
/// let mut service = ForwardService::new(forwarder, upstream, rules);
///
/// let answer = service.call(request).await?;
/// # drop(answer);
/// # Ok(())
/// # }
/// ```
pub struct ForwardService<B> {
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    forwarder: Arc<Forwarder<B>>,
    endpoint: Arc<Endpoint>,
    rules: RuleSet,
}

impl<B> ForwardService<B> {
    /// Forwards to `upstream` by `rules`, over the connections of `forwarder`.
    #[must_use]
    pub fn new(
        forwarder: Arc<Forwarder<B>>,
        upstream: impl Into<Arc<Endpoint>>,
        rules: RuleSet,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                forwarder,
                endpoint: upstream.into(),
                rules,
            }),
        }
    }
}

impl<B> Shared<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    async fn forward(&self, request: Request<B>) -> Result<Response<ResponseBody>, ForwardError> {
        let rules = self.rules.lend();
        let uri = request.uri();
        let prefix = rules.location.prefix;
        let target = Target::join(self.endpoint.clone(), prefix, uri.path(), uri.query())
            .map_err(|error| ForwardError::because(Kind::Path, &self.endpoint, error))?;
        self.forwarder.forward(request, target, rules).await
    }
}

impl<B> Service<Request<B>> for ForwardService<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = ForwardError;
    type Future = BoxFuture<'static, Result<Self::Response, ForwardError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ForwardError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move { shared.forward(request).await })
    }
}

impl<B> Clone for ForwardService<B> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<B> fmt::Debug for ForwardService<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardService")
            .field("forwarder", &self.shared.forwarder)
            .field("endpoint", &self.shared.endpoint)
            .field("rules", &self.shared.rules)
            .finish()
    }
}
