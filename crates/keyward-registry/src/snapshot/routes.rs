//! The routes of a snapshot: by id in their account, by name in their gateway.

use std::sync::Arc;

use keyward_secret::AccountId;

use super::{Gateway, Snapshot};
use crate::{Route, RouteId, RouteRecord, RouteVersionRecord};

impl Snapshot {
    /// A route by its public id. One look-up.
    #[must_use]
    pub fn route(&self, account: AccountId, id: RouteId) -> Option<&Arc<Route>> {
        self.account(account)?.routes.get(&id)
    }

    /// A route without its gateway is left out: nothing can address it.
    pub(crate) fn put_route(&mut self, record: RouteRecord, deployed: Option<RouteVersionRecord>) {
        self.remove_route(record.account, record.id);
        let Some(account) = self.accounts.get_mut(&record.account).map(Arc::make_mut) else {
            return;
        };
        if let Some(gateway) = account.gateways.get_mut(record.gateway.as_str()) {
            let route = Arc::new(Route::new(record, deployed));
            let name = route.record.name.as_str().into();
            let routes = &mut Arc::make_mut(gateway).routes;
            routes.insert_mut(name, Arc::clone(&route));
            account.routes.insert_mut(route.record.id, route);
        }
    }

    pub(crate) fn remove_route(&mut self, account: AccountId, id: RouteId) {
        let Some(account) = self.accounts.get_mut(&account) else {
            return;
        };
        let Some(route) = account.routes.get(&id).cloned() else {
            return;
        };
        let account = Arc::make_mut(account);
        account.routes.remove_mut(&id);
        let record = &route.record;
        if let Some(gateway) = account.gateways.get_mut(record.gateway.as_str()) {
            let routes = &mut Arc::make_mut(gateway).routes;
            // Another may have taken the name meanwhile.
            if routes
                .get(record.name.as_str())
                .is_some_and(|route| route.record.id == id)
            {
                routes.remove_mut(record.name.as_str());
            }
        }
    }
}

impl Gateway {
    /// A route by its name, without `dynamic/`. Allocates nothing.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.get(name)
    }

    /// Its routes, in no order.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values()
    }

    /// How many routes it has.
    #[must_use]
    pub fn route_count(&self) -> usize {
        self.routes.size()
    }
}
