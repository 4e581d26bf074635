//! One admitted request: what a handler gets to work with.

use std::{future::Future, pin::Pin, sync::Arc, time::SystemTime};

use keyward_auth::{ManagePlace, Permission};
use keyward_registry::{Actor, ProviderKey, ProviderKeyId, Registry, Snapshot};
use keyward_secret::AccountId;

use crate::{
    Config,
    caller::Caller,
    envelope::{Problem, Reply},
    erased::Buffer,
    object::{Field, Object, Several, Shape, parse_ids},
    route::{Access, Place},
    verifier::Verifier,
};

/// What a handler returns.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// One admitted request. There is no other way to make one than [`admit`](Self::admit), and no other way to
/// call a handler than with one.
pub(crate) struct Call {
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: Arc<Config>,
    pub(crate) verifier: Arc<Verifier>,
    /// The one time at which everything about this request is decided.
    pub(crate) now: SystemTime,
    pub(crate) caller: Caller,
    /// The account of the path; without one there, the caller's own.
    pub(crate) account: AccountId,
    parameters: Parameters,
    query: Vec<(String, String)>,
    key: Option<Arc<ProviderKey>>,
    body: Buffer,
}

/// The parts of the path that a route leaves open, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn new<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(parameters.into_iter().map(own).collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What every call shares.
pub(crate) struct Surroundings {
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: Arc<Config>,
    pub(crate) verifier: Arc<Verifier>,
}

impl Call {
    /// Decides whether the caller may use a route at the place that the path names.
    pub(crate) fn admit(
        surroundings: &Surroundings,
        access: Access,
        caller: Caller,
        parameters: Parameters,
        query: Vec<(String, String)>,
        now: SystemTime,
    ) -> Result<Self, Problem> {
        let account = match parameters.find("account") {
            Some(text) => AccountId::parse(text).map_err(|_invalid| Problem::no_account())?,
            None => caller.grant().account,
        };
        if account != caller.grant().account {
            return Err(Problem::no_account());
        }
        let mut call = Self {
            registry: Arc::clone(&surroundings.registry),
            config: Arc::clone(&surroundings.config),
            verifier: Arc::clone(&surroundings.verifier),
            now,
            caller,
            account,
            parameters,
            query,
            key: None,
            body: Buffer::default(),
        };
        match access {
            Access::Verify | Access::AnyToken => Ok(call),
            Access::Permission(permission, place) => {
                call.check(permission, place)?;
                Ok(call)
            }
        }
    }

    fn check(&mut self, permission: Permission, place: Place) -> Result<(), Problem> {
        match place {
            Place::Account => self.require(permission, ManagePlace::Account),
            Place::Gateway => self.require(permission, ManagePlace::Gateway(self.gateway())),
            Place::Token | Place::InBody => self.require(permission, ManagePlace::Token),
            Place::ProviderKey => self.check_key(permission),
        }
    }

    /// A key that does not exist is told to those only who might have seen it.
    fn check_key(&mut self, permission: Permission) -> Result<(), Problem> {
        let snapshot = self.snapshot();
        let found = ProviderKeyId::parse(self.id())
            .ok()
            .and_then(|id| snapshot.provider_key(self.account, id))
            .filter(|key| key.record.gateway.as_str() == self.gateway());
        let Some(key) = found else {
            self.require(permission, ManagePlace::Gateway(self.gateway()))?;
            return Err(Problem::key_not_found(self.id()));
        };
        let place = ManagePlace::ProviderKey {
            gateway: key.record.gateway.as_str(),
            provider: key.record.provider.as_str(),
            alias: key.record.alias.as_str(),
        };
        self.require(permission, place)?;
        self.key = Some(Arc::clone(key));
        Ok(())
    }

    /// Refuses unless the caller may use `permission` at `place`, for what only the body tells.
    pub(crate) fn require(
        &self,
        permission: Permission,
        place: ManagePlace<'_>,
    ) -> Result<(), Problem> {
        self.caller
            .require(self.account, permission, place, self.now)
    }

    /// Whether [`require`](Self::require) would let the caller pass; where not, the answer says less.
    pub(crate) fn may(&self, permission: Permission, place: ManagePlace<'_>) -> bool {
        self.caller.may(self.account, permission, place, self.now)
    }

    pub(crate) fn set_body(&mut self, body: Buffer) {
        self.body = body;
    }

    /// Takes the body apart, and erases it.
    pub(crate) fn take_body(&mut self, shape: Shape) -> Result<Object, Problem> {
        let body = std::mem::take(&mut self.body);
        Object::parse(body.as_slice(), shape)
    }

    /// The same of a body in which the fields `texts` are kept as they are written.
    pub(crate) fn take_body_with_texts(
        &mut self,
        shape: Shape,
        texts: &'static [&'static str],
    ) -> Result<Object, Problem> {
        let body = std::mem::take(&mut self.body);
        Object::parse_with_texts(body.as_slice(), shape, texts)
    }

    /// The same where there may be no body: then there is no field.
    pub(crate) fn take_optional_body(&mut self, shape: Shape) -> Result<Object, Problem> {
        if self.body.as_slice().trim_ascii().is_empty() {
            return Object::parse(b"{}", shape);
        }
        self.take_body(shape)
    }

    /// The same of a body that may be a list of objects, at most `most`.
    pub(crate) fn take_several(&mut self, shape: Shape, most: usize) -> Result<Several, Problem> {
        let body = std::mem::take(&mut self.body);
        Object::parse_several(body.as_slice(), shape, most)
    }

    /// The ids that a body lists, at most `most`.
    pub(crate) fn take_ids(&mut self, most: usize) -> Result<Vec<Field>, Problem> {
        let body = std::mem::take(&mut self.body);
        parse_ids(body.as_slice(), most)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.registry.snapshot()
    }

    pub(crate) fn actor(&self) -> Actor {
        self.caller.actor()
    }

    /// The gateway of the path; empty on a route that has none, which is no gateway's name.
    pub(crate) fn gateway(&self) -> &str {
        self.parameters.find("gateway").unwrap_or_default()
    }

    /// The secrets store of the path; empty on a route that has none, which is no store's id.
    pub(crate) fn store(&self) -> &str {
        self.parameters.find("store").unwrap_or_default()
    }

    /// The last open part of the path, on routes that have one.
    pub(crate) fn id(&self) -> &str {
        self.parameters.find("id").unwrap_or_default()
    }

    /// The version of the path; empty on a route that has none, which is no version's id.
    pub(crate) fn version(&self) -> &str {
        self.parameters.find("version").unwrap_or_default()
    }

    /// The provider key of the path, on routes whose place it is.
    pub(crate) fn key(&self) -> Result<&Arc<ProviderKey>, Problem> {
        self.key
            .as_ref()
            .ok_or_else(|| Problem::key_not_found(self.id()))
    }

    /// Every value of a query parameter.
    pub(crate) fn queries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.query.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Every query parameter, in the order in which they were sent.
    pub(crate) fn all_queries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a query parameter; of several, the last.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
