//! One provider: where it is, what it takes as a credential, and which of its endpoints a request is for.

use http::{HeaderMap, HeaderName, Method, header};
use keyward_secret::{BoundCredential, Destination, Origin, SecretBytes};

use crate::{
    BindError, Class, RouteError,
    classes::{Classes, effective},
    compat::{Compat, Surface},
    model_path::{self, ModelPath, PathModel},
    paths::Paths,
    pattern::{Canonical, Pattern},
    probe::Probe,
    target,
    usage::{UsageRules, UsageShape},
    verdict::Rules,
};

/// An upstream API, as the catalogue and the operator's overrides describe it. Immutable.
#[derive(Debug)]
pub struct Provider {
    pub(crate) slug: Box<str>,
    pub(crate) aliases: Box<[Box<str>]>,
    pub(crate) name: Box<str>,
    pub(crate) keys_page: Option<Box<str>>,
    pub(crate) key_hint: Option<Box<str>>,
    pub(crate) overridden: bool,
    /// What stands at the replaced base URL passes everything on to the provider.
    pub(crate) relayed: bool,
    pub(crate) support: Support,
    /// The first is the one that paths lead to; never empty.
    pub(crate) upstreams: Box<[Upstream]>,
    pub(crate) destination: Destination,
    pub(crate) paths: Paths,
    pub(crate) placement: Placement,
    pub(crate) compat: Option<Compat>,
    pub(crate) model_paths: Box<[ModelPath]>,
    pub(crate) websocket_model: Option<Box<str>>,
    pub(crate) target_header: Option<HeaderName>,
    pub(crate) refusals: Box<[Refusal]>,
    pub(crate) errors: Rules,
    pub(crate) probe: Option<Probe>,
    pub(crate) usage: UsageRules,
}

/// Whether requests to a provider can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever stores a key or sends a request must handle a refused provider"
)]
pub enum Support {
    /// Requests are served and keys can be stored.
    Ready,
    /// The provider is known and cannot be used.
    Refused {
        /// Why, and what to do where something can be done. Completes "provider `x` cannot be used: …".
        reason: Box<str>,
    },
}

/// One origin of a provider, and the path below which everything lies.
#[derive(Debug)]
pub struct Upstream {
    index: usize,
    origin: Origin,
    base_path: Box<str>,
    classes: Classes,
}

/// Where a request goes.
///
/// The path upstream is `prefix` and then the rest as the client sent it, unless `path_override` is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route<'a> {
    /// The origin to send to.
    pub upstream: &'a Upstream,
    /// What goes before the rest: begins with a slash, and ends with one unless the rest is empty.
    pub prefix: &'a str,
    /// The kind of the endpoint.
    pub class: Class,
    /// How a key is taken there: for [`Provider::bind_on`].
    pub surface: Surface,
    /// The path and query that a request header named in place of the URL's. The request's own rest and query
    /// are not sent then. It is checked like a path from a client, but may hold query credentials to cut.
    pub path_override: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) header: HeaderName,
    pub(crate) scheme: Box<str>,
    pub(crate) headers: Box<[HeaderName]>,
    pub(crate) query: Box<[Box<str>]>,
    pub(crate) subprotocols: Box<[Box<str>]>,
}

#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) pattern: Pattern,
    pub(crate) reason: Box<str>,
}

impl Provider {
    /// The canonical name, as URLs and stored keys hold it.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Other names that mean this provider.
    #[must_use]
    pub fn aliases(&self) -> &[Box<str>] {
        &self.aliases
    }

    /// The name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The provider's page where keys are made and revoked.
    #[must_use]
    pub fn keys_page(&self) -> Option<&str> {
        self.keys_page.as_deref()
    }

    /// What a key looks like, such as `sk-…`. A hint for people, never a check.
    #[must_use]
    pub fn key_hint(&self) -> Option<&str> {
        self.key_hint.as_deref()
    }

    /// Whether the operator replaced the base URL.
    #[must_use]
    pub const fn is_overridden(&self) -> bool {
        self.overridden
    }

    /// Whether what answers is the provider itself, so that its refusals say something about a key.
    ///
    /// Not where the operator replaced the base URL, unless what stands there is [a relay](crate::Override::relay);
    /// and not of a custom provider, whose answers nothing is known of.
    #[must_use]
    pub const fn answers_count(&self) -> bool {
        !self.overridden || self.relayed
    }

    /// Whether the provider can be used.
    #[must_use]
    pub const fn support(&self) -> &Support {
        &self.support
    }

