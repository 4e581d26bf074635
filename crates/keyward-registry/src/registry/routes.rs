//! Making, changing, deploying and removing dynamic routes.

use std::{sync::Arc, time::SystemTime};

use keyward_providers::Provider;
use keyward_routes::{Graph, GraphError, Known, RouteName, Servable};
use keyward_secret::AccountId;

use crate::{
    Actor, Change, ChangeError, CustomSlug, Gateway, GatewayId, KEPT_DEPLOYMENTS, KEPT_VERSIONS,
    LONGEST_COMMENT, MOST_ROUTES, Refusal, Registry, Route, RouteChange, RouteDeploymentId,
    RouteDeploymentRecord, RouteId, RouteRecord, RouteVersionId, RouteVersionRecord, StoreError,
    Subject,
};

/// What is needed to make a route.
#[derive(Clone, Debug)]
pub struct NewRoute {
    /// The account.
    pub account: AccountId,
    /// The gateway.
    pub gateway: GatewayId,
    /// Its name in the gateway.
    pub name: RouteName,
    /// The elements of its first version, as JSON.
    pub elements: String,
    /// A note on its first version, at most [`LONGEST_COMMENT`] long.
    pub comment: Option<String>,
}

/// What a graph's parser asks of the world, for one gateway.
struct Surroundings<'a> {
    registry: &'a Registry,
    account: AccountId,
    gateway: Arc<Gateway>,
}

impl Known for Surroundings<'_> {
    fn provider(&self, slug: &str) -> Servable {
        // Requests name a custom provider with its prefix.
        let is_custom = |provider: &Provider| provider.slug().starts_with(CustomSlug::PREFIX);
        match self.registry.find_provider(self.account, slug) {
            Some(provider) if is_custom(&provider) && !slug.starts_with(CustomSlug::PREFIX) => {
                Servable::Unknown
            }
            Some(provider) if provider.compat().is_some() => Servable::Yes,
            Some(_) => Servable::NoCompatiblePath,
            None => Servable::Unknown,
        }
    }

    fn has_key(&self, slug: &str) -> bool {
        let provider = self.registry.find_provider(self.account, slug);
        provider.is_some_and(|provider| self.gateway.keys_for(provider.slug()).next().is_some())
    }
}

impl Registry {
    /// Parses the elements of a route of `gateway`, as they are parsed where they are saved. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::GatewayNotFound`], or [`Refusal::RouteElements`] with every fault.
    pub fn parse_route(
        &self,
        account: AccountId,
        gateway: &str,
        elements: &str,
    ) -> Result<Graph, ChangeError> {
        let gateway = self.gateway_of_routes(account, gateway)?;
        Ok(self
            .parse_elements(gateway, elements)
            .map_err(Refusal::RouteElements)?)
    }

