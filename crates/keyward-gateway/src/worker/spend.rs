//! Setting aside what a request may cost, in each budget that it is to keep to, before it is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, Request, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_providers::PathModel;
use keyward_registry::TrafficSeries;
use keyward_routes::{
    Admission, BodyError, Loss, Metadata, Money, Overspent, Reservation, Spend, check_encoding,
    sole_model,
};

use super::{
    Worker,
    by_body::{not_whole, sole},
    now,
    rates::OverPlan,
};
use crate::{
    GatewayAddress,
    credentials::Injected,
    log::{self, Spending},
    replay::Replayable,
    request::{Plan, has_budgets, shown},
    respond::{NoRoom, Refusal},
    rules::{self, By, Rule},
    spend::{self, Asked, NoPrice},
    traffic::Series,
};

/// What is known of a request's cost before it is sent.
pub(super) struct Estimated {
    of: Series,
    model: Box<str>,
    asked: Asked,
    metadata: Metadata,
    /// None where it does not count.
    estimate: Result<Option<Money>, NoPrice>,
}

impl Estimated {
    fn parts(&self) -> &TrafficSeries {
        self.of.parts()
    }

    fn by(&self) -> By<'_> {
        By {
            provider: self.parts().provider.as_str(),
            model: &self.model,
            metadata: &self.metadata,
        }
    }
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Reads the body, and estimates what the request may cost.
    pub(super) async fn estimate(
        &self,
        plan: &Plan,
        (request, uri): (&mut Request<Replayable<B>>, &Uri),
        of: &Series,
    ) -> Result<Estimated, Refusal> {
        let body = self.whole(request).await;
        let body = body.map_err(|error| not_whole(&error))?.joined();
        let rest = GatewayAddress::parse(uri.path()).map_or("", |address| address.rest);
        let (model, asked) = priced(plan, request.headers(), rest, &body)?;
        let prices = &self.gateway.config().prices;
        let price = prices.reserve(of.parts().provider.as_str(), &model, now());
        Ok(Estimated {
            estimate: spend::estimate(price, &asked),
            metadata: log::metadata(request.headers()),
            of: of.clone(),
            model,
            asked,
        })
    }

    /// Reserves what the request may cost, in every budget that it is to keep to or in none. None where it has nothing to settle.
    pub(super) async fn reserve(
        &self,
        plan: &Plan,
        estimated: &Estimated,
    ) -> Result<Option<Spending>, OverPlan> {
        let (rules, key_from) = self.rules(plan, estimated);
        let budgets = &self.gateway.config().budgets;
        let spending = |reservation, estimate| {
            let of = (estimated.model.clone(), estimated.asked.clone());
            let spending = Spending::new(reservation, key_from, Arc::clone(budgets), of, estimate);
            Some(spending)
        };
        // Nothing is reserved; of a key that it may be sent again with, something may be.
        let nothing = |estimate| match plan.budgets.is_key && plan.others.is_some() {
            true => spending(Reservation::none(), estimate),
            false => None,
        };
        let Some(first) = rules.first() else {
            return Ok(estimated.estimate.map_or(None, nothing));
        };
        // Else a restart would make a budget anew that is spent.
        if !self.gateway.knows_budgets() {
            return Err(Refusal::LimitsLost.into());
        }
        let estimate = match estimated.estimate {
            Ok(Some(estimate)) => estimate,
            Ok(None) => return Ok(nothing(None)),
            Err(NoPrice) => {
                let refusal = Refusal::PriceUnknown {
                    provider: estimated.parts().provider.to_string(),
                    model: shown(&estimated.model),
                    rule: first.id.to_string(),
                };
                // A key without a budget takes what has no price.
                let is_of_key = key_from == 0;
                return Err(OverPlan { refusal, is_of_key });
            }
        };
        match self.admit(&rules, estimate).await {
            Admission::Admitted(reservation) => Ok(spending(reservation, Some(estimate))),
            Admission::Lost(Loss::Open) => Ok(nothing(Some(estimate))),
            Admission::Lost(Loss::Closed) => Err(Refusal::LimitsLost.into()),
            Admission::Over(over) => {
                let rule = rules.get(over.which).unwrap_or(first);
                Err(OverPlan {
                    is_of_key: over.which >= key_from,
                    refusal: no_room(over, rule, estimated),
                })
            }
        }
    }

    /// Reserves in the budgets of another key what a request may cost that is sent again with it. None where it may not be
    /// sent with that. `headers` are the client's.
    pub(super) async fn reserve_again(
        &self,
        plan: &Plan,
        injected: &Injected,
        headers: &HeaderMap,
        spending: Option<&Spending>,
    ) -> Option<Reservation> {
        let free = Some(Reservation::none());
        let snapshot = self.gateway.registry().snapshot();
        let stored = injected.stored.as_ref();
        let Some(key) = stored.and_then(|stored| stored.key(&snapshot)) else {
            return free;
        };
        if !plan.budgets.is_any || !has_budgets(&key.record) {
            return free;
        }
        // Nobody knows what it may cost.
        let spending = spending?;
        let metadata = log::metadata(headers);
        let by = By {
            provider: key.record.provider.as_str(),
            model: &spending.model,
            metadata: &metadata,
        };
        let rules = rules::of_key(self.gateway.rate_limits().keys(), &key.record, by);
        let Some(estimate) = spending.estimate.filter(|_| !rules.is_empty()) else {
            return free;
        };
        match self.admit(&rules, estimate).await {
            Admission::Admitted(reservation) => Some(reservation),
            Admission::Lost(Loss::Open) => free,
            Admission::Lost(Loss::Closed) | Admission::Over(_) => None,
        }
    }

    /// Reserves in the budgets of all of these rules, or in none.
    async fn admit(&self, rules: &[Rule], estimate: Money) -> Admission {
        let asks: Vec<Spend> = rules.iter().map(|rule| rule.spend(estimate)).collect();
        let (budgets, now) = (&self.gateway.config().budgets, now());
        let admission = match budgets.reserve_now(&asks, Reservation::LASTS, now) {
            Some(admission) => admission,
            None => budgets.reserve(&asks, Reservation::LASTS, now).await,
        };
        if let Admission::Over(over) = &admission
            && let Some(rule) = rules.get(over.which)
        {
            let what = rule.whose.name();
            metrics::counter!("keyward_spend_limited_total", "what" => what).increment(1);
        }
        admission
    }

    /// The rules that are for a request as it is planned, and from which place on they are those of its key.
    fn rules(&self, plan: &Plan, estimated: &Estimated) -> (Vec<Rule>, usize) {
        let (of, by) = (estimated.parts(), estimated.by());
        let snapshot = self.gateway.registry().snapshot();
        let gateway = snapshot.gateway(of.account, of.gateway.as_str());
        let keys = self.gateway.rate_limits().keys();
        let mut rules = gateway.map_or_else(Vec::new, |gateway| {
            rules::of_gateway(keys, gateway.record(), by)
        });
        if let Some(token) = plan.used.token
            && let Some(limits) = snapshot.spend_limits_of_token(token)
        {
            rules.extend(rules::of_token(keys, (of.account, token), limits, by));
        }
        rules.extend(
            plan.budgets
                .of_route
                .iter()
                .flat_map(|rules| rules.iter().cloned()),
        );
        let key_from = rules.len();
        let injected = plan.injected.as_ref();
        let stored = injected.and_then(|injected| injected.stored.as_ref());
        if let Some(key) = stored.and_then(|stored| stored.key(&snapshot)) {
            rules.extend(rules::of_key(keys, &key.record, by));
        }
        (rules, key_from)
    }
}

