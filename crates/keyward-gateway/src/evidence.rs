//! What providers' answers say of stored keys: judged here, by the rules of the catalogue, and handed to the keeper.
//!
//! A success costs two loads, and is reported only where it would be news. Of a refusal the first 8 KiB are read before
//! the client gets any of it: they decide whether it is told that its token is fine and the stored key is not. Nothing
//! of a body is kept.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use keyward_forward::{BodyError, ResponseBody};
use keyward_providers::{ErrorClass, Provider};
use keyward_registry::ProviderKeyId;
use keyward_vault::status::{Charge, Finding, Refusal};
use tokio::sync::mpsc;

use crate::health::ValueId;

/// How much of a refusal is read before it goes on: the rules look at no more.
const MOST_BYTES: usize = 8 * 1024;
/// For how long.
const LONGEST_READ: Duration = Duration::from_secs(5);
/// How many reports wait for the keeper at most. What has no room is counted; the next answers tell the same.
const MOST_WAITING: usize = 1024;

/// One answer, as far as it speaks for or against a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    pub(crate) value: ValueId,
    /// The key that the request was for: others may share the value.
    pub(crate) key: ProviderKeyId,
    pub(crate) said: Said,
    /// When the request was decided, and when it was answered.
    pub(crate) asked: SystemTime,
    pub(crate) at: SystemTime,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    /// It is good.
    Accepted,
    /// A probe, which somebody else sent, found so.
    Probed(Finding),
    /// It is not.
    Refused {
        refusal: Refusal,
        request: u64,
        proves: bool,
    },
}

/// The way of evidence from the workers to the keeper.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Evidence>,
    receiver: Mutex<Option<mpsc::Receiver<Evidence>>>,
    requests: AtomicU64,
}

impl Default for Queue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            requests: AtomicU64::new(0),
        }
    }
}

impl Queue {
    /// Never waits.
    pub(crate) fn report(&self, evidence: Evidence) {
        if self.sender.try_send(evidence).is_err() {
            metrics::counter!("keyward_evidence_lost_total").increment(1);
        }
    }

    /// A number for a request that was refused.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// The end that the keeper reads; once.
    pub(crate) fn take_receiver(&self) -> Option<mpsc::Receiver<Evidence>> {
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.take()
    }
}

/// What a refusal says of the key it was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The key is refused.
    Refused(Refusal),
    /// The key is limited; the provider may say for how long.
    Limited(Option<Duration>),
    /// There is no money.
    OutOfFunds,
    /// Nothing about the key.
    Nothing,
}

/// Judges an answer. Where something else than the provider may stand, only that it limits its callers is believed.
pub(crate) fn judge(
    provider: &Provider,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Judged {
    let verdict = provider.weigh(status, headers, body);
    let refused = |charge| Judged::Refused(Refusal::new(charge, status.as_u16()));
    match verdict.class {
        ErrorClass::CredentialRejected => refused(Charge::Rejected),
        ErrorClass::Expired => refused(Charge::Expired),
        ErrorClass::OutOfFunds => Judged::OutOfFunds,
        ErrorClass::RateLimited => Judged::Limited(verdict.retry_after),
        _ => Judged::Nothing,
    }
}

/// What a refusal says, for people.
pub(crate) fn words(refusal: Refusal) -> String {
    let code = refusal.code;
    match refusal.charge {
        Charge::Rejected => {
            format!("the provider answered {code} and does not know the key, or no more")
        }
        Charge::Expired => format!("the provider answered {code}: the key is past its date"),
    }
}

/// What was read of an answer's body before its client gets any of it.
#[derive(Debug, Default)]
pub(crate) struct Front {
    frames: VecDeque<Frame<Bytes>>,
    /// The body broke off.
    failure: Option<BodyError>,
    /// Whether its length was known before. What was announced in chunks is passed on in chunks: trailers may follow.
    has_length: bool,
}

impl Front {
    /// Reads until the body ends or there is enough of it to judge.
    pub(crate) async fn read(body: &mut ResponseBody) -> Self {
        let mut front = Self {
            has_length: body.size_hint().exact().is_some(),
            ..Self::default()
        };
        let reading = async {
            let mut bytes = 0;
            // One more than is looked at: what is longer is not whole.
            while bytes <= MOST_BYTES
                && let Some(frame) = body.frame().await
            {
                match frame {
                    Ok(frame) => {
                        bytes += frame.data_ref().map_or(0, Bytes::len);
                        front.frames.push_back(frame);
                    }
                    Err(error) => {
                        front.failure = Some(error);
                        break;
                    }
                }
            }
        };
        // What is cut short convicts nobody.
        let _too_slow = tokio::time::timeout(LONGEST_READ, reading).await;
        front
    }

    /// What was read, in one piece.
    pub(crate) fn bytes(&self) -> Bytes {
        let mut pieces = self.frames.iter().filter_map(Frame::data_ref);
        match (pieces.next(), pieces.next()) {
            (None, _) => Bytes::new(),
            (Some(one), None) => one.clone(),
            _ => {
                let mut all = BytesMut::new();
                let pieces = self.frames.iter().filter_map(Frame::data_ref);
                pieces.for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        }
    }

    /// The next frame for the client, or that there is none since the body broke off.
    pub(crate) fn next(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        match self.frames.pop_front() {
            Some(frame) => Some(Ok(frame)),
            None => self.failure.take().map(Err),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.failure.is_none()
    }

    /// How long this is together with what comes after it.
    pub(crate) fn before(&self, rest: SizeHint) -> SizeHint {
        let read: usize = self
            .frames
            .iter()
            .filter_map(Frame::data_ref)
            .map(Bytes::len)
            .sum();
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        let mut both = SizeHint::new();
        if let Some(upper) = rest.upper().filter(|_| self.has_length) {
            both.set_upper(upper.saturating_add(read));
        }
        both.set_lower(rest.lower().saturating_add(read));
        both
    }
}