    /// Makes a route with its first version, and deploys that. Takes effect before the call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::GatewayNotFound`], [`Refusal::RouteExists`], [`Refusal::TooManyRoutes`], [`Refusal::RouteElements`],
    /// [`Refusal::CommentTooLong`], or the store's failure.
    pub async fn create_route(
        &self,
        new: NewRoute,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<Route>, ChangeError> {
        let _turn = self.turn().await?;
        let (account, name) = (new.account, new.name);
        let gateway = self.gateway_of_routes(account, new.gateway.as_str())?;
        if gateway.route(name.as_str()).is_some() {
            return Err(Refusal::RouteExists(name.to_string()).into());
        }
        if gateway.route_count() >= MOST_ROUTES {
            return Err(Refusal::TooManyRoutes(MOST_ROUTES).into());
        }
        self.parse_elements(gateway, &new.elements)
            .map_err(Refusal::RouteElements)?;
        check_comment(new.comment.as_deref())?;
        let id = RouteId::random().map_err(ChangeError::failed)?;
        let version = RouteVersionRecord {
            id: RouteVersionId::random().map_err(ChangeError::failed)?,
            account,
            route: id,
            number: 1,
            elements: new.elements.into(),
            comment: new.comment,
            created_at: now,
        };
        let record = RouteRecord {
            id,
            account,
            gateway: new.gateway,
            name,
            deployed: version.id,
            versions: 1,
            deployments: 1,
            created_at: now,
            modified_at: now,
        };
        let deployment = deployment(&record, None, now)?;
        let changes = vec![
            Change::Route(RouteChange::PutRoute(record.clone())),
            Change::Route(RouteChange::PutVersion(version)),
            Change::Route(RouteChange::PutDeployment(deployment)),
        ];
        self.commit_route(changes, &record, actor, "route.create", now)
            .await?;
        self.stored_route(account, record.gateway.as_str(), id)
    }

    /// Gives a route another name. Takes effect before the call returns: requests for the old name are refused from then
    /// on.
    ///
    /// # Errors
    ///
    /// [`Refusal::RouteNotFound`], [`Refusal::RouteExists`], or the store's failure.
    pub async fn rename_route(
        &self,
        (account, gateway): (AccountId, &str),
        id: RouteId,
        name: RouteName,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<Route>, ChangeError> {
        let _turn = self.turn().await?;
        let route = self.stored_route(account, gateway, id)?;
        let taken = self
            .gateway_of_routes(account, gateway)?
            .route(name.as_str())
            .is_some_and(|other| other.record.id != id);
        if taken {
            return Err(Refusal::RouteExists(name.to_string()).into());
        }
        let record = RouteRecord {
            name,
            modified_at: now,
            ..route.record.clone()
        };
        let changes = vec![Change::Route(RouteChange::PutRoute(record.clone()))];
        self.commit_route(changes, &record, actor, "route.rename", now)
            .await?;
        self.stored_route(account, gateway, id)
    }

    /// Saves other elements as a new version of a route. Deploys nothing. Of more than [`KEPT_VERSIONS`] the oldest goes,
    /// unless it is deployed.
    ///
    /// # Errors
    ///
    /// [`Refusal::RouteNotFound`], [`Refusal::RouteElements`], [`Refusal::CommentTooLong`], or the store's failure.
    pub async fn create_route_version(
        &self,
        (account, gateway): (AccountId, &str),
        id: RouteId,
        (elements, comment): (String, Option<String>),
        actor: Actor,
        now: SystemTime,
    ) -> Result<RouteVersionRecord, ChangeError> {
        let _turn = self.turn().await?;
        let route = self.stored_route(account, gateway, id)?;
        self.parse_elements(self.gateway_of_routes(account, gateway)?, &elements)
            .map_err(Refusal::RouteElements)?;
        check_comment(comment.as_deref())?;
        let record = RouteRecord {
            versions: next_number(route.record.versions)?,
            ..route.record.clone()
        };
        let version = RouteVersionRecord {
            id: RouteVersionId::random().map_err(ChangeError::failed)?,
            account,
            route: id,
            number: record.versions,
            elements: elements.into(),
            comment,
            created_at: now,
        };
        let mut changes = vec![
            Change::Route(RouteChange::PutRoute(record.clone())),
            Change::Route(RouteChange::PutVersion(version.clone())),
        ];
        let deployed = route.deployed().map(|deployed| deployed.number);
        let oldest = version.number.saturating_sub(KEPT_VERSIONS);
        if oldest > 0 && deployed != Some(oldest) {
            changes.push(Change::Route(RouteChange::DeleteVersion {
                account,
                route: id,
                number: oldest,
            }));
        }
        self.commit_route(changes, &record, actor, "route_version.create", now)
            .await?;
        Ok(version)
    }

    /// Deploys a version of a route, also an older one. Takes effect before the call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::RouteNotFound`], [`Refusal::RouteVersionNotFound`], [`Refusal::RouteElements`] where this release does not
    /// take the version's elements any more, [`Refusal::CommentTooLong`], or the store's failure.
    pub async fn deploy_route(
        &self,
        (account, gateway): (AccountId, &str),
        id: RouteId,
        (version, comment): (RouteVersionId, Option<String>),
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<Route>, ChangeError> {
        let _turn = self.turn().await?;
        let route = self.stored_route(account, gateway, id)?;
        let found = self.store().find_route_version(account, id, version);
        let version = found
            .await?
            .ok_or_else(|| Refusal::RouteVersionNotFound(version.to_string()))?;
        version.compile().map_err(Refusal::RouteElements)?;
        check_comment(comment.as_deref())?;
        let record = RouteRecord {
            deployed: version.id,
            deployments: next_number(route.record.deployments)?,
            modified_at: now,
            ..route.record.clone()
        };
        let mut changes = vec![
            Change::Route(RouteChange::PutRoute(record.clone())),
            Change::Route(RouteChange::PutDeployment(deployment(
                &record, comment, now,
            )?)),
        ];
        let oldest = record.deployments.saturating_sub(KEPT_DEPLOYMENTS);
        if oldest > 0 {
            changes.push(Change::Route(RouteChange::DeleteDeployment {
                account,
                route: id,
                number: oldest,
            }));
        }
        // One that was kept for being deployed alone.
        let kept_from = record.versions.saturating_sub(KEPT_VERSIONS);
        let before = route.deployed().map(|before| before.number);
        if let Some(number) = before.filter(|number| *number <= kept_from)
            && number != version.number
        {
            changes.push(Change::Route(RouteChange::DeleteVersion {
                account,
                route: id,
                number,
            }));
        }
        self.commit_route(changes, &record, actor, "route_deployment.create", now)
            .await?;
        self.stored_route(account, gateway, id)
    }

    /// Removes a route with its versions and deployments; returns what was removed. Takes effect before the call returns.
    ///
    /// # Errors
    ///
    /// [`Refusal::RouteNotFound`], or the store's failure.
    pub async fn delete_route(
        &self,
        (account, gateway): (AccountId, &str),
        id: RouteId,
        actor: Actor,
        now: SystemTime,
    ) -> Result<Arc<Route>, ChangeError> {
        let _turn = self.turn().await?;
        let route = self.stored_route(account, gateway, id)?;
        let changes = vec![Change::Route(RouteChange::DeleteRoute { account, id })];
        self.commit_route(changes, &route.record, actor, "route.delete", now)
            .await?;
        Ok(route)
    }

    /// A route of a gateway.
    ///
    /// # Errors
    ///
    /// [`Refusal::GatewayNotFound`] or [`Refusal::RouteNotFound`].
    pub fn stored_route(
        &self,
        account: AccountId,
        gateway: &str,
        id: RouteId,
    ) -> Result<Arc<Route>, ChangeError> {
        self.gateway_of_routes(account, gateway)?;
        let snapshot = self.snapshot();
        let route = snapshot.route(account, id).cloned();
        let route = route.filter(|route| route.record.gateway.as_str() == gateway);
        Ok(route.ok_or_else(|| Refusal::RouteNotFound(id.to_string()))?)
    }

    fn gateway_of_routes(
        &self,
        account: AccountId,
        gateway: &str,
    ) -> Result<Arc<Gateway>, ChangeError> {
        let snapshot = self.snapshot();
        let found = snapshot.gateway(account, gateway).cloned();
        Ok(found.ok_or_else(|| Refusal::GatewayNotFound(gateway.to_owned()))?)
    }

    fn parse_elements(&self, gateway: Arc<Gateway>, elements: &str) -> Result<Graph, GraphError> {
        let known = Surroundings {
            registry: self,
            account: gateway.record().account,
            gateway,
        };
        Graph::parse_text(elements, &known)
    }

    async fn commit_route(
        &self,
        changes: Vec<Change>,
        record: &RouteRecord,
        actor: Actor,
        action: &'static str,
        now: SystemTime,
    ) -> Result<(), ChangeError> {
        let subject = Subject::Route(record.account, record.id);
        let taken = Refusal::RouteExists(record.name.to_string());
        self.commit(changes, actor, action, subject, now)
            .await
            .map_err(|error| ChangeError::from_commit(error, taken))
    }
}

/// The deployment that puts what the record says in force.
fn deployment(
    record: &RouteRecord,
    comment: Option<String>,
    now: SystemTime,
) -> Result<RouteDeploymentRecord, ChangeError> {
    Ok(RouteDeploymentRecord {
        id: RouteDeploymentId::random().map_err(ChangeError::failed)?,
        account: record.account,
        route: record.id,
        number: record.deployments,
        version: record.deployed,
        comment,
        created_at: now,
    })
}

fn check_comment(comment: Option<&str>) -> Result<(), Refusal> {
    if comment.is_some_and(|comment| comment.len() > LONGEST_COMMENT) {
        return Err(Refusal::CommentTooLong(LONGEST_COMMENT));
    }
    Ok(())
}

fn next_number(number: u32) -> Result<u32, ChangeError> {
    let used_up = || StoreError::damaged("number a route's version", "the numbers are used up");
    Ok(number.checked_add(1).ok_or_else(used_up)?)
}
