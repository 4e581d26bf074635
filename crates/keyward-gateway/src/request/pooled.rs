//! Which key of a pool a request takes.

use std::{array, sync::Arc};

use http::{
    HeaderValue, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use keyward_auth::Entry;
use keyward_providers::{Provider, Route};
use keyward_registry::{
    Gateway as GatewayView, KeyStatus, Pool, PoolStrategy, ProviderKey, SessionHeader,
};

use super::{
    Step,
    access::Entered,
    model::Seen,
    others::{Others, When},
    stored::{Asked, Behind, NEEDS_TOKEN, Stored, beside, has_budgets},
};
use crate::{
    credentials::{Injected, Opening},
    gateway::ProviderEntry,
    head::Field,
    pool::{self, By, Exhausted, Health, Standing},
    replay::MOST_BYTES,
    respond::Refusal,
    worker::State,
};

/// A member of a pool that can be used.
struct Member<'v> {
    key: &'v Arc<ProviderKey>,
    injected: Arc<Injected>,
}

/// The members of a pool, in its order.
struct Members<'v> {
    standings: [Standing; Pool::MOST],
    /// None where one cannot be used at all.
    members: [Option<Member<'v>>; Pool::MOST],
    /// The one that is tried although its status says no.
    on_trial: Option<usize>,
}

impl<'a> Step<'a> {
    /// The key that a request without an alias takes from its provider's pool, and those that it takes instead where the
    /// provider does not take that one.
    pub(super) fn pooled(
        &self,
        state: &mut State,
        entered: &Entered<'a>,
        asked: Asked<'_>,
        pool: &Pool,
    ) -> Result<Stored, Refusal> {
        let token = entered.token.ok_or(NEEDS_TOKEN)?;
        let (entry, class) = (asked.entry, asked.route.class);
        self.check(token, entry, None, class)?;
        let Members {
            standings,
            mut members,
            on_trial,
        } = self.members(state, (token, entered.view), asked, pool);
        let standings = standings.get(..pool.members().len()).unwrap_or_default();
        let is_foreign = |standing: &Standing| standing.health == Health::Forbidden;
        if standings.iter().all(is_foreign) {
            // As where there is no pool: such a token does not learn that there is one.
            let alias = pool.members().first().map(|member| member.alias.as_str());
            self.check(token, entry, alias, class)?;
        }
        let order = pool::order(pool, standings, self.by(state, entered, pool), self.now);
        let order = match (&order, on_trial) {
            (Ok(order), _) => Some(order.iter()),
            (Err(_), Some(_)) => None,
            (Err(exhausted), None) => {
                state.counted = state.keyless.find(entered.view.record(), asked.slug());
                return Err(self.exhausted(pool, standings, *exhausted, entry));
            }
        };
        let headers = match asked.custom {
            Some(custom) => self.headers(Some(token), custom)?,
            None => None,
        };
        let mut first = None;
        let (mut has_limited_key, mut has_budgeted_key) = (false, false);
        let mut others = Others::default();
        // The one that is tried goes first: it is the only way to learn of it, and the others are behind it.
        for place in on_trial.into_iter().chain(order.into_iter().flatten()) {
            let Some(Member { key, injected }) = members.get_mut(place).and_then(Option::take)
            else {
                continue;
            };
            has_limited_key |= key.record.rate_limit.is_some();
            has_budgeted_key |= has_budgets(&key.record);
            if first.is_none() {
                let injected = self.begin_with(state, &mut others, key, injected, headers, asked);
                first = Some(injected);
            } else {
                others.add(beside(injected, headers), When::Passed);
            }
        }
        match first {
            Some(injected) => Ok(Stored {
                injected,
                behind: Behind {
                    others: others.boxed(),
                    is_pooled: true,
                    has_limited_key,
                    has_budgeted_key,
                },
            }),
            None => Err(self.exhausted(pool, standings, Exhausted::NotByWaiting, entry)),
        }
    }

