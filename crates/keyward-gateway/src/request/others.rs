//! With what else a request may be sent, where the provider does not take what it was sent with.

use std::sync::Arc;

use keyward_registry::ProviderKeyId;

use crate::{credentials::Injected, evidence::Judged};

/// What is left to try, the first first.
#[derive(Debug, Default)]
pub(crate) struct Others(Vec<(Arc<Injected>, When)>);

/// What an answer must say for a request to be sent with another value. Each proves that the provider did nothing with
/// the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The value is refused: its successor is not taken, and this one still may be.
    Refused,
    /// The value is refused, limited or out of money: this is another key.
    Passed,
}

impl When {
    const fn is_met(self, said: Judged) -> bool {
        match (self, said) {
            (_, Judged::Nothing) => false,
            (_, Judged::Refused(_)) | (Self::Passed, _) => true,
            (Self::Refused, _) => false,
        }
    }
}

impl Others {
    pub(crate) fn add(&mut self, injected: Arc<Injected>, when: When) {
        self.0.push((injected, when));
    }

    /// The value of this key, where there is one.
    pub(crate) fn of_key(&self, id: ProviderKeyId) -> Option<&Arc<Injected>> {
        let mut all = self.0.iter().map(|(injected, _)| injected);
        all.find(|injected| injected.key() == Some(id))
    }

    /// None where nothing is left to try.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (!self.0.is_empty()).then(|| Box::new(self))
    }

    /// What the request is sent with next, after such an answer.
    pub(crate) fn next(&mut self, said: Judged) -> Option<Arc<Injected>> {
        let at = self.0.iter().position(|(_, when)| when.is_met(said))?;
        Some(self.0.remove(at).0)
    }
}
