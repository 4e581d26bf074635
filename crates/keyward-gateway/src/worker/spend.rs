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
};
use crate::{
    GatewayAddress,
    log::{self, Spending},
    replay::Replayable,
    request::{Plan, shown},
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

    /// Reserves what the request may cost, in every budget that it is to keep to or in none. None where no rule is for it.
    pub(super) async fn reserve(
        &self,
        plan: &Plan,
        estimated: &Estimated,
    ) -> Result<Option<Spending>, Refusal> {
        let mut rules = self.rules_of_gateway(estimated);
        rules.extend(plan.of_route.iter().flat_map(|rules| rules.iter().cloned()));
        let Some(first) = rules.first() else {
            return Ok(None);
        };
        let estimate = match estimated.estimate {
            Ok(Some(estimate)) => estimate,
            Ok(None) => return Ok(None),
            Err(NoPrice) => {
                return Err(Refusal::PriceUnknown {
                    provider: estimated.parts().provider.to_string(),
                    model: shown(&estimated.model),
                    rule: first.id.to_string(),
                });
            }
        };
        let asks: Vec<Spend> = rules.iter().map(|rule| rule.spend(estimate)).collect();
        let budgets = &self.gateway.config().budgets;
        let now = now();
        let admission = match budgets.reserve_now(&asks, Reservation::LASTS, now) {
            Some(admission) => admission,
            None => budgets.reserve(&asks, Reservation::LASTS, now).await,
        };
        match admission {
            Admission::Admitted(reservation) => Ok(Some(Spending::new(
                reservation,
                Arc::clone(budgets),
                (estimated.model.clone(), estimated.asked.clone()),
                estimate,
            ))),
            Admission::Lost(Loss::Open) => Ok(None),
            Admission::Lost(Loss::Closed) => Err(Refusal::LimitsLost),
            Admission::Over(over) => {
                let rule = rules.get(over.which).unwrap_or(first);
                let what = rule.whose.name();
                metrics::counter!("keyward_spend_limited_total", "what" => what).increment(1);
                Err(no_room(over, rule, estimated))
            }
        }
    }

    fn rules_of_gateway(&self, estimated: &Estimated) -> Vec<Rule> {
        let of = estimated.parts();
        let snapshot = self.gateway.registry().snapshot();
        let gateway = snapshot.gateway(of.account, of.gateway.as_str());
        let keys = self.gateway.rate_limits().keys();
        gateway.map_or_else(Vec::new, |gateway| {
            rules::of_gateway(keys, gateway.record(), estimated.by())
        })
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
