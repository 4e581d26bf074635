//! Counting a request in the rate limits that it must keep to, before it is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_routes::Money;

use super::{Worker, now, spend::Estimated};
use crate::{
    credentials::Injected,
    evidence::Judged,
    limits::{Due, Over},
    log::Spending,
    replay::Replayable,
    request::Plan,
    respond::Refusal,
    traffic::Series,
};

/// Why there is no room for a request as it is planned.
pub(super) struct OverPlan {
    pub(super) refusal: Refusal,
    /// Whether it may go with another key.
    pub(super) is_of_key: bool,
}

impl From<Refusal> for OverPlan {
    /// What another key does not change.
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            is_of_key: false,
        }
    }
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Counts a request that is about to be sent, and reserves what it may cost in the budgets that it is to keep to. Where its
    /// key is over its own limit, or has no room in its own budgets, and others of a pool have, it is sent with the first of
    /// those.
    pub(super) async fn settle(
        &self,
        plan: &mut Plan,
        request: (&mut Request<Replayable<B>>, &Uri),
        of: Option<&Series>,
    ) -> Result<Option<Spending>, Refusal> {
        let estimated = match of {
            Some(of) if plan.budgets.is_any => Some(self.estimate(plan, request, of).await?),
            _ => None,
        };
        let mut soonest = None;
        loop {
            let over = match self.take_room(plan, estimated.as_ref()).await {
                Ok(spending) => return Ok(spending),
                Err(over) => over,
            };
            if !over.is_of_key {
                return Err(over.refusal);
            }
            let refusal = sooner(soonest.take(), over.refusal);
            if !pass_over(plan) {
                return Err(refusal);
            }
            soonest = Some(refusal);
        }
    }

    /// Takes room for a request in its budgets and its rate limits: in all of them or in none.
    async fn take_room(
        &self,
        plan: &Plan,
        estimated: Option<&Estimated>,
    ) -> Result<Option<Spending>, OverPlan> {
        let spending = match estimated {
            Some(estimated) => self.reserve(plan, estimated).await?,
            None => None,
        };
        // Where this fails, what was reserved is free again.
        self.count_in_limits(plan).await?;
        Ok(spending)
    }

    /// Counts it in its rate limits.
    async fn count_in_limits(&self, plan: &Plan) -> Result<(), OverPlan> {
        // Not when it was asked for: its body may have been read since, which takes as long as its client likes, and
        // counters take a time of long ago for a clock that was set back.
        let now = now();
        let limits = self.gateway.rate_limits();
        let of_key = plan.injected.as_deref().and_then(|key| self.limit_of(key));
        // Where the key's limit stands among those that are counted.
        let (counted, key_place) = match (plan.rate_limit, of_key) {
            (None, None) => return Ok(()),
            (Some(gateway), None) => (limits.count([gateway], now).await, None),
            (None, Some(key)) => (limits.count([key], now).await, Some(0)),
            (Some(gateway), Some(key)) => (limits.count([gateway, key], now).await, Some(1)),
        };
        counted.map_err(|Over { refusal, place }| OverPlan {
            refusal,
            is_of_key: place.is_some() && place == key_place,
        })
    }

    /// Whether a request may be sent once more, with this value, by the limits and budgets of its key. It is counted in those.
    /// `headers` are the client's.
    pub(super) async fn lets_again(
        &self,
        plan: &Plan,
        injected: &Injected,
        headers: &HeaderMap,
        spending: Option<&mut Spending>,
    ) -> bool {
        let reserved = self.reserve_again(plan, injected, headers, spending.as_deref());
        let Some(reservation) = reserved.await else {
            return false;
        };
        let now = now();
        if let Some(due) = self.limit_of(injected)
            && self.gateway.rate_limits().settle(due, now).await.is_err()
        {
            let budgets = &self.gateway.config().budgets;
            budgets.settle(reservation, Money::ZERO, now);
            return false;
        }
        if let Some(spending) = spending {
            spending.move_to(reservation, now);
        }
        true
    }

    /// The limit of the key that a value is of, as it stands now.
    fn limit_of(&self, injected: &Injected) -> Option<Due> {
        let snapshot = self.gateway.registry().snapshot();
        let key = injected.stored.as_ref()?.key(&snapshot)?;
        self.gateway.rate_limits().of_key(&key.record)
    }
}

/// Puts the next key of the pool in the place of the one that the request would be sent with; false where there is none.
fn pass_over(plan: &mut Plan) -> bool {
    let Some(mut others) = plan.others.take() else {
        return false;
    };
    let next: Option<Arc<Injected>> = others.next(Judged::Limited(None));
    plan.others = others.boxed();
    let Some(next) = next else {
        return false;
    };
    plan.used.key = next.use_of_key();
    plan.injected = Some(next);
    true
}

/// The refusal after which a client may come back first.
fn sooner(one: Option<Refusal>, other: Refusal) -> Refusal {
    let seconds = |refusal: &Refusal| match refusal {
        Refusal::RateLimited { seconds, .. } => *seconds,
        Refusal::SpendLimited(no_room) => no_room.seconds,
        _ => u64::MAX,
    };
    match one {
        Some(one) if seconds(&one) <= seconds(&other) => one,
        _ => other,
    }
}
