//! Setting aside what a request may cost, in each budget that it is to keep to, before it is sent.

use bytes::Bytes;
use http::{
    HeaderMap, Request, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::Body;
use keyward_forward::BoxError;
use keyward_providers::PathModel;
use keyward_routes::{
    Admission, BodyError, Loss, Overspent, Reservation, RuleId, Spend, check_encoding, sole_model,
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
    spend::{self, Asked, NoPrice},
    traffic::Series,
};

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Reads the body, and reserves what the request may cost. None where no rule is for it.
    pub(super) async fn reserve(
        &self,
        plan: &Plan,
        (request, uri): (&mut Request<Replayable<B>>, &Uri),
        of: &Series,
    ) -> Result<Option<Spending>, Refusal> {
        let body = self.whole(request).await;
        let body = body.map_err(|error| not_whole(&error))?.joined();
        let of = of.parts();
        let provider = of.provider.as_str();
        let rest = GatewayAddress::parse(uri.path()).map_or("", |address| address.rest);
        let (model, asked) = priced(plan, request.headers(), rest, &body)?;
        let metadata = log::metadata(request.headers());
        let snapshot = self.gateway.registry().snapshot();
        let gateway = snapshot.gateway(of.account, of.gateway.as_str());
        let limits = gateway.and_then(|gateway| gateway.record().settings.spend_limits.as_ref());
        let Some(limits) = limits else {
            return Ok(None);
        };
        let config = self.gateway.config();
        let price = config.prices.reserve(provider, &model, now());
        let estimate = spend::estimate(price, &asked);
        let keys = self.gateway.rate_limits();
        let place = (of.account, of.gateway.as_str());
        let mut rules: Vec<&RuleId> = Vec::new();
        let mut asks = Vec::new();
        for (rule, partition) in limits.applying(provider, Some(&model), &metadata) {
            let estimate = match estimate {
                Ok(Some(estimate)) => estimate,
                Ok(None) => return Ok(None),
                Err(NoPrice) => {
                    return Err(Refusal::PriceUnknown {
                        provider: provider.to_owned(),
                        model: shown(&model),
                        rule: rule.id().to_string(),
                    });
                }
            };
            rules.push(rule.id());
            asks.push(Spend {
                key: keys.key_of_rule(place, rule.id().as_str(), &partition),
                budget: rule.budget(),
                estimate,
            });
        }
        if asks.is_empty() {
            return Ok(None);
        }
        let (budgets, now) = (&config.budgets, now());
        let admission = match budgets.reserve_now(&asks, Reservation::LASTS, now) {
            Some(admission) => admission,
            None => budgets.reserve(&asks, Reservation::LASTS, now).await,
        };
        match admission {
            Admission::Admitted(reservation) => Ok(Some(Spending::new(
                reservation,
                std::sync::Arc::clone(budgets),
                (model, asked),
                asks.first().map(|ask| ask.estimate).unwrap_or_default(),
            ))),
            Admission::Lost(Loss::Open) => Ok(None),
            Admission::Lost(Loss::Closed) => Err(Refusal::LimitsLost),
            Admission::Over(over) => {
                metrics::counter!("keyward_spend_limited_total").increment(1);
                let rule = rules.get(over.which).map(|id| id.to_string());
                Err(Refusal::SpendLimited(Box::new(NoRoom {
                    rule: rule.unwrap_or_default(),
                    provider: provider.to_owned(),
                    model: shown(&model),
                    ..no_room(over)
                })))
            }
        }
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

fn no_room(
    Overspent {
        budget, standing, ..
    }: Overspent,
) -> NoRoom {
    NoRoom {
        rule: String::new(),
        limit: budget.limit(),
        window: budget.window(),
        provider: String::new(),
        model: String::new(),
        spent: standing.spent,
        reserved: standing.reserved,
        seconds: standing.ends_after.as_secs() + 1,
    }
}
