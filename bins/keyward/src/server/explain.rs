//! Joins the planes: what the control plane asks of the data plane.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use keyward_control::{
    explain::{
        Address, Answer, Credential, Destination, Explain, Explanation, Forwarded, Headers,
        NotFollowed, Outcome, Refused, SetHeader, Token,
    },
    trial::{Trial, Tried, Try},
    verify::{About, Answered, Verify},
};
use keyward_gateway::{Gateway, GatewayService, Prober, explain};
use keyward_providers::{ErrorClass, ProbeOutcome};
use keyward_secret::AccountId;

/// The data plane, as the control plane asks it.
pub(super) struct DataPlane {
    pub(super) gateway: Arc<Gateway>,
    /// Sends the requests of the control plane, on its runtime.
    pub(super) service: GatewayService<Full<Bytes>>,
    /// Asks providers about keys.
    pub(super) prober: Prober,
}

impl Verify for DataPlane {
    fn ask(&self, about: About) -> Pin<Box<dyn Future<Output = Answered> + Send + '_>> {
        Box::pin(async move {
            let probed = match about {
                About::Stored(key) => match &key.current {
                    Some(current) => {
                        let probed = self.prober.probe_stored(&key, current).await;
                        // What an operator finds out counts as what the gateway finds out by itself.
                        self.gateway.learn(&key, current, &probed);
                        probed
                    }
                    None => return without_value(),
                },
                About::Value {
                    provider,
                    credential,
                } => self.prober.probe(&provider, &credential).await,
            };
            Answered {
                outcome: probed.outcome,
                class: probed.class,
                status: probed.status.map(|status| status.as_u16()),
                problem: probed.problem,
            }
        })
    }
}

fn without_value() -> Answered {
    Answered {
        outcome: ProbeOutcome::Unclear(ErrorClass::Unknown),
        class: None,
        status: None,
        problem: Some("the key has no value; enter it again".to_owned()),
    }
}

impl Explain for DataPlane {
    fn address(&self, target: &Uri) -> Option<(AccountId, String)> {
        let (account, gateway) = explain::place(target.path())?;
        Some((account, gateway.to_owned()))
    }

    fn explain(&self, request: Request<()>, source: IpAddr, now: SystemTime) -> Explanation {
        explanation(self.gateway.explain(request, source, now))
    }
}

impl Try for DataPlane {
    fn send(&self, trial: Trial, most: usize) -> Pin<Box<dyn Future<Output = Tried> + Send + '_>> {
        Box::pin(async move {
            let request = trial.request.map(|body| Full::new(Bytes::from(body)));
            let answering = self.service.answer_to(request, trial.source, trial.token);
            let (explained, answer) = answering.await;
            let (head, mut body) = answer.into_parts();
            let mut read = Vec::new();
            let (mut is_cut, mut is_broken) = (false, false);
            // What is shown is full: nobody waits for more.
            while !is_cut && let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    is_broken = true;
                    break;
                };
                // Else trailers.
                if let Ok(data) = frame.into_data() {
                    let room = most.saturating_sub(read.len());
                    is_cut = data.len() > room;
                    read.extend_from_slice(data.get(..room).unwrap_or(&data));
                }
            }
            Tried {
                explanation: explained.map(explanation),
                status: head.status,
                headers: head.headers,
                body: read,
                is_cut,
                is_broken,
            }
        })
    }
}

fn explanation(explained: explain::Explanation) -> Explanation {
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
            explain::Outcome::NotFollowed(not_followed) => {
                Outcome::NotFollowed(match not_followed {
                    explain::NotFollowed::Unified => NotFollowed::Unified,
                    explain::NotFollowed::Models => NotFollowed::Models,
                    explain::NotFollowed::Universal => NotFollowed::Universal,
                    explain::NotFollowed::Inference => NotFollowed::Inference,
                })
            }
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
