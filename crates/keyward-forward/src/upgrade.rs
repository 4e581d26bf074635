//! WebSocket handshakes (RFC 6455): what a client asks for, and the way of a handshake to an upstream.
//!
//! No byte passes behind the head before the upstream has switched: the tunnel begins with a 101 that was
//! asked for and that answers this very handshake. Every other answer is an ordinary one. Other protocols
//! are nobody's to pass on: an `Upgrade` to `h2c` smuggles requests past whoever reads the first one.

mod handshake;

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{CONNECTION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
};
use http_body::Body;

pub use self::handshake::{Asked, Handshake, HandshakeError};
use crate::{
    AcceptEncoding, BoxError, ForwardError, Forwarder, Kind, ResponseBody, Rules, Target, Tunnel,
    body::RequestBody,
    client::with_scrubber,
    headers::{self, frame_request},
    plain_errors,
};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// What an upstream made of a handshake.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an upstream switches or it does not, and a caller must handle both"
)]
pub enum Switch {
    /// It switched: the answer's head is for the client, and then the tunnel runs.
    Switched(Response<()>, Box<Tunnel>),
    /// It gave an ordinary answer.
    Declined(Response<ResponseBody>),
}

impl<B> Forwarder<B>
where
    B: Body<Data = bytes::Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends a WebSocket handshake to `target`, over an HTTP/1.1 connection of its own.
    ///
    /// `handshake` was taken out of `request` ([`Handshake::take`]). The request is rewritten like any other;
    /// then the handshake's own fields go back in, without the sub-protocols that the caller removed. With
    /// [`AcceptEncoding::Identity`] no extension is offered, so that messages come uncompressed.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward), and when the upstream switches without completing this handshake.
    pub async fn upgrade(
        &self,
        mut request: Request<B>,
        handshake: &Handshake,
        target: Target,
        rules: Rules<'_>,
    ) -> Result<Switch, ForwardError> {
        let scrubbed = &with_scrubber(rules);
        let rules = &scrubbed.lend();
        let endpoint = target.endpoint();
        headers::prepare_request(request.headers_mut(), endpoint, rules)
            .map_err(|error| ForwardError::because(Kind::WrongDestination, endpoint, error))?;
        let method = request.method().clone();
        let (mut parts, body) = request.into_parts();
        frame_request(&mut parts.headers, &method, &body);
        let compresses = rules.accept_encoding == AcceptEncoding::Client;
        handshake.write(&mut parts.headers, rules.accept_encoding);
        parts.uri = Uri::from(target.path_and_query().clone());
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let body = RequestBody::new(body, self.config());
        let shaking = self.shake_hands(Request::from_parts(parts, body), endpoint);
        let (mut response, conn) = Box::pin(shaking).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let response = self.answer(response, conn, &method, &target, rules)?;
            return match rules.scrubber {
                Some(scrubber) if plain_errors::is_needed(&response) => {
                    self.plain_errors().make(response, scrubber, endpoint).await
                }
                _ => Ok(response),
            }
            .map(Switch::Declined);
        }
        let completed = handshake
            .complete(response.headers(), compresses)
            .map_err(|error| ForwardError::because(Kind::BadUpgrade, endpoint, error))?;
        let upstream = hyper::upgrade::on(&mut response)
            .await
            .map_err(|error| ForwardError::because(Kind::UpstreamClosed, endpoint, error))?;
        let (mut parts, _incoming) = response.into_parts();
        headers::prepare_response(&mut parts.headers, parts.status, &target, rules)
            .map_err(|error| ForwardError::because(Kind::RedirectOutside, endpoint, error))?;
        completed.write(&mut parts.headers);
        parts.extensions.clear();
        let limits = self.config().tunnel.clone();
        let tunnel = Tunnel::new(upstream, rules.scrubber.cloned(), limits, conn.place());
        Ok(Switch::Switched(
            Response::from_parts(parts, ()),
            Box::new(tunnel),
        ))
    }
}

/// The lines that ask for, or agree to, a WebSocket.
fn write_upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
}
