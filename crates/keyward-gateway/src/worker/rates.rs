//! Counting a request in the rate limits that it must keep to, before it is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_routes::Money;

use super::{Worker, now};
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

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Counts a request that is about to be sent. Where its key is over its own limit and others of a pool are not, it is
    /// sent with the first of those.
    ///
    /// Before that, what it may cost is reserved in the budgets that it is to keep to: what finds no room is not counted.
    pub(super) async fn settle(
        &self,
        plan: &mut Plan,
        request: (&mut Request<Replayable<B>>, &Uri),
        of: Option<&Series>,
    ) -> Result<Option<Spending>, Refusal> {
        let spending = match of {
            Some(of) if plan.has_budgets => {
                let estimated = self.estimate(plan, request, of).await?;
                self.reserve(plan, &estimated).await?
            }
            _ => None,
        };
        match self.count_in_limits(plan).await {
            Ok(()) => Ok(spending),
            Err(refusal) => {
                if let Some(spending) = spending {
                    spending.settle(Money::ZERO, now());
                }
                Err(refusal)
            }
        }
    }

    /// Counts it in its rate limits.
    async fn count_in_limits(&self, plan: &mut Plan) -> Result<(), Refusal> {
        // Not when it was asked for: its body may have been read since, which takes as long as its client likes, and
        // counters take a time of long ago for a clock that was set back.
        let now = now();
        let limits = self.gateway.rate_limits();
        let mut soonest = None;
        loop {
            let of_key = plan.injected.as_deref().and_then(|key| self.limit_of(key));
            // Where the key's limit stands among those that are counted.
            let (counted, key_place) = match (plan.rate_limit, of_key) {
                (None, None) => return Ok(()),
                (Some(gateway), None) => (limits.count([gateway], now).await, None),
                (None, Some(key)) => (limits.count([key], now).await, Some(0)),
                (Some(gateway), Some(key)) => (limits.count([gateway, key], now).await, Some(1)),
            };
            let Err(Over { refusal, place }) = counted else {
                return Ok(());
            };
            if place.is_none() || place != key_place {
                return Err(refusal);
            }
            let refusal = sooner(soonest.take(), refusal);
            if !pass_over(plan) {
                return Err(refusal);
            }
            soonest = Some(refusal);
        }
    }

    /// Whether a request may be sent once more, with this value, by the limit of its key. It is counted in that.
    pub(super) async fn lets_again(&self, injected: &Injected) -> bool {
        match self.limit_of(injected) {
            None => true,
            Some(due) => self.gateway.rate_limits().settle(due, now()).await.is_ok(),
        }
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
        _ => u64::MAX,
    };
    match one {
        Some(one) if seconds(&one) <= seconds(&other) => one,
        _ => other,
    }
}
