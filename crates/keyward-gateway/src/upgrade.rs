//! WebSockets: which upgrades are passed on, what becomes of the sub-protocols, and the tunnel's life.
//!
//! A handshake goes through to an endpoint that the catalogue marks as realtime. An `Upgrade` that `Connection`
//! does not name, or one to `h2c`, is ignored and removed; any other is refused. Over HTTP/2 there are no
//! upgrades, and extended CONNECT (RFC 8441) is not offered.

use http::{HeaderMap, HeaderValue, Request, header::SEC_WEBSOCKET_PROTOCOL, header::UPGRADE};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use keyward_forward::{Asked, Handshake, Tunnel, TunnelEnd};

use crate::{
    cut::Watch,
    in_flight::RequestSlot,
    respond::Refusal,
    subprotocols::{Offer, fall_back},
};

/// What becomes of the sub-protocols that a client offers.
#[derive(Debug)]
pub(crate) struct Offers {
    /// By place: whether the provider is offered it.
    keeps: Vec<bool>,
    /// What the client is told where the provider chooses none.
    fall_back: Option<HeaderValue>,
}

/// Takes the handshake out of a request that asks for a WebSocket. An `Upgrade` that does not count is removed.
pub(crate) fn take<B: Body>(request: &mut Request<B>) -> Result<Option<Box<Handshake>>, Refusal> {
    // Hardly a request has one, and a glance at its few names costs less than a look-up.
    if !request.headers().keys().any(|name| *name == UPGRADE) {
        return Ok(None);
    }
    match Asked::of(request) {
        Asked::Nothing => {
            request.headers_mut().remove(UPGRADE);
            Ok(None)
        }
        Asked::Other => Err(Refusal::Upgrade("it is not to a WebSocket")),
        Asked::WebSocket => Handshake::take(request)
            .map(|handshake| Some(Box::new(handshake)))
            .map_err(|error| Refusal::Upgrade(error.problem())),
    }
}

impl Offers {
    pub(crate) fn new(handshake: &Handshake, offers: &[Offer<'_>]) -> Self {
        let mut fall_back = fall_back(handshake.protocols(), offers).cloned();
        if let Some(value) = &mut fall_back {
            value.set_sensitive(true);
        }
        Self {
            keeps: offers.iter().map(|offer| *offer == Offer::Plain).collect(),
            fall_back,
        }
    }

    pub(crate) fn keeps(&self, place: usize) -> bool {
        self.keeps.get(place).copied().unwrap_or(false)
    }

    /// Names a sub-protocol in the answer, where the provider named none and the client needs one.
    pub(crate) fn choose(&self, headers: &mut HeaderMap) {
        if let Some(fall_back) = &self.fall_back
            && !headers.contains_key(SEC_WEBSOCKET_PROTOCOL)
        {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, fall_back.clone());
        }
    }
}

/// Counts a tunnel while it is open, also where its task is dropped.
struct Open(metrics::Gauge);

impl Open {
    fn count() -> Self {
        let gauge = metrics::gauge!("keyward_websockets_open");
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Runs a tunnel for as long as it lasts, and keeps its request's place as long.
pub(crate) async fn run(
    client: OnUpgrade,
    tunnel: Box<Tunnel>,
    provider: String,
    mut watch: Watch,
    _slot: RequestSlot,
) {
    let client = match client.await {
        Ok(client) => TokioIo::new(client),
        Err(error) => {
            tracing::debug!(%error, "a client left before its WebSocket began");
            return;
        }
    };
    let open = Open::count();
    let cut = async {
        watch.revoked().await;
    };
    let report = tunnel.run(client, cut).await;
    drop(open);
    if let TunnelEnd::Broken(error) = &report.end {
        tracing::debug!(%error, "a WebSocket broke");
    }
    let end = report.end.as_str();
    metrics::counter!("keyward_websockets_total", "provider" => provider, "end" => end)
        .increment(1);
    metrics::counter!("keyward_websocket_bytes_total", "direction" => "up")
        .increment(report.bytes_up);
    metrics::counter!("keyward_websocket_bytes_total", "direction" => "down")
        .increment(report.bytes_down);
}
