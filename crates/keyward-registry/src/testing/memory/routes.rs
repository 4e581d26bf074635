//! Routes in memory, with their versions and deployments.

use std::collections::BTreeMap;

use keyward_secret::AccountId;

use super::Conflict;
use crate::{
    Part, RouteChange, RouteDeploymentRecord, RouteId, RouteRecord, RouteVersionId,
    RouteVersionRecord,
};

/// A route with its deployed version.
type Deployed = (RouteRecord, Option<RouteVersionRecord>);

/// By account, route and number.
type Numbered<R> = BTreeMap<(AccountId, RouteId, u32), R>;

/// What is kept of routes.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes {
    routes: BTreeMap<RouteId, RouteRecord>,
    versions: Numbered<RouteVersionRecord>,
    deployments: Numbered<RouteDeploymentRecord>,
}

impl Routes {
    pub(super) fn carry_out(&mut self, change: RouteChange) -> Result<(), Conflict> {
        match change {
            RouteChange::PutRoute(record) => self.put(record)?,
            RouteChange::DeleteRoute { account, id } => {
                let is_other =
                    |place: &(AccountId, RouteId, u32)| (place.0, place.1) != (account, id);
                self.versions.retain(|place, _| is_other(place));
                self.deployments.retain(|place, _| is_other(place));
                self.routes
                    .retain(|known, route| *known != id || route.account != account);
            }
            RouteChange::PutVersion(record) => {
                let place = (record.account, record.route, record.number);
                put_new(&mut self.versions, place, record)?;
            }
            RouteChange::PutDeployment(record) => {
                let place = (record.account, record.route, record.number);
                put_new(&mut self.deployments, place, record)?;
            }
            RouteChange::DeleteVersion {
                account,
                route,
                number,
            } => drop(self.versions.remove(&(account, route, number))),
            RouteChange::DeleteDeployment {
                account,
                route,
                number,
            } => drop(self.deployments.remove(&(account, route, number))),
        }
        Ok(())
    }

    fn put(&mut self, record: RouteRecord) -> Result<(), Conflict> {
        let place =
            |route: &RouteRecord| (route.account, route.gateway.clone(), route.name.clone());
        let taken = self
            .routes
            .values()
            .any(|known| known.id != record.id && place(known) == place(&record));
        let known = self.routes.get(&record.id);
        if taken || known.is_some_and(|known| known.account != record.account) {
            return Err(Conflict);
        }
        self.routes.insert(record.id, record);
        Ok(())
    }

    pub(super) fn find(&self, account: AccountId, id: RouteId) -> Option<Deployed> {
        let route = self.routes.get(&id);
        let ours = route.filter(|route| route.account == account);
        ours.map(|route| self.deployed(route))
    }

    pub(super) fn all(&self) -> Vec<Deployed> {
        let routes = self.routes.values();
        routes.map(|route| self.deployed(route)).collect()
    }

    fn deployed(&self, route: &RouteRecord) -> Deployed {
        let version = self.find_version(route.account, route.id, route.deployed);
        (route.clone(), version)
    }

    pub(super) fn find_version(
        &self,
        account: AccountId,
        route: RouteId,
        id: RouteVersionId,
    ) -> Option<RouteVersionRecord> {
        let mut versions = of_route(&self.versions, account, route);
        versions.find(|version| version.id == id).cloned()
    }

    pub(super) fn versions(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> Vec<RouteVersionRecord> {
        newest(of_route(&self.versions, account, route), part)
    }

    pub(super) fn deployments(
        &self,
        account: AccountId,
        route: RouteId,
        part: Part,
    ) -> Vec<RouteDeploymentRecord> {
        newest(of_route(&self.deployments, account, route), part)
    }
}

fn put_new<R>(
    records: &mut Numbered<R>,
    place: (AccountId, RouteId, u32),
    record: R,
) -> Result<(), Conflict> {
    match records.insert(place, record) {
        None => Ok(()),
        Some(_taken) => Err(Conflict),
    }
}

/// The oldest first.
fn of_route<R>(
    records: &Numbered<R>,
    account: AccountId,
    route: RouteId,
) -> impl DoubleEndedIterator<Item = &R> {
    let ours = records.range((account, route, 0)..=(account, route, u32::MAX));
    ours.map(|(_, record)| record)
}

fn newest<'a, R: Clone + 'a>(
    records: impl DoubleEndedIterator<Item = &'a R>,
    part: Part,
) -> Vec<R> {
    let skipped = usize::try_from(part.skipped).unwrap_or(usize::MAX);
    let most = usize::try_from(part.most).unwrap_or(usize::MAX);
    records.rev().skip(skipped).take(most).cloned().collect()
}
