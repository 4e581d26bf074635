//! The place that a secret's name says: which gateway uses its value, for which provider and under which alias.

use std::{iter, sync::Arc, time::SystemTime};

use keyward_secret::{AccountId, Destination};
use keyward_vault::{SecretId, SecretRecord, SecretsStoreId};

use super::NewSecret;
use crate::{
    Alias, Change, ChangeError, CustomSlug, GatewayId, ProviderKeyRecord, ProviderSlug, Refusal,
    Registry, SecretRefusal, SecretScope, Snapshot, naming,
};

/// The place that a secret's name says, and the origins of its provider.
pub(super) struct Place {
    gateway: GatewayId,
    provider: ProviderSlug,
    alias: Alias,
    pub(super) destination: Destination,
}

impl Registry {
    /// The secrets whose names say this place, in the store `only` or in any.
    pub(in crate::registry) fn secrets_for(
        &self,
        snapshot: &Snapshot,
        (account, only): (AccountId, Option<SecretsStoreId>),
        gateway: &GatewayId,
        provider: &ProviderSlug,
        alias: &Alias,
    ) -> Vec<Arc<SecretRecord>> {
        // What may stand for the provider in a name: `places` says what it then means.
        let slug = provider.as_str();
        let bare = slug.strip_prefix(CustomSlug::PREFIX);
        let built_in = self.catalogue.find(slug);
        let aliases = built_in.into_iter().flat_map(|provider| provider.aliases());
        let spellings = iter::once(slug)
            .chain(bare)
            .chain(aliases.map(AsRef::as_ref));
        let names = spellings.map(|slug| format!("{gateway}_{slug}_{alias}"));
        let says_it = |name: &String| {
            let places = self.places(snapshot, account, name);
            places.iter().any(|(reading, meant)| {
                (&reading.gateway, meant, &reading.alias) == (gateway, provider, alias)
            })
        };
        let found = names
            .filter(says_it)
            .flat_map(|name| self.secrets.named(account, &name));
        found
            .filter(|secret| only.is_none_or(|store| secret.store == store))
            .collect()
    }

    /// What a secret's name says in this account, with the provider by the slug that provider keys have.
    fn places(
        &self,
        snapshot: &Snapshot,
        account: AccountId,
        name: &str,
    ) -> Vec<(naming::Reading, ProviderSlug)> {
        naming::places(
            name,
            |gateway| snapshot.gateway(account, gateway.as_str()).is_some(),
            |slug| {
                let built_in = self.catalogue.find(slug.as_str());
                let bare = slug.as_str();
                let bare = bare.strip_prefix(CustomSlug::PREFIX).unwrap_or(bare);
                let custom = snapshot.custom_provider(account, bare);
                let custom = custom.map(|custom| &custom.provider);
                let slugs = built_in.into_iter().chain(custom);
                slugs
                    .filter_map(|known| ProviderSlug::parse(known.slug()).ok())
                    .collect()
            },
        )
    }

    /// The one place that a new secret is for; none where it is for no gateway, or its provider cannot be used.
    pub(super) fn place_of(
        &self,
        snapshot: &Snapshot,
        account: AccountId,
        new: &NewSecret,
        index: usize,
    ) -> Result<Option<Place>, ChangeError> {
        if !new.scopes.contains(&SecretScope::AiGateway) {
            return Ok(None);
        }
        let places = self.places(snapshot, account, new.name.as_str());
        if places.len() > 1 {
            let told = |(reading, provider): &(naming::Reading, ProviderSlug)| {
                let naming::Reading { gateway, alias, .. } = reading;
                format!("gateway `{gateway}`, provider `{provider}`, alias `{alias}`")
            };
            return Err(SecretRefusal::Ambiguous {
                index: Some(index),
                name: new.name.to_string(),
                readings: places.iter().map(told).collect(),
            }
            .into());
        }
        let Some((reading, provider)) = places.into_iter().next() else {
            return Ok(None);
        };
        match self.destination_of(account, &provider) {
            Ok(destination) => Ok(Some(Place {
                gateway: reading.gateway,
                provider,
                alias: reading.alias,
                destination,
            })),
            // A provider that cannot be used has no origin that could be sealed.
            Err(error) if matches!(error.refusal(), Refusal::ProviderRefused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The provider key at a place that has lost its secret takes the new one.
    pub(super) fn adopt(
        &self,
        snapshot: &Snapshot,
        account: AccountId,
        place: &Place,
        secret: SecretId,
        now: SystemTime,
    ) -> Option<Change> {
        let gateway = snapshot.gateway(account, place.gateway.as_str())?;
        let key = gateway.key(place.provider.as_str(), place.alias.as_str())?;
        let is_orphan = self.secrets.find(account, key.record.secret).is_none();
        is_orphan.then(|| {
            Change::PutProviderKey(ProviderKeyRecord {
                secret,
                ..key.record.renewed(now)
            })
        })
    }
}
