//! Adding, changing and removing custom providers.

use std::{sync::Arc, time::SystemTime};

use keyward_providers::{BaseUrl, CredentialPlacement, Provider};
use keyward_secret::AccountId;

use crate::{
    Actor, Change, ChangeError, CustomProvider, CustomProviderDetails, CustomProviderId,
    CustomProviderRecord, CustomSlug, HeaderInput, Link, Logo, OpenHeadersError, ProviderKey,
    Refusal, Registry, Subject,
};

/// What is needed to add a custom provider.
#[expect(
    missing_debug_implementations,
    reason = "the headers have no printable form"
)]
pub struct NewCustomProvider {
    /// The account.
    pub account: AccountId,
    /// Its name in paths, behind `custom-`.
    pub slug: CustomSlug,
    /// Where it is.
    pub base_url: BaseUrl,
    /// How it takes a key.
    pub placement: CredentialPlacement,
    /// Whether requests are served.
    pub enabled: bool,
    /// What people read of it.
    pub details: CustomProviderDetails,
    /// Headers that requests to it carry: sealed now, for where it is.
    pub headers: HeaderInput,
}

/// What may be changed of a custom provider. `None` leaves it as it is; `Some(None)` takes it away.
#[derive(Default)]
#[expect(
    missing_debug_implementations,
    reason = "the headers have no printable form"
)]
pub struct CustomProviderEdit {
    /// Where it is.
    pub base_url: Option<BaseUrl>,
    /// How it takes a key.
    pub placement: Option<CredentialPlacement>,
    /// Whether requests are served.
    pub enabled: Option<bool>,
    /// The name for people.
    pub name: Option<String>,
    /// The note.
    pub description: Option<Option<String>>,
    /// The provider's page.
    pub link: Option<Option<Link>>,
    /// The picture.
    pub logo: Option<Option<Logo>>,
    /// A request as a command line.
    pub curl_example: Option<Option<String>>,
    /// A request in JavaScript.
    pub js_example: Option<Option<String>>,
    /// Where it stands in a list.
    pub position: Option<Option<i64>>,
    /// Whether it is on trial.
    pub beta: Option<bool>,
    /// All headers: those that are not given are taken away.
    pub headers: Option<HeaderInput>,
}

impl Registry {
    /// The provider of this slug or alias: one of the catalogue, or one of the account's own, whose slug may
    /// stand with or without `custom-`. Its [`slug`](Provider::slug) is the one that provider keys and scopes of
    /// tokens hold.
    #[must_use]
    pub fn find_provider(&self, account: AccountId, slug: &str) -> Option<Arc<Provider>> {
        if let Some(provider) = self.catalogue().find(slug) {
            return Some(Arc::clone(provider));
        }
        let bare = slug.strip_prefix(CustomSlug::PREFIX).unwrap_or(slug);
        let snapshot = self.snapshot();
        let custom = snapshot.custom_provider(account, bare)?;
        Some(Arc::clone(&custom.provider))
    }

    /// The refusal of a slug that is no provider's, with what was probably meant.
    #[must_use]
    pub fn provider_unknown(&self, slug: &str) -> Refusal {
        Refusal::ProviderUnknown {
            provider: slug.to_owned(),
            nearest: self.catalogue().nearest(slug).map(str::to_owned),
        }
    }

