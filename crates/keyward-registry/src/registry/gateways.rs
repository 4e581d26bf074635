//! Making, changing and removing gateways.

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use keyward_secret::AccountId;

use crate::{
    Actor, Change, ChangeError, GatewayId, GatewayRecord, GatewaySettings, ProviderKey, Refusal,
    Registry, RouteChange, Snapshot, Subject,
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

    /// Replaces a gateway's settings: `decide` gets the newest and returns what they become, or why not.
    /// Takes effect before the call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::GatewayNotFound`], what `decide` refuses, or the store's failure.
    pub async fn update_gateway<E: From<ChangeError>>(
        &self,
        account: AccountId,
        id: &str,
        decide: impl FnOnce(&GatewaySettings) -> Result<GatewaySettings, E> + Send,
        actor: Actor,
        now: SystemTime,
    ) -> Result<GatewayRecord, E> {
        let _turn = self.turn().await.map_err(ChangeError::from)?;
        let snapshot = self.snapshot();
        let gateway = snapshot
            .gateway(account, id)
            .ok_or_else(|| ChangeError::from(Refusal::GatewayNotFound(id.to_owned())))?;
        let record = GatewayRecord {
            settings: decide(&gateway.record.settings)?,
            modified_at: now,
            ..gateway.record.clone()
        };
        let subject = Subject::Gateway(account, record.id.clone());
        let changes = vec![Change::PutGateway(record.clone())];
        self.commit(changes, actor, "gateway.update", subject, now)
            .await
            .map_err(ChangeError::from)?;
        Ok(record)
    }

    /// Removes a gateway with its routes and its provider keys, and the secrets that came with them and that nothing else
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
        let keys: Vec<_> = gateway.keys().cloned().collect();
        let mut changes = self.delete_keys(&snapshot, &keys).await?;
        changes.extend(gateway.routes().map(|route| {
            Change::Route(RouteChange::DeleteRoute {
                account,
                id: route.record.id,
            })
        }));
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
        let gone: HashSet<_> = keys.iter().map(|key| key.record.id).collect();
        let mut changes = Vec::new();
        for key in keys {
            let (account, secret) = (key.record.account, key.record.secret);
            changes.push(Change::DeleteProviderKey {
                account,
                id: key.record.id,
            });
            let used_elsewhere = snapshot
                .keys_of_secret(account, secret)
                .any(|other| !gone.contains(&other.record.id));
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
