//! Which budgets a request is to keep to, and whose they are. Pure.

use std::sync::Arc;

use keyward_auth::TokenId;
use keyward_registry::{GatewayRecord, ProviderKeyRecord};
use keyward_routes::{
    AtModel, Budget, CounterKey, CounterKeys, Limited, Metadata, Money, Partition, Spend,
    SpendLimits, SpendRule,
};
use keyward_secret::AccountId;

/// Whose a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Gateway,
    /// The token that the request came with.
    Token,
    /// The stored key that the request is sent with.
    ProviderKey,
    /// An element of a route.
    Route,
}

impl Whose {
    /// What metrics call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Token => "token",
            Self::ProviderKey => "provider_key",
            Self::Route => "route",
        }
    }

    /// What stands behind a rule's id in what clients are told. The reference has rules of gateways alone, and nothing there.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Gateway => "",
            Self::Token => " of the token",
            Self::ProviderKey => " of the provider key",
            Self::Route => " of the route",
        }
    }
}

/// One budget that a request is to keep to.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) whose: Whose,
    /// What it is called: of a route, the element's id.
    pub(crate) id: Box<str>,
    key: CounterKey,
    budget: Budget,
}

impl Rule {
    /// What is asked of it for a request that is estimated at so much.
    pub(crate) const fn spend(&self, estimate: Money) -> Spend {
        Spend {
            key: self.key,
            budget: self.budget,
            estimate,
        }
    }
}

/// What rules go by.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) provider: &'a str,
    pub(crate) model: &'a str,
    pub(crate) metadata: &'a Metadata,
}

/// Those of a gateway.
pub(crate) fn of_gateway(keys: &CounterKeys, record: &GatewayRecord, by: By<'_>) -> Vec<Rule> {
    let limits = record.settings.spend_limits.as_ref();
    applying(limits, Whose::Gateway, by, |rule, partition| {
        let limited = Limited::Rule(rule.id().as_str());
        keys.key(record.account, record.id.as_str(), limited, partition)
    })
}

/// Those of a token, in whatever gateway.
pub(crate) fn of_token(
    keys: &CounterKeys,
    (account, token): (AccountId, TokenId),
    limits: &SpendLimits,
    by: By<'_>,
) -> Vec<Rule> {
    applying(Some(limits), Whose::Token, by, |rule, partition| {
        let limited = Limited::TokenRule {
            token: token.as_str(),
            rule: rule.id().as_str(),
        };
        keys.key(account, "", limited, partition)
    })
}

/// Those of a provider key.
pub(crate) fn of_key(keys: &CounterKeys, record: &ProviderKeyRecord, by: By<'_>) -> Vec<Rule> {
    let limits = record.spend_limits.as_ref();
    applying(limits, Whose::ProviderKey, by, |rule, partition| {
        let limited = Limited::KeyRule {
            key: record.id.as_bytes(),
            rule: rule.id().as_str(),
        };
        keys.key(record.account, record.gateway.as_str(), limited, partition)
    })
}

/// The limits of cost that a request has passed on its way through a route, where there are some.
pub(crate) fn of_route(
    keys: &CounterKeys,
    (account, gateway): (AccountId, &str),
    route: &str,
    at: &AtModel<'_>,
) -> Option<Arc<[Rule]>> {
    let rule = |(element, budget, partition)| Rule {
        whose: Whose::Route,
        id: Box::from(element),
        key: keys.key(
            account,
            gateway,
            Limited::Element { route, element },
            &partition,
        ),
        budget,
    };
    let mut passed = at.budgets().map(rule).peekable();
    passed.peek()?;
    Some(passed.collect())
}

/// Those of some limits that are for a request. `key` names their counters.
fn applying(
    limits: Option<&SpendLimits>,
    whose: Whose,
    by: By<'_>,
    key: impl Fn(&SpendRule, &Partition<'_>) -> CounterKey,
) -> Vec<Rule> {
    let Some(limits) = limits else {
        return Vec::new();
    };
    let rules = limits.applying(by.provider, Some(by.model), by.metadata);
    rules
        .map(|(rule, partition)| Rule {
            whose,
            id: rule.id().as_str().into(),
            key: key(rule, &partition),
            budget: rule.budget(),
        })
        .collect()
}
