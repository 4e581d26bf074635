//! The catalogue as its users see it.

#[cfg(test)]
mod compat;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod extra_chunk;
#[cfg(test)]
mod overriding;
#[cfg(test)]
mod placing;
#[cfg(test)]
mod probing;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod usage;

#[cfg(test)]
mod support {
    use std::collections::BTreeMap;

    use keyward_providers::{Catalogue, CatalogueError, Override};

    pub(crate) const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

    pub(crate) fn with(name: &str, change: Override) -> Result<Catalogue, CatalogueError> {
        Catalogue::with_overrides(&BTreeMap::from([(name.to_owned(), change)]))
    }

    /// The catalogue with an account for the one provider that needs one.
    pub(crate) fn catalogue() -> Catalogue {
        let account_id = Some(ACCOUNT.to_owned());
        with(
            "workers-ai",
            Override {
                account_id,
                ..Override::default()
            },
        )
        .unwrap()
    }

    pub(crate) fn base_url(url: &str) -> Override {
        Override {
            base_url: Some(url.to_owned()),
            ..Override::default()
        }
    }
}
