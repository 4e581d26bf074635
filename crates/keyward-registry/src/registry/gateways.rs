//! Making, changing and removing gateways.

use std::{sync::Arc, time::SystemTime};

use keyward_secret::AccountId;

use crate::{
    Actor, Change, ChangeError, GatewayId, GatewayRecord, GatewaySettings, ProviderKey, Refusal,
    Registry, Snapshot, Subject,
};

impl Registry {
    /// Makes a gateway.
    ///
    /// # Errors
    ///
    /// [`Refusal::GatewayExists`], or the store's failure.
    pub async fn create_gateway(
        &self,
        account: AccountId,
        id: GatewayId,
        settings: GatewaySettings,
        actor: Actor,
        now: SystemTime,
    ) -> Result<GatewayRecord, ChangeError> {
        let _turn = self.turn().await?;
        let exists = || Refusal::GatewayExists(id.to_string());
        if self.snapshot().gateway(account, id.as_str()).is_some() {
            return Err(exists().into());
        }
        let record = GatewayRecord {
            account,
            id: id.clone(),
            settings,
            created_at: now,
            modified_at: now,
        };
        let changes = vec![Change::PutGateway(record.clone())];
        let subject = Subject::Gateway(account, id.clone());
        self.commit(changes, actor, "gateway.create", subject, now)
            .await
            .map_err(|error| ChangeError::from_commit(error, exists()))?;
        Ok(record)
    }

    /// Removes a gateway with its provider keys, and the secrets that came with them and that nothing else
    /// uses. Takes effect before
    /// the call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::GatewayNotFound`], or the store's failure.
    pub async fn delete_gateway(
        &self,
        account: AccountId,
        id: &str,
        actor: Actor,
        now: SystemTime,
    ) -> Result<GatewayRecord, ChangeError> {
        let _turn = self.turn().await?;
        let snapshot = self.snapshot();
        let gateway = snapshot
            .gateway(account, id)
            .ok_or_else(|| Refusal::GatewayNotFound(id.to_owned()))?;
        let record = gateway.record.clone();
        let mut changes = self.delete_keys(&snapshot, &gateway.keys).await?;
        changes.push(Change::DeleteGateway {
            account,
            id: record.id.clone(),
        });
        let subject = Subject::Gateway(account, record.id.clone());
        self.commit(changes, actor, "gateway.delete", subject, now)
            .await?;
        Ok(record)
    }

    /// Removes these keys, and the secrets that came with them and that no other key uses.
    pub(super) async fn delete_keys(
        &self,
        snapshot: &Snapshot,
        keys: &[Arc<ProviderKey>],
    ) -> Result<Vec<Change>, ChangeError> {
        let goes = |key: &ProviderKey| keys.iter().any(|gone| gone.record.id == key.record.id);
        let mut changes = Vec::new();
        for key in keys {
            let (account, secret) = (key.record.account, key.record.secret);
            changes.push(Change::DeleteProviderKey {
                account,
                id: key.record.id,
            });
            let used_elsewhere = snapshot
                .keys_of_secret(account, secret)
                .any(|other| !goes(other));
            if !used_elsewhere && self.goes_with_its_keys(key).await? {
                changes.push(Change::Vault(keyward_vault::Change::DeleteSecret {
                    account,
                    secret,
                }));
            }
        }
        Ok(changes)
    }
}