    /// What a key stored now is sealed for: every origin the provider may be sent to.
    ///
    /// A refused provider without origins of its own has a name below `.invalid` here, which never resolves.
    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The provider's origins; the first is the one that paths lead to.
    #[must_use]
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Chooses the upstream, the path and the class of a request. Allocates only for an error and for a target
    /// header.
    ///
    /// `rest` is what follows the provider's segment, without leading slash and without query, byte for byte
    /// as the client sent it. The caller has refused dot segments and control characters.
    ///
    /// # Errors
    ///
    /// When the provider or this path of it is refused, or a header names a URL outside the provider's origins.
    pub fn route<'a>(
        &'a self,
        method: &Method,
        rest: &str,
        headers: &HeaderMap,
    ) -> Result<Route<'a>, RouteError> {
        if let Support::Refused { reason } = &self.support {
            return Err(RouteError::provider(&self.slug, reason));
        }
        if let Some(header) = &self.target_header
            && headers.contains_key(header)
        {
            return self.route_to_target(method, header, headers);
        }
        let Some(upstream) = self.upstreams.first() else {
            return Err(RouteError::provider(&self.slug, "it has no origin"));
        };
        if rest.is_empty()
            && is_websocket(headers)
            && let Some((prefix, path)) = self.paths.websocket()
        {
            let class = upstream.classes.find(method, path);
            return Ok(Route {
                upstream,
                prefix,
                class,
                surface: Surface::Own,
                path_override: None,
            });
        }
        let (prefix, path) = self.paths.join(rest);
        if let Some(refusal) = self.find_refusal(method, path) {
            return Err(RouteError::path(&self.slug, &refusal.reason));
        }
        let class = upstream.classes.find(method, path);
        Ok(Route {
            upstream,
            prefix,
            class,
            surface: self.surface(path),
            path_override: None,
        })
    }

    fn route_to_target<'a>(
        &'a self,
        method: &Method,
        header: &HeaderName,
        headers: &HeaderMap,
    ) -> Result<Route<'a>, RouteError> {
        let refuse = |reason| RouteError::target(&self.slug, header.as_str(), reason);
        let (origin, path_and_query) = target::parse(headers, header).map_err(refuse)?;
        let upstream = self
            .upstreams
            .iter()
            .find(|upstream| *upstream.origin() == origin);
        let upstream = upstream.ok_or_else(|| refuse("it is not one of the provider's origins"))?;
        let path = path_and_query.split('?').next().unwrap_or(path_and_query);
        let below = path.strip_prefix(upstream.base_path());
        let rest = below.and_then(|path| path.strip_prefix('/'));
        let rest = rest.ok_or_else(|| refuse("its path is outside the provider's base path"))?;
        let path = Canonical {
            rest,
            inserted: false,
        };
        if let Some(refusal) = self.find_refusal(method, path) {
            return Err(RouteError::path(&self.slug, &refusal.reason));
        }
        Ok(Route {
            upstream,
            prefix: "/",
            class: upstream.classes.find(method, path),
            surface: Surface::Own,
            path_override: Some(path_and_query.to_owned()),
        })
    }

    fn surface(&self, path: Canonical<'_>) -> Surface {
        let compat = self.compat.as_ref();
        let differs = compat.and_then(|compat| compat.credential.as_ref());
        match differs.is_some_and(|credential| credential.is_on(path)) {
            true => Surface::Compat,
            false => Surface::Own,
        }
    }

    fn find_refusal(&self, method: &Method, path: Canonical<'_>) -> Option<&Refusal> {
        let method = effective(method);
        self.refusals
            .iter()
            .find(|refusal| refusal.pattern.matches(method, path))
    }

    /// The provider's own OpenAI-compatible endpoints, where it has any.
    #[must_use]
    pub const fn compat(&self) -> Option<&Compat> {
        self.compat.as_ref()
    }

    /// The model that the path names. `rest` is as [`route`](Self::route) takes it.
    #[must_use]
    pub fn model_in_path<'a>(&self, rest: &'a str) -> PathModel<'a> {
        model_path::model_of(&self.model_paths, self.paths.join(rest).1)
    }

    /// The query parameter that names the model of a WebSocket, where one does.
    #[must_use]
    pub fn websocket_model(&self) -> Option<&str> {
        self.websocket_model.as_deref()
    }

    /// In which way the answers of an endpoint say how many tokens they took: for [`UsageReader`](crate::UsageReader).
    /// `None` where the provider counts no tokens. `rest` is as [`route`](Self::route) takes it.
    ///
    /// A custom provider is read as OpenAI's, and below `…/messages` as Anthropic's.
    #[must_use]
    pub fn usage_shape(&self, method: &Method, rest: &str) -> Option<UsageShape> {
        self.usage.shape(method, self.paths.join(rest).1)
    }

    /// Whether streams of an endpoint say how many tokens they took only where the request has
    /// `"stream_options": {"include_usage": true}`. `rest` is as [`route`](Self::route) takes it.
    ///
    /// Never of a custom provider: whether it knows the field is not known, and some refuse a request for one that they do
    /// not know.
    #[must_use]
    pub fn asks_for_usage(&self, method: &Method, rest: &str) -> bool {
        self.usage.asks(method, self.paths.join(rest).1)
    }

    /// The inverse of [`route`](Self::route), for redirects: the rest under the gateway, without leading slash
    /// and with the query, that leads to `path_and_query` of `origin`.
    ///
    /// `None` where no rest leads there: another origin, a path outside the base, one that
    /// [`route`](Self::route) would put a version before, or one with dot segments. Allocates for the last check.
    #[must_use]
    pub fn location<'a>(&self, origin: &Origin, path_and_query: &'a str) -> Option<&'a str> {
        let upstream = self.upstreams.first()?;
        let leads_here = self.support == Support::Ready
            && upstream.origin() == origin
            && target::is_plain(path_and_query);
        if !leads_here {
            return None;
        }
        self.paths.cut(path_and_query)
    }

    /// Makes `secret` the provider's credential: the header as this provider wants it, bound to `destination`,
    /// which is what the secret was sealed for.
    ///
    /// # Errors
    ///
    /// When the provider is refused, or the secret is empty or holds a byte that no header may carry.
    pub fn bind(
        &self,
        secret: SecretBytes,
        destination: Destination,
    ) -> Result<BoundCredential, BindError> {
        self.bind_on(Surface::Own, secret, destination)
    }

    /// [`bind`](Self::bind) for paths of `surface`, which [`Route::surface`] says. Where the provider's OpenAI-compatible
    /// endpoints take a key like all others, both are the same.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_on(
        &self,
        surface: Surface,
        secret: SecretBytes,
        destination: Destination,
    ) -> Result<BoundCredential, BindError> {
        if let Support::Refused { reason } = &self.support {
            return Err(BindError::provider(&self.slug, reason));
        }
        let compat = self.compat.as_ref().filter(|_| surface == Surface::Compat);
        let (header, scheme) = match compat.and_then(|compat| compat.credential.as_ref()) {
            Some(credential) => (&credential.header, &credential.scheme),
            None => (&self.placement.header, &self.placement.scheme),
        };
        BoundCredential::build(header.clone(), scheme, secret, destination)
            .map_err(|error| BindError::secret(&self.slug, error))
    }

    /// The headers in which this provider takes a key, the one that [`bind`](Self::bind) uses first. A client's
    /// own key is looked for there, and all are removed before a stored key goes in.
    #[must_use]
    pub fn credential_headers(&self) -> &[HeaderName] {
        &self.placement.headers
    }

    /// What stands before the key in the header that [`bind`](Self::bind) uses: `"Bearer "`, or nothing.
    #[must_use]
    pub fn credential_scheme(&self) -> &str {
        &self.placement.scheme
    }

    /// The query parameters that carry a key.
    #[must_use]
    pub fn credential_query(&self) -> &[Box<str>] {
        &self.placement.query
    }

    /// What a WebSocket sub-protocol begins with where it carries a key. An entry without closing `.` is a
    /// sub-protocol that is followed by the key as the next one.
    #[must_use]
    pub fn credential_subprotocols(&self) -> &[Box<str>] {
        &self.placement.subprotocols
    }

    /// The request header that may name a whole upstream URL, read by [`route`](Self::route). It is for the
    /// gateway and not for the provider.
    #[must_use]
    pub const fn target_header(&self) -> Option<&HeaderName> {
        self.target_header.as_ref()
    }
}

impl Upstream {
    pub(crate) fn build(index: usize, origin: Origin, base_path: &str, classes: Classes) -> Self {
        let base_path = base_path.into();
        Self {
            index,
            origin,
            base_path,
            classes,
        }
    }

    /// A number of its own within the catalogue, from 0 on without gaps.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Scheme, host and port.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path below which every request lies: empty, or with a leading and without a closing slash.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }
}

impl PartialEq for Upstream {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
            && self.origin == other.origin
            && self.base_path == other.base_path
    }
}

impl Eq for Upstream {}

fn is_websocket(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
