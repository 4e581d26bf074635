//! Whether a request goes another way than straight to the provider that its path names.

use http::{HeaderMap, HeaderName};
use keyward_registry::Gateway as GatewayView;

use super::{Step, Stop, Turn, access::Entered};
use crate::{
    Gateway, GatewayAddress,
    handling::Handling,
    limits::Due,
    respond::Refusal,
    ways::{To, Unaddressed, Way},
};

/// Names the gateway where no path does (wire-spec §1.7).
const GATEWAY: HeaderName = HeaderName::from_static("cf-aig-gateway-id");
const GATEWAY_UNLESS_NAMED: &str = "default";

impl<'a> Unaddressed<'a> {
    /// The address of the gateway, as far as it goes.
    pub(super) fn address(&self, headers: &'a HeaderMap) -> Result<GatewayAddress<'a>, Refusal> {
        let refuse = |problem| Refusal::Header {
            name: "cf-aig-gateway-id",
            problem,
        };
        let mut named = headers.get_all(GATEWAY).iter();
        let gateway = match (self.gateway, named.next(), named.next()) {
            (Some(gateway), ..) => gateway,
            (None, None, _) => GATEWAY_UNLESS_NAMED,
            (None, Some(value), None) => value.to_str().map_err(|_bytes| refuse("is not text"))?,
            (None, Some(_), Some(_)) => {
                return Err(refuse("stands in the request more than once"));
            }
        };
        Ok(GatewayAddress {
            account: self.account,
            gateway,
            provider: "",
            rest: "",
        })
    }
}

impl Step<'_> {
    /// The way that the request goes, for who may use the gateway.
    pub(super) fn other_way(&self, gateway: &Gateway, to: To) -> Stop {
        let entered = match self.enter_as_user(gateway, None) {
            Ok(entered) => entered,
            Err(refusal) => return refusal.into(),
        };
        if let Some(token) = entered.token
            && let Err(refusal) = self.check_sender(token)
        {
            return refusal.into();
        }
        match self.handling(entered.view) {
            Ok(handling) => self.way(gateway, &entered, to, handling),
            Err(refusal) => refusal.into(),
        }
    }

    /// A refusal, for who may use the gateway.
    pub(super) fn entered_or(&self, gateway: &Gateway, refusal: Refusal) -> Stop {
        let entered = self.enter_as_user(gateway, None);
        entered.err().unwrap_or(refusal).into()
    }

    /// Whether the request is sent once, and waited for like every other.
    pub(super) fn check_handling(
        &self,
        gateway: &Gateway,
        entered: &Entered<'_>,
    ) -> Result<(), Stop> {
        let settings = &entered.view.record().settings;
        let is_asked_for =
            self.head.has_handling || settings.retry_max_attempts.is_some_and(|most| most > 1);
        if !is_asked_for || !self.sender.may_go() || self.handshake.is_some() {
            return Ok(());
        }
        let handling = self.handling(entered.view)?;
        if handling.is_plain() {
            return Ok(());
        }
        // Its body is read before it is decided: not for who may not send one.
        if let Some(token) = entered.token {
            self.check_sender(token)?;
        }
        Err(self.way(gateway, entered, To::Provider, handling))
    }

    fn handling(&self, view: &GatewayView) -> Result<Handling, Refusal> {
        let handling = Handling::of_gateway(&view.record().settings);
        match self.head.has_handling {
            true => handling.with_headers(self.headers),
            false => Ok(handling),
        }
    }

    /// The gateway's rate limit, in which a client's request counts once, whatever is made of it.
    pub(super) fn rate_limit(&self, gateway: &Gateway, view: &GatewayView) -> Option<Due> {
        match self.sender.turn {
            Turn::Client => gateway.rate_limits().of_gateway(view.record()),
            Turn::Inner(_) => None,
        }
    }

    fn way(&self, gateway: &Gateway, entered: &Entered<'_>, to: To, handling: Handling) -> Stop {
        Stop::Goes(Box::new(Way {
            to,
            handling,
            rate_limit: self.rate_limit(gateway, entered.view),
            token: entered.token.cloned(),
            account: self.address.account,
            gateway: self.address.gateway.into(),
        }))
    }
}
