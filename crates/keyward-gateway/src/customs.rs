//! One worker's custom providers, prepared for the request path.
//!
//! They stand in the snapshot by account and slug. A worker prepares one on first use and keeps it for as long as
//! the snapshot holds the very same: afterwards it is two look-ups, without a store and without an allocation.

use std::sync::Arc;

use keyward_forward::EndpointError;
use keyward_registry::{
    CustomProvider, CustomProviderId, OpenHeadersError, ProviderKeyId, Snapshot,
};
use keyward_secret::Origin;
use keyward_vault::Vault;
use rustc_hash::FxHashMap;

use crate::{credentials::Injected, cut::CustomUse, gateway::ProviderEntry};

/// One worker's prepared custom providers.
#[derive(Debug, Default)]
pub(crate) struct Customs {
    prepared: FxHashMap<CustomProviderId, Arc<Prepared>>,
    /// Keys with the headers of their provider.
    joined: FxHashMap<ProviderKeyId, Parts>,
}

/// A custom provider, prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    view: Arc<CustomProvider>,
    pub(crate) entry: Arc<ProviderEntry>,
    /// What requests to it carry besides a key; none where nothing is stored.
    pub(crate) headers: Result<Option<Arc<Injected>>, OpenHeadersError>,
    /// What requests use that carry the headers, and those that do not.
    with_headers: Arc<CustomUse>,
    without_headers: Arc<CustomUse>,
}

/// What was joined, and the result. What is held cannot be taken for another.
#[derive(Debug)]
struct Parts {
    key: Arc<Injected>,
    headers: Arc<Injected>,
    both: Arc<Injected>,
}

impl Prepared {
    /// The slug without `custom-`, as commands take it.
    pub(crate) fn slug(&self) -> &str {
        self.view.record.slug.as_str()
    }

    pub(crate) fn origin(&self) -> &Origin {
        self.view.record.base_url.origin()
    }

    /// What a request to it uses that carries this.
    pub(crate) fn used(&self, injected: Option<&Injected>) -> Arc<CustomUse> {
        match injected.is_some_and(|injected| !injected.more.is_empty()) {
            true => Arc::clone(&self.with_headers),
            false => Arc::clone(&self.without_headers),
        }
    }
}

impl Customs {
    /// The provider as it is prepared, or prepared now; `index` is what its answers are counted under.
    pub(crate) fn find(
        &mut self,
        vault: &Vault,
        view: &Arc<CustomProvider>,
        index: usize,
    ) -> Result<Arc<Prepared>, EndpointError> {
        if let Some(known) = self.prepared.get(&view.record.id)
            && Arc::ptr_eq(&known.view, view)
        {
            return Ok(Arc::clone(known));
        }
        let headers = view.open_headers(vault);
        let number = view.record.headers.as_ref().map(|headers| headers.number);
        let used = |headers| {
            let id = view.record.id;
            Arc::new(CustomUse { id, headers })
        };
        let prepared = Arc::new(Prepared {
            entry: Arc::new(ProviderEntry::build(index, Arc::clone(&view.provider))?),
            headers: headers.map(|headers| {
                (!headers.is_empty()).then(|| Arc::new(Injected::of_headers(headers)))
            }),
            with_headers: used(number),
            without_headers: used(None),
            view: Arc::clone(view),
        });
        self.prepared.insert(view.record.id, Arc::clone(&prepared));
        Ok(prepared)
    }

    /// Lets go of what was changed or removed, so that replaced values do not stay in memory.
    pub(crate) fn retain(&mut self, snapshot: &Snapshot) {
        self.joined.clear();
        self.prepared.retain(|_id, known| {
            let record = &known.view.record;
            snapshot
                .custom_provider(record.account, record.slug.as_str())
                .is_some_and(|view| Arc::ptr_eq(view, &known.view))
        });
    }

    /// The key with the headers besides.
    pub(crate) fn join(
        &mut self,
        id: ProviderKeyId,
        key: &Arc<Injected>,
        headers: &Arc<Injected>,
    ) -> Arc<Injected> {
        if let Some(known) = self.joined.get(&id)
            && Arc::ptr_eq(&known.key, key)
            && Arc::ptr_eq(&known.headers, headers)
        {
            return Arc::clone(&known.both);
        }
        let both = Arc::new(key.beside(headers));
        let parts = Parts {
            key: Arc::clone(key),
            headers: Arc::clone(headers),
            both: Arc::clone(&both),
        };
        self.joined.insert(id, parts);
        both
    }
}