/// The model that a request is for, and what it asks for: what cannot be told of it cannot be counted.
fn priced(
    plan: &Plan,
    headers: &HeaderMap,
    rest: &str,
    body: &Bytes,
) -> Result<(Box<str>, Asked), Refusal> {
    let unread = |error: BodyError| Refusal::CostUnread(error.to_string());
    check_encoding(sole(headers, &CONTENT_ENCODING)?).map_err(unread)?;
    let content_type = sole(headers, &CONTENT_TYPE)?.unwrap_or_default();
    let model = match plan.provider.provider.model_in_path(rest) {
        PathModel::Named(model) => model.into(),
        PathModel::Absent => sole_model(content_type, body).map_err(unread)?,
        PathModel::Unclear => {
            let problem = "the path names a model in a way that two servers could read differently";
            return Err(Refusal::CostUnread(problem.to_owned()));
        }
    };
    let is_form = content_type.to_ascii_lowercase().starts_with(b"multipart/");
    let asked = match is_form {
        true => Some(Asked::of_length(body)),
        false => Asked::read(body),
    };
    let asked = asked.ok_or_else(|| {
        Refusal::CostUnread("how much may come out is said twice, or not by a number".to_owned())
    })?;
    Ok((model, asked))
}

fn no_room(over: Overspent, rule: &Rule, estimated: &Estimated) -> Refusal {
    let Overspent {
        budget, standing, ..
    } = over;
    Refusal::SpendLimited(Box::new(NoRoom {
        rule: rule.id.to_string(),
        whose: rule.whose,
        limit: budget.limit(),
        window: budget.window(),
        provider: estimated.parts().provider.to_string(),
        model: shown(&estimated.model),
        spent: standing.spent,
        reserved: standing.reserved,
        seconds: standing.ends_after.as_secs() + 1,
    }))
}
