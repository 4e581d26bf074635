//! A request that is sent for a token which does not stand in it, and what is told of it beside the answer.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{
    HeaderMap, Request, Uri,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body;
use keyward_auth::Entry;

use super::{
    Address, Announced, Explanation, Outcome, Token, headers, target::shown_target, words,
};
use crate::{Gateway, GatewayAddress, request::Plan, respond::Refusal};

/// The token that a request is sent for, and what becomes of the request.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) token: Arc<Entry>,
    told: Mutex<Option<Explanation>>,
}

impl Known {
    pub(crate) fn new(token: Arc<Entry>) -> Self {
        Self {
            token,
            told: Mutex::default(),
        }
    }

    /// What became of the request; none where it did not come to a decision.
    pub(crate) fn take(&self) -> Option<Explanation> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.take()
    }

    /// Notes what was decided, by the very plan that is carried out. The request's path was taken out of it.
    pub(crate) fn note<B: Body>(
        &self,
        gateway: &Gateway,
        decided: Result<&Plan, &Refusal>,
        request: &Request<B>,
        uri: &Uri,
        source: IpAddr,
    ) {
        let address = GatewayAddress::parse(uri.path()).ok();
        let token = Token::Known(self.token.record.id);
        let refused = |refusal: &Refusal| {
            Outcome::Refused(words::refused(refusal, address.as_ref(), token, source))
        };
        let outcome = match decided {
            Err(refusal) => refused(refusal),
            Ok(plan) => match forwarded(gateway, plan, request, uri) {
                Ok(forwarded) => Outcome::Forwarded(Box::new(forwarded)),
                Err(refusal) => refused(&refusal),
            },
        };
        let explanation = Explanation {
            target: shown_target(
                uri.path(),
                uri.query(),
                address.as_ref().map(|address| address.account),
            ),
            address: address.as_ref().map(Address::of),
            token,
            outcome,
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = Some(explanation);
    }
}

fn forwarded<B: Body>(
    gateway: &Gateway,
    plan: &Plan,
    request: &Request<B>,
    uri: &Uri,
) -> Result<super::Forwarded, Refusal> {
    let length = request.body().size_hint().exact();
    let announced = length.map_or(Announced::Unknown, Announced::Length);
    let mut copy = Request::new(announced);
    *copy.method_mut() = request.method().clone();
    *copy.headers_mut() = request.headers().clone();
    if let (Announced::Length(length @ 1..), false) =
        (announced, request.headers().contains_key(TRANSFER_ENCODING))
    {
        // A body of known length is sent with it, also where its sender, within the process, did not say so.
        copy.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    let before: &HeaderMap = request.headers();
    headers::forwarded(gateway, plan, (before, copy), None, uri.path())
}