    /// How each member stands, what is injected with it, and which one is tried although its status says no.
    fn members(
        &self,
        state: &mut State,
        (token, view): (&Entry, &'a GatewayView),
        asked: Asked<'_>,
        pool: &Pool,
    ) -> Members<'a> {
        let missing = Standing {
            key: None,
            health: Health::Missing,
        };
        let mut all = Members {
            standings: [missing; Pool::MOST],
            members: array::from_fn(|_| None),
            on_trial: None,
        };
        let places = pool.members().iter().zip(&mut all.standings);
        for (place, ((member, standing), slot)) in places.zip(&mut all.members).enumerate() {
            let alias = member.alias.as_str();
            if !token.record.grant.aliases.allows(alias) {
                standing.health = Health::Forbidden;
            } else if let Some(key) = view.key(asked.slug(), alias) {
                (*standing, *slot) = self.member(state, key, asked.opening());
            }
            // Past its date a key is not tried, and no old value stands in for it.
            let is_refused = |member: &&mut Member<'_>| {
                let record = &member.key.record;
                matches!(standing.health, Health::NotActive(_))
                    && !record.is_stopped_by_date(self.now)
            };
            let Some(member) = slot.as_mut().filter(is_refused) else {
                continue;
            };
            if all.on_trial.is_none() && self.takes_trial(&member.injected, asked.route) {
                all.on_trial = Some(place);
            } else if let Some(previous) = self.stands_in(state, member.key, asked) {
                member.injected = previous;
                standing.health = Health::Usable;
            }
        }
        all
    }

    /// Whether this request is the one that tries a key which the provider refused. It must be one that can be sent again
    /// with another, as far as its head tells.
    fn takes_trial(&self, injected: &Injected, route: &Route<'_>) -> bool {
        let stored = injected.stored.as_ref();
        self.is_short()
            && self.may_try(injected, route)
            && stored.is_some_and(|stored| stored.health.take_trial())
    }

    /// Whether the request can be sent again with another key, as far as its head tells.
    fn is_short(&self) -> bool {
        let length = self.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        length.is_some_and(|length| length <= MOST_BYTES)
    }

    /// How a key stands, and what is injected with it.
    fn member<'v>(
        &self,
        state: &mut State,
        key: &'v Arc<ProviderKey>,
        opening: Opening<'_>,
    ) -> (Standing, Option<Member<'v>>) {
        let standing = |health| Standing {
            key: Some(key.record.id),
            health,
        };
        match state.credentials.find(key, opening) {
            Ok(injected) => {
                let standing = standing(self.health(key, &injected));
                (standing, Some(Member { key, injected }))
            }
            Err(_) => (standing(Health::Unusable), None),
        }
    }

    fn health(&self, key: &ProviderKey, injected: &Injected) -> Health {
        let record = &key.record;
        if record.disabled_at.is_some() {
            return Health::Disabled;
        }
        if record.status != KeyStatus::Active {
            return Health::NotActive(record.status);
        }
        if record.is_stopped_by_date(self.now) {
            return Health::NotActive(KeyStatus::Expired);
        }
        let Some(health) = injected.stored.as_ref().map(|stored| &stored.health) else {
            return Health::Unusable;
        };
        if let Some(until) = health.out_of_funds_until(self.now) {
            return Health::OutOfFundsUntil(until);
        }
        if let Some(until) = health.limited_until(self.now) {
            return Health::LimitedUntil(until);
        }
        match health.is_suspect() {
            true => Health::Suspect,
            false => Health::Usable,
        }
    }

    /// By what a weighted pool chooses: the conversation, where the request names one or it is known by its beginning.
    fn by(&self, state: &mut State, entered: &Entered<'_>, pool: &Pool) -> By<'a> {
        if let Some(session) = self.session(entered) {
            return By::Session(session);
        }
        match (pool.strategy(), self.sender.seen) {
            (
                PoolStrategy::Conversation,
                Seen::Read {
                    conversation: Some(conversation),
                    ..
                },
            ) => By::Session(conversation),
            _ => By::Random(state.next_draw()),
        }
    }

    /// What the request says of its conversation.
    fn session(&self, entered: &Entered<'_>) -> Option<&'a [u8]> {
        let settings = &entered.view.record().settings;
        let session = match &settings.session_header {
            Some(header) => self.headers.get(header.name()),
            None => self.headers.get(SessionHeader::DEFAULT),
        };
        session
            .map(HeaderValue::as_bytes)
            .filter(|session| !session.is_empty())
    }

    /// Whether the body is to be read for its conversation: nobody looked yet, the pool asks for it, the request names
    /// none, and its head announces JSON that is short enough to be held.
    pub(super) fn wants_conversation(&self, entered: &Entered<'_>, provider: &Provider) -> bool {
        let pool = entered.view.record().settings.pools.find(provider.slug());
        pool.is_some_and(|pool| pool.strategy() == PoolStrategy::Conversation)
            && matches!(self.sender.seen, Seen::Unread)
            && matches!(self.head.alias, Field::Absent)
            && self.handshake.is_none()
            && *self.method == Method::POST
            && self.session(entered).is_none()
            && self.is_short()
            && self.is_json()
    }

    fn is_json(&self) -> bool {
        let content_type = self.headers.get(CONTENT_TYPE);
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
    }

    fn exhausted(
        &self,
        pool: &Pool,
        standings: &[Standing],
        why: Exhausted,
        entry: &ProviderEntry,
    ) -> Refusal {
        let gateway = self.address.gateway.to_owned();
        let provider = entry.provider.slug().to_owned();
        let members = pool::told(pool, standings, self.now);
        match why {
            Exhausted::Until(wait) => Refusal::PoolLimited {
                gateway,
                provider,
                members,
                seconds: wait.as_secs(),
            },
            Exhausted::NotByWaiting => Refusal::PoolUnusable {
                gateway,
                provider,
                members,
            },
        }
    }
}
