//! What is done with a request between the decision and the sending, where something is.

use std::sync::PoisonError;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body::Body;
use keyward_forward::BoxError;

use super::{Worker, weigh::Asker};
use crate::{
    log::{Bodies, Noted, Spending},
    replay::Replayable,
    request::{Plan, Sender},
    respond::Refusal,
    traffic::Series,
};

/// What was done with a request before it is sent.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// What is reserved for it.
    pub(super) spending: Option<Spending>,
    /// What of its bodies the log is to keep.
    pub(super) bodies: Option<Box<Bodies>>,
    /// Whether its stream is asked what it takes, in the client's place.
    pub(super) is_asked: bool,
    /// Where the count of cuts stood when it was looked whether it may still be sent.
    pub(super) cuts_seen: u64,
}

impl Prepared {
    /// Nothing is done.
    pub(super) fn nothing(cuts_seen: u64) -> Self {
        Self {
            cuts_seen,
            ..Self::default()
        }
    }
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Whether something is to be done with a request before it is sent.
    pub(super) fn has_to_prepare(
        &self,
        decided: &Result<Plan, Refusal>,
        noted: Noted,
        headers: &HeaderMap,
    ) -> bool {
        let config = self.gateway.config();
        let plan = decided.as_ref().ok();
        plan.is_some_and(|plan| plan.has_to_prepare(config, || noted.is_told(headers)))
    }

    /// Does it, and decides by it whether the request may still be sent, and what it counts under.
    pub(super) async fn prepare(
        &self,
        (decided, counted): (&mut Result<Plan, Refusal>, &mut Option<Series>),
        request: (&mut Request<Replayable<B>>, &Uri),
        prior: (Noted, u64, Sender<'_>, Asker),
    ) -> Prepared {
        let Ok(plan) = decided else {
            return Prepared::default();
        };
        match self
            .prepare_plan(plan, counted.as_ref(), request, prior)
            .await
        {
            Ok(prepared) => {
                *counted = plan.series().or(counted.take());
                prepared
            }
            Err(refusal) => {
                *decided = Err(refusal);
                Prepared::default()
            }
        }
    }

    /// The request is counted in its limits, what it may cost is reserved, its body is copied for the log, and its stream is
    /// asked what it takes, where somebody wants to know. Meanwhile its body may have been waited for: whether it may still be
    /// sent is looked after that.
    async fn prepare_plan(
        &self,
        plan: &mut Plan,
        of: Option<&Series>,
        (request, uri): (&mut Request<Replayable<B>>, &Uri),
        (noted, generation, sender, asker): (Noted, u64, Sender<'_>, Asker),
    ) -> Result<Prepared, Refusal> {
        let spending = match plan.is_limited() {
            true => self.settle(plan, (request, uri), of).await?,
            false => None,
        };
        let bodies = self.bodies(plan, request, noted).await?;
        let is_of_use = spending.is_some() || of.is_some() && noted.is_told(request.headers());
        let is_asked = plan.asks_for_usage && is_of_use && self.ask_for_usage(request).await?;
        // In this order: what is cut from here on is noticed, and what was cut before stands in the picture.
        let cuts_seen = self.requests.cuts_made();
        if self.generation() != generation {
            self.still_may(plan, (request, uri), (sender, asker))?;
        }
        Ok(Prepared {
            spending,
            bodies,
            is_asked,
            cuts_seen,
        })
    }

    /// Which picture of the registry is the newest.
    fn generation(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (_snapshot, is_new) = state.reader.current();
        if is_new {
            state.forget();
        }
        state.reader.generation()
    }
}
