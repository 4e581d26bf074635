//! Custom providers: upstream APIs that an operator adds to an account.

mod headers;
mod text;

use std::{sync::Arc, time::SystemTime};

use keyward_providers::{BaseUrl, CredentialPlacement, Provider};
use keyward_secret::{AccountId, BoundCredential, Destination, SecretBytes};
use keyward_vault::{Policy, RecordId, SealError, SealedRecord, SecretId, Vault, VersionNumber};
use serde::{Deserialize, Serialize};

pub(crate) use self::headers::is_forbidden as is_forbidden_header;
pub use self::{
    headers::{HeaderInput, HeadersError},
    text::{Link, Logo, ParseTextError},
};
use crate::{CustomProviderId, CustomSlug};

/// An upstream API that an operator added to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomProviderRecord {
    /// Its public id.
    pub id: CustomProviderId,
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name in paths, behind `custom-`. Fixed: provider keys and tokens name the provider by it.
    pub slug: CustomSlug,
    /// Where it is. Values that were entered before it changed stay sealed for where it was.
    pub base_url: BaseUrl,
    /// How it takes a key.
    pub placement: CredentialPlacement,
    /// Whether requests are served.
    pub enabled: bool,
    /// What people read of it.
    pub details: CustomProviderDetails,
    /// Headers that requests to it carry.
    pub headers: Option<SealedHeaders>,
    /// How many headers were ever sealed here: the number of the last. No number is used twice.
    pub headers_sealed: u32,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it last changed.
    pub modified_at: SystemTime,
}

/// What people read of a custom provider: decides nothing, is kept and returned. Hostile text: whoever shows it
/// escapes it for where it stands.
///
/// Serialised as the store keeps it, and the row's authentication code is over that text: a field that comes
/// later is `#[serde(default, skip_serializing_if = "…")]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomProviderDetails {
    /// The name for people.
    pub name: String,
    /// A note.
    pub description: Option<String>,
    /// The provider's page.
    pub link: Option<Link>,
    /// A picture.
    pub logo: Option<Logo>,
    /// A request as a command line.
    pub curl_example: Option<String>,
    /// A request in JavaScript.
    pub js_example: Option<String>,
    /// Where it stands in a list.
    pub position: Option<i64>,
    /// Whether it is on trial.
    pub beta: bool,
}

/// Headers, sealed for the origin that the provider had when they were entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHeaders {
    /// The number under which they are sealed.
    pub number: VersionNumber,
    /// Names and values, sealed.
    pub sealed: SealedRecord,
    /// The names, and what may be shown of each value.
    pub masks: Vec<(String, String)>,
}

/// A custom provider as the snapshot holds it.
#[derive(Clone, Debug)]
pub struct CustomProvider {
    /// The record.
    pub record: CustomProviderRecord,
    /// What the request path goes by. Its slug is `custom-` and the record's.
    pub provider: Arc<Provider>,
}

/// The stored headers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenHeadersError {
    /// They were entered when the provider was elsewhere.
    #[error("the headers are sealed for {sealed_for}")]
    Elsewhere {
        /// Where they may go.
        sealed_for: String,
    },
    /// What is stored does not open.
    #[error("the stored headers are damaged")]
    Damaged,
}

impl CustomProvider {
    pub(crate) fn new(record: CustomProviderRecord) -> Self {
        let provider = Provider::custom(
            record.slug.provider_slug().as_str(),
            &record.details.name,
            &record.base_url,
            record.placement,
        );
        Self {
            record,
            provider: Arc::new(provider),
        }
    }

    /// The headers that requests to the provider carry, bound to what they are sealed for. Opens them for the
    /// origin that the provider has now.
    ///
    /// # Errors
    ///
    /// When they were entered for another origin, or do not open.
    pub fn open_headers(&self, vault: &Vault) -> Result<Vec<BoundCredential>, OpenHeadersError> {
        self.record.open_headers(vault)
    }
}

/// What the sealed bytes are for, so that they can be taken for nothing else.
const CONTEXT: &[u8] = b"headers of a custom provider";

impl CustomProviderRecord {
    /// Where the headers may be sent, as it was sealed with them; none where there are none, or they do not open.
    #[must_use]
    pub fn headers_destination(&self, vault: &Vault) -> Option<Destination> {
        let headers = self.headers.as_ref()?;
        let id = self.sealed_as(headers.number);
        vault.policy(&headers.sealed, &id).ok()?.destination
    }

    fn sealed_as(&self, number: VersionNumber) -> RecordId {
        RecordId {
            account: self.account,
            secret: SecretId::from_bytes(*self.id.as_bytes()),
            version: number,
        }
    }

    pub(crate) fn open_headers(
        &self,
        vault: &Vault,
    ) -> Result<Vec<BoundCredential>, OpenHeadersError> {
        let Some(headers) = &self.headers else {
            return Ok(Vec::new());
        };
        let id = self.sealed_as(headers.number);
        let opened = vault
            .open(&headers.sealed, &id, self.base_url.origin())
            .map_err(|error| match error.sealed_for() {
                Some(sealed_for) => OpenHeadersError::Elsewhere { sealed_for },
                None => OpenHeadersError::Damaged,
            })?;
        headers::bind(&opened.value, &opened.destination).ok_or(OpenHeadersError::Damaged)
    }

    /// Seals `headers` for where the provider is now, in the place of what was there.
    pub(crate) fn seal_headers(
        &mut self,
        vault: &Vault,
        headers: &[(http::HeaderName, SecretBytes)],
    ) -> Result<(), SealHeadersError> {
        if headers.is_empty() {
            self.headers = None;
            return Ok(());
        }
        let number = self.headers_sealed.checked_add(1);
        let number = number.and_then(VersionNumber::new);
        let number = number.ok_or(SealHeadersError::NumbersUsedUp)?;
        let policy = Policy {
            destination: Some(self.base_url.destination().clone()),
            context: CONTEXT.into(),
        };
        let value = headers::encode(headers);
        let sealed = vault.seal(&self.sealed_as(number), &policy, &value)?;
        self.headers_sealed = number.get();
        self.headers = Some(SealedHeaders {
            number,
            sealed,
            masks: headers::masks(headers),
        });
        Ok(())
    }
}

/// Headers were not sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealHeadersError {
    #[error("the numbers of sealed headers are used up")]
    NumbersUsedUp,
    #[error(transparent)]
    Vault(#[from] SealError),
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::OpenHeadersError;

        keyward_testing::assert_texts!("OpenHeadersError", OpenHeadersError {
            OpenHeadersError::Elsewhere { .. } => OpenHeadersError::Elsewhere { sealed_for: "https://old.example.com".to_owned() },
            OpenHeadersError::Damaged => OpenHeadersError::Damaged,
        }, |error| keyward_testing::told(&error));
    }
}
