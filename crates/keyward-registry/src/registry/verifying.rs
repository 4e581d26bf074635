//! What verifying a key needs: a value bound as it would be sealed, and a line in the audit log.

use std::{sync::Arc, time::SystemTime};

use keyward_providers::Provider;
use keyward_secret::{AccountId, BoundCredential, SecretBytes};

use super::Registry;
use crate::{Actor, ChangeError, KeyValue, ProviderSlug, Refusal, Subject};

impl Registry {
    /// `value` as a credential of `provider`, bound to the origins that it would be sealed for if it were stored now, and
    /// to no others. Nothing is stored.
    ///
    /// # Errors
    ///
    /// [`Refusal::ProviderUnknown`], [`Refusal::ProviderRefused`].
    pub fn bind_unstored(
        &self,
        account: AccountId,
        provider: &ProviderSlug,
        value: &KeyValue,
    ) -> Result<(Arc<Provider>, BoundCredential), ChangeError> {
        let destination = self.destination_of(account, provider)?;
        let found: Result<_, Refusal> = self
            .find_provider(account, provider.as_str())
            .ok_or_else(|| self.provider_unknown(provider.as_str()));
        let provider = found?;
        let secret = SecretBytes::copy_from(value.secret().expose());
        let credential = provider
            .bind(secret, destination)
            .map_err(ChangeError::failed)?;
        Ok((provider, credential))
    }

    /// Tells the audit log that `actor` had a key of `subject` asked about at its provider: nothing else is written.
    ///
    /// # Errors
    ///
    /// The store's failure.
    pub async fn note_verified(
        &self,
        subject: Subject,
        actor: Actor,
        now: SystemTime,
    ) -> Result<(), ChangeError> {
        let _turn = self.turn().await?;
        self.commit(Vec::new(), actor, "provider_key.verify", subject, now)
            .await?;
        Ok(())
    }
}
