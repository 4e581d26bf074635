//! Whose a sealed value is. Stands in the record's context, sealed with the value.

use keyward_vault::Policy;

/// Who deletes a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The provider keys that use it: it goes with the last of them. Their value came with one of them.
    ProviderKeys,
    /// Whoever stored it in a secrets store: it stays when the last key that uses it goes.
    SecretsStore,
}

const SECRETS_STORE: &[u8] = b"secrets_store";

impl Owner {
    pub(crate) fn context(self) -> Box<[u8]> {
        match self {
            Self::ProviderKeys => Box::default(),
            Self::SecretsStore => SECRETS_STORE.into(),
        }
    }

    /// What says anything else is not ours to delete.
    pub(crate) fn of(policy: &Policy) -> Self {
        if policy.context.is_empty() {
            Self::ProviderKeys
        } else {
            Self::SecretsStore
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_vault::Policy;

    use super::Owner;

    #[test]
    fn an_owner_is_read_back_and_what_is_unknown_is_kept() {
        let policy = |context| Policy {
            destination: None,
            context,
        };
        for owner in [Owner::ProviderKeys, Owner::SecretsStore] {
            assert_eq!(Owner::of(&policy(owner.context())), owner);
        }
        assert_eq!(Owner::of(&policy(Box::from([7]))), Owner::SecretsStore);
    }
}
