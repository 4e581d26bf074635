//! Why a request is refused, and what mends it, for whoever may read the gateway.

use std::net::IpAddr;

use keyward_auth::{Reason, TokenId};

use super::{Refused, Token};
use crate::{
    GatewayAddress,
    request::shown,
    respond::{Denied, Refusal},
};

pub(super) fn refused(
    refusal: &Refusal,
    address: Option<&GatewayAddress<'_>>,
    token: Token,
    source: IpAddr,
) -> Refused {
    let (status, code) = refusal.status();
    let message = refusal.to_string();
    let (reason, help) = match (refusal, address) {
        (Refusal::Unauthorized(denied), Some(address)) => {
            let (reason, help) = denied_words(*denied, address, token, source);
            (Some(reason), Some(help))
        }
        _ => (None, command(&message).map(str::to_owned)),
    };
    Refused {
        status: status.as_u16(),
        code: Some(code),
        message,
        reason,
        help,
    }
}

/// The command that a message names between backticks.
fn command(message: &str) -> Option<&str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    quoted.find(|text| text.starts_with("keyward "))
}

fn denied_words(
    denied: Denied,
    address: &GatewayAddress<'_>,
    token: Token,
    source: IpAddr,
) -> (String, String) {
    let gateway = shown(address.gateway);
    let create = format!("`keyward tokens create NAME --gateway {gateway}` makes one");
    match denied {
        Denied::Missing => (
            format!("gateway `{gateway}` wants a gateway token, and the request carries none"),
            format!("{create}; it is sent as `cf-aig-authorization: Bearer TOKEN`"),
        ),
        Denied::Malformed => (
            "what stands in the place of a token is malformed, encoded or hidden, or there are several".to_owned(),
            "send one token, as it was given, in `cf-aig-authorization: Bearer TOKEN`".to_owned(),
        ),
        Denied::Unknown => unknown(&create),
        Denied::NoGateway => (
            format!("there is no gateway `{gateway}` in the account, and the request carries no token"),
            "`keyward gateways list` lists them".to_owned(),
        ),
        Denied::StoredNeedsToken => (
            "what is stored is for requests with a gateway token, and this one carries none".to_owned(),
            format!("{create}; without one, the request must carry the provider's key"),
        ),
        Denied::Grant(reason) => match token {
            Token::Known(id) => granted(reason, address, id, source),
            // It is another account's: that account's tokens are nothing to be told of, nor how they stand.
            Token::Absent | Token::Malformed | Token::Unknown => unknown(&create),
        },
    }
}

fn unknown(create: &str) -> (String, String) {
    (
        "the account has no such token: it is mistyped, revoked or another's".to_owned(),
        format!("`keyward tokens list` lists those there are; {create}"),
    )
}

fn granted(
    reason: Reason,
    address: &GatewayAddress<'_>,
    id: TokenId,
    source: IpAddr,
) -> (String, String) {
    let (gateway, provider) = (shown(address.gateway), shown(address.provider));
    let help = match reason {
        Reason::WrongKind => format!(
            "applications use gateway tokens: `keyward tokens create NAME --gateway {gateway}` makes one"
        ),
        Reason::Expired => {
            format!("`keyward tokens update {id} --expires-in 90d` gives it a new end")
        }
        Reason::Disabled => format!("`keyward tokens update {id} --enable` switches it on"),
        Reason::Network | Reason::NotYet => {
            format!("`keyward tokens show {id}` says from where and since when it is good")
        }
        _ => format!(
            "`keyward tokens show {id}` says what it is for; `keyward tokens create NAME --gateway {gateway} --provider {provider}` makes one for this"
        ),
    };
    let reason = match reason {
        Reason::Network => format!("{reason}, {source}"),
        _ => reason.to_string(),
    };
    (reason, help)
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn the_command_is_found_among_names() {
        let message = "there is no gateway `x`. Make it with `keyward gateways create x`, or not.";
        assert_eq!(command(message), Some("keyward gateways create x"));
        assert_eq!(command("Header `cdn-loop` is no list."), None);
        assert_eq!(command("plain"), None);
    }
}
