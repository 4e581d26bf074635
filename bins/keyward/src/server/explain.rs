//! Joins the planes: what the control plane asks of the data plane.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use http::{Request, Uri};
use keyward_control::explain::{
    Address, Answer, Credential, Destination, Explain, Explanation, Forwarded, Headers, Outcome,
    Refused, SetHeader, Token,
};
use keyward_gateway::{Gateway, GatewayAddress, explain};
use keyward_secret::AccountId;

/// The data plane, as the control plane asks it.
pub(super) struct DataPlane(pub(super) Arc<Gateway>);

impl Explain for DataPlane {
    fn address(&self, target: &Uri) -> Option<(AccountId, String)> {
        let address = GatewayAddress::parse(target.path()).ok()?;
        Some((address.account, address.gateway.to_owned()))
    }

    fn explain(&self, request: Request<()>, source: IpAddr, now: SystemTime) -> Explanation {
        let explained = self.0.explain(request, source, now);
        Explanation {
            target: explained.target,
            address: explained.address.map(|address| Address {
                account: address.account,
                gateway: address.gateway,
                provider: address.provider,
            }),
            token: match explained.token {
                explain::Token::Absent => Token::Absent,
                explain::Token::Malformed => Token::Malformed,
                explain::Token::Unknown => Token::Unknown,
                explain::Token::Known(id) => Token::Known(id),
            },
            outcome: match explained.outcome {
                explain::Outcome::Forwarded(to) => Outcome::Forwarded(Box::new(forwarded(*to))),
                explain::Outcome::Refused(refused) => Outcome::Refused(Refused {
                    status: refused.status,
                    code: refused.code,
                    message: refused.message,
                    reason: refused.reason,
                    help: refused.help,
                }),
            },
        }
    }
}

fn forwarded(to: explain::Forwarded) -> Forwarded {
    let set = to.set.into_iter().map(|header| SetHeader {
        name: header.name,
        value: header.value,
    });
    Forwarded {
        provider: to.provider,
        destination: Destination {
            origin: to.origin.to_string(),
            target: to.target,
        },
        credential: match to.credential {
            explain::Credential::Stored {
                key, is_asked_for, ..
            } => Credential::Stored { key, is_asked_for },
            explain::Credential::Client => Credential::Client,
            explain::Credential::ClientMoved => Credential::ClientMoved,
            explain::Credential::ProviderHeaders => Credential::ProviderHeaders,
        },
        is_custom: to.is_custom,
        is_handshake: to.is_handshake,
        headers: Headers {
            dropped: to.dropped,
            set: set.collect(),
            kept: to.kept,
        },
        answer: Answer {
            cut: to.cut_from_answer.into_iter().map(str::to_owned).collect(),
            may_be_compressed: to.may_be_compressed,
        },
    }
}
