//! Which key of a pool a request takes.

use std::{array, sync::Arc};

use keyward_providers::Route;
use keyward_registry::{KeyStatus, Pool, ProviderKey};

use super::{
    Step,
    access::Entered,
    others::{Others, When},
    stored::{NEEDS_TOKEN, Stored, beside, opening},
};
use crate::{
    Gateway,
    credentials::{Injected, Opening},
    customs::Prepared,
    gateway::ProviderEntry,
    pool::{self, By, Exhausted, Health, Standing},
    respond::Refusal,
    worker::State,
};

/// A member of a pool that can be used.
struct Member<'v> {
    key: &'v Arc<ProviderKey>,
    injected: Arc<Injected>,
}

impl<'a> Step<'a> {
    /// The key that a request without an alias takes from its provider's pool, and those that it takes instead where the
    /// provider does not take that one.
    #[expect(
        clippy::too_many_arguments,
        reason = "what the steps of one request share"
    )]
    pub(super) fn pooled(
        &self,
        gateway: &Gateway,
        state: &mut State,
        entered: &Entered<'a>,
        entry: &ProviderEntry,
        custom: Option<&Prepared>,
        route: &Route<'_>,
        pool: &Pool,
    ) -> Result<Stored, Refusal> {
        let token = entered.token.ok_or(NEEDS_TOKEN)?;
        self.check(token, entry, None, route.class)?;
        let slug = entry.provider.slug();
        let mut standings = [Standing {
            key: None,
            health: Health::Missing,
        }; Pool::MOST];
        let mut members: [Option<Member<'_>>; Pool::MOST] = array::from_fn(|_| None);
        let mut on_trial = None;
        let places = pool.members().iter().zip(&mut standings).zip(&mut members);
        let opening = opening(gateway, entry, route);
        for (place, ((member, standing), slot)) in places.enumerate() {
            let alias = member.alias.as_str();
            if !token.record.grant.aliases.allows(alias) {
                standing.health = Health::Forbidden;
            } else if let Some(key) = entered.view.key(slug, alias) {
                (*standing, *slot) = self.member(state, key, opening);
            }
            if let (Health::NotActive(_), Some(member)) = (standing.health, &slot)
                && self.may_try(member.key, &member.injected)
            {
                on_trial = Some(place);
            }
        }
        let standings = standings.get(..pool.members().len()).unwrap_or_default();
        let order = pool::order(pool, standings, self.by(state, entered), self.now);
        let order = match (&order, on_trial) {
            (Ok(order), _) => Some(order.iter()),
            (Err(_), Some(_)) => None,
            (Err(exhausted), None) => {
                state.counted = state.keyless.find(entered.view.record(), slug);
                return Err(self.exhausted(pool, standings, *exhausted, entry));
            }
        };
        let headers = match custom {
            Some(custom) => self.headers(Some(token), custom)?,
            None => None,
        };
        let mut first = None;
        let mut others = Others::default();
        // The one that is tried goes first: it is the only way to learn of it, and the others are behind it.
        for place in on_trial.into_iter().chain(order.into_iter().flatten()) {
            let Some(member) = members.get_mut(place).and_then(Option::take) else {
                continue;
            };
            if first.is_some() {
                others.add(beside(member.injected, headers), When::Passed);
                continue;
            }
            state.counted.clone_from(&member.injected.series);
            self.touch(&member.key.last_used);
            self.add_previous(
                &mut others,
                gateway,
                state,
                entry,
                member.key,
                headers,
                route,
            );
            first = Some(match headers {
                Some(headers) => {
                    let id = member.key.record.id;
                    state.customs.join(id, &member.injected, headers)
                }
                None => member.injected,
            });
        }
        match first {
            Some(injected) => Ok(Stored {
                injected,
                others: others.boxed(),
                is_pooled: true,
            }),
            None => Err(self.exhausted(pool, standings, Exhausted::NotByWaiting, entry)),
        }
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
        let Some(health) = injected.health.as_deref() else {
            return Health::Unusable;
        };
        if let Some(until) = health.broke_until(self.now) {
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

    /// By what a weighted pool chooses: the conversation, where the request names one.
    fn by(&self, state: &mut State, entered: &Entered<'_>) -> By<'a> {
        let settings = &entered.view.record().settings;
        let session = match &settings.session_header {
            Some(header) => self.headers.get(header.name()),
            None => self.headers.get(keyward_registry::SessionHeader::DEFAULT),
        };
        match session {
            Some(session) if !session.is_empty() => By::Session(session.as_bytes()),
            _ => By::Random(state.next_draw()),
        }
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