    /// Adds a custom provider.
    ///
    /// # Errors
    ///
    /// [`Refusal::CustomProviderExists`], [`Refusal::SlugBuiltIn`], [`Refusal::Headers`] where a mask stands in
    /// the place of a value, or the store's failure.
    pub async fn create_custom_provider(
        &self,
        new: NewCustomProvider,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<CustomProvider>, ChangeError> {
        let _turn = self.turn().await?;
        let slug = new.slug.as_str();
        if self.catalogue().find(slug).is_some() {
            return Err(Refusal::SlugBuiltIn(slug.to_owned()).into());
        }
        if self.snapshot().custom_provider(new.account, slug).is_some() {
            return Err(Refusal::CustomProviderExists.into());
        }
        let headers = new.headers.resolve(&[]).map_err(Refusal::Headers)?;
        let mut record = CustomProviderRecord {
            id: CustomProviderId::random().map_err(ChangeError::failed)?,
            account: new.account,
            slug: new.slug,
            base_url: new.base_url,
            placement: new.placement,
            enabled: new.enabled,
            details: new.details,
            headers: None,
            headers_sealed: 0,
            created_at: now,
            modified_at: now,
        };
        record
            .seal_headers(self.vault(), &headers)
            .map_err(ChangeError::failed)?;
        let (account, id) = (record.account, record.id);
        self.put_custom_provider(record, actor, "custom_provider.create", now)
            .await?;
        self.stored_custom_provider(account, id)
    }

    /// Changes a custom provider. Takes effect before the call returns.
    ///
    /// Provider keys and headers that were entered before its origin changed stay sealed for the old one, and
    /// requests that need them are refused until they are entered again. Headers that are given as the masks of
    /// all that is stored are left as they are.
    ///
    /// # Errors
    ///
    /// [`Refusal::CustomProviderNotFound`]; [`Refusal::Headers`] where a mask is that of no stored value;
    /// [`Refusal::HeadersElsewhere`] where some values are to be kept and are sealed for another origin; or the
    /// store's failure.
    pub async fn edit_custom_provider(
        &self,
        account: AccountId,
        id: CustomProviderId,
        edit: CustomProviderEdit,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<CustomProvider>, ChangeError> {
        let _turn = self.turn().await?;
        let stored = self.stored_custom_provider(account, id)?;
        let mut record = stored.record.clone();
        let headers = edit.apply(&mut record);
        if let Some(headers) = headers {
            self.replace_headers(&mut record, headers)?;
        }
        record.modified_at = now;
        self.put_custom_provider(record, actor, "custom_provider.edit", now)
            .await?;
        self.stored_custom_provider(account, id)
    }

    /// Removes a custom provider with every provider key that is for it, in any gateway of the account, and the
    /// secrets that came with these keys and that nothing else uses. Takes effect before the call returns; returns what was removed. So one that
    /// is added later under the same slug has no keys.
    ///
    /// # Errors
    ///
    /// [`Refusal::CustomProviderNotFound`], or the store's failure.
    pub async fn delete_custom_provider(
        &self,
        account: AccountId,
        id: CustomProviderId,
        actor: Actor,
        now: SystemTime,
    ) -> Result<(Arc<CustomProvider>, Vec<Arc<ProviderKey>>), ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let provider = self.stored_custom_provider(account, id)?;
        let slug = provider.provider.slug();
        let keys: Vec<_> = snapshot
            .account(account)
            .into_iter()
            .flat_map(|account| account.provider_keys())
            .filter(|key| key.record.provider.as_str() == slug)
            .cloned()
            .collect();
        let mut changes = self.delete_keys(&snapshot, &keys).await?;
        changes.push(Change::DeleteCustomProvider { account, id });
        let subject = Subject::CustomProvider(account, id);
        self.commit(changes, actor, "custom_provider.delete", subject, now)
            .await?;
        Ok((provider, keys))
    }

    async fn put_custom_provider(
        &self,
        record: CustomProviderRecord,
        actor: Actor,
        action: &'static str,
        now: SystemTime,
    ) -> Result<(), ChangeError> {
        let subject = Subject::CustomProvider(record.account, record.id);
        let changes = vec![Change::PutCustomProvider(Box::new(record))];
        self.commit(changes, actor, action, subject, now)
            .await
            .map_err(|error| ChangeError::from_commit(error, Refusal::CustomProviderExists))
    }

    fn replace_headers(
        &self,
        record: &mut CustomProviderRecord,
        headers: HeaderInput,
    ) -> Result<(), ChangeError> {
        let masks = record.headers.as_ref().map(|headers| &headers.masks);
        if masks.is_some_and(|masks| headers.is_all_of(masks)) {
            return Ok(());
        }
        // Opened for where the provider is to be: a mask never takes a value to another origin.
        let stored = if headers.has_masks() {
            let opened = record.open_headers(self.vault());
            opened.map_err(|error| match error {
                OpenHeadersError::Elsewhere { sealed_for } => Refusal::HeadersElsewhere {
                    sealed_for,
                    wanted: record.base_url.origin().to_string(),
                },
                OpenHeadersError::Damaged => Refusal::HeadersDamaged,
            })?
        } else {
            Vec::new()
        };
        let headers = headers.resolve(&stored).map_err(Refusal::Headers)?;
        record
            .seal_headers(self.vault(), &headers)
            .map_err(ChangeError::failed)
    }

    fn stored_custom_provider(
        &self,
        account: AccountId,
        id: CustomProviderId,
    ) -> Result<Arc<CustomProvider>, ChangeError> {
        let snapshot = self.snapshot();
        let provider = snapshot.custom_provider_by_id(account, id).cloned();
        Ok(provider.ok_or(Refusal::CustomProviderNotFound)?)
    }
}

impl CustomProviderEdit {
    /// Changes everything but the headers, which it hands back.
    fn apply(self, record: &mut CustomProviderRecord) -> Option<HeaderInput> {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut record.base_url, self.base_url);
        set(&mut record.placement, self.placement);
        set(&mut record.enabled, self.enabled);
        let details = &mut record.details;
        set(&mut details.name, self.name);
        set(&mut details.description, self.description);
        set(&mut details.link, self.link);
        set(&mut details.logo, self.logo);
        set(&mut details.curl_example, self.curl_example);
        set(&mut details.js_example, self.js_example);
        set(&mut details.position, self.position);
        set(&mut details.beta, self.beta);
        self.headers
    }
}
