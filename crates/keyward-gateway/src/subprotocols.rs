//! Credentials among the sub-protocols that a WebSocket handshake offers (wire-spec §1.6). Pure.
//!
//! Browsers can set no header on a WebSocket, so a token or a provider's key stands in the list of
//! sub-protocols: `cf-aig-authorization.TOKEN`, `HEADER.KEY`, or what the provider itself takes, such as
//! `openai-insecure-api-key.KEY`. All of these are taken out; what is left is for the provider.

use http::{HeaderName, HeaderValue};
use keyward_auth::is_ours;
use keyward_providers::Provider;

use crate::caller::{TOKEN_HEADER, holds_token};

/// The sub-protocol that a client offers so that there is one to choose, where the provider chooses none and
/// everything else it offers is a credential: browsers fail a handshake in which nothing is chosen.
pub(crate) const PLACEHOLDER: &str = "keyward";

/// What one offered sub-protocol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer<'a> {
    /// An ordinary one.
    Plain,
    /// [`PLACEHOLDER`].
    Placeholder,
    /// A token of ours; the bytes are the token's.
    Token(&'a [u8]),
    /// Another service's token where ours would stand: as good as none, and taken out all the same.
    Foreign,
    /// A token of ours where none may stand.
    Hidden,
    /// A provider's key.
    Key(&'a [u8]),
    /// A name that says that the next one is a credential.
    Announces,
}

/// Says what each of the offers is.
pub(crate) fn read<'a>(offers: &'a [HeaderValue], provider: Option<&Provider>) -> Vec<Offer<'a>> {
    let mut read = Vec::with_capacity(offers.len());
    let mut is_announced = false;
    for offer in offers {
        let text = offer.as_bytes();
        let found = if is_announced {
            credential(text)
        } else {
            one(text, provider)
        };
        is_announced = found == Offer::Announces;
        read.push(found);
    }
    read
}

/// Which of the offers the client is told was chosen, where the provider chose none.
///
/// The placeholder; else, where every offer was a credential, a name that announced one, or the first of them:
/// it goes back to nobody but who sent it. Where ordinary ones were offered, the provider's choice of none
/// stands.
pub(crate) fn fall_back<'a>(
    offers: &'a [HeaderValue],
    read: &[Offer<'_>],
) -> Option<&'a HeaderValue> {
    let of = |wanted: fn(&Offer<'_>) -> bool| {
        let at = read.iter().position(wanted)?;
        offers.get(at)
    };
    of(|offer| *offer == Offer::Placeholder).or_else(|| {
        if read.contains(&Offer::Plain) {
            return None;
        }
        of(|offer| *offer == Offer::Announces).or_else(|| offers.first())
    })
}

fn one<'a>(text: &'a [u8], provider: Option<&Provider>) -> Offer<'a> {
    if text == PLACEHOLDER.as_bytes() {
        return Offer::Placeholder;
    }
    if is_ours(text) {
        return Offer::Token(text);
    }
    if let Some(token) = behind(text, TOKEN_HEADER.as_str()) {
        return match credential(token) {
            Offer::Key(_) => Offer::Foreign,
            ours => ours,
        };
    }
    let names = provider.map_or(&[][..], Provider::credential_headers);
    if let Some(value) = names
        .iter()
        .map(HeaderName::as_str)
        .find_map(|name| behind(text, name))
    {
        return credential(value);
    }
    let native = provider.map_or(&[][..], Provider::credential_subprotocols);
    for name in native {
        if name.ends_with('.') {
            if let Some(value) = behind(text, name.trim_end_matches('.')) {
                return credential(value);
            }
        } else if text.eq_ignore_ascii_case(name.as_bytes()) {
            return Offer::Announces;
        }
    }
    if holds_token(text) {
        return Offer::Hidden;
    }
    Offer::Plain
}

fn credential(value: &[u8]) -> Offer<'_> {
    if is_ours(value) {
        Offer::Token(value)
    } else if holds_token(value) {
        Offer::Hidden
    } else {
        Offer::Key(value)
    }
}

/// What stands behind `name` and a dot.
fn behind<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (front, value) = text.split_at_checked(name.len())?;
    let value = value.strip_prefix(b".")?;
    (front.eq_ignore_ascii_case(name.as_bytes()) && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use keyward_providers::{Catalogue, Provider};

    use super::{Offer, fall_back, read};

    fn provider(slug: &str) -> std::sync::Arc<Provider> {
        let catalogue = Catalogue::built_in().unwrap();
        std::sync::Arc::clone(catalogue.find(slug).unwrap())
    }

    fn offers(texts: &[&str]) -> Vec<HeaderValue> {
        let values = texts.iter().map(|text| HeaderValue::from_str(text));
        values.collect::<Result<_, _>>().unwrap()
    }

    #[track_caller]
    fn check(slug: &str, texts: &[&str], expected: &[Offer<'_>], chosen: Option<&str>) {
        let offers = offers(texts);
        let read = read(&offers, Some(&provider(slug)));
        assert_eq!(read, expected, "{texts:?}");
        let fallen = fall_back(&offers, &read).map(|value| value.to_str().unwrap());
        assert_eq!(fallen, chosen, "{texts:?}");
    }

    #[test]
    fn credentials_are_told_from_ordinary_offers() {
        check(
            "openai",
            &[
                "realtime",
                "openai-insecure-api-key.sk-1",
                "cf-aig-authorization.kw_gw_1",
                "openai-beta.realtime-v1",
            ],
            &[
                Offer::Plain,
                Offer::Key(b"sk-1"),
                Offer::Token(b"kw_gw_1"),
                Offer::Plain,
            ],
            None,
        );
        check(
            "openai",
            &["Authorization.kw_gw_1", "kw_gw_2", "x.kw_gw_3", "keyward"],
            &[
                Offer::Token(b"kw_gw_1"),
                Offer::Token(b"kw_gw_2"),
                Offer::Hidden,
                Offer::Placeholder,
            ],
            Some("keyward"),
        );
        check(
            "fal",
            &["fal-api-key.k", "cf-aig-authorization.kw_gw_1"],
            &[Offer::Key(b"k"), Offer::Token(b"kw_gw_1")],
            Some("fal-api-key.k"),
        );
        check(
            "elevenlabs",
            &["xi-api-key.kw_gw_1"],
            &[Offer::Token(b"kw_gw_1")],
            Some("xi-api-key.kw_gw_1"),
        );
    }

    #[test]
    fn a_name_may_announce_the_credential() {
        check(
            "deepgram",
            &["token", "kw_gw_1"],
            &[Offer::Announces, Offer::Token(b"kw_gw_1")],
            Some("token"),
        );
        check(
            "deepgram",
            &["token", "abc", "def"],
            &[Offer::Announces, Offer::Key(b"abc"), Offer::Plain],
            None,
        );
        check("deepgram", &["token"], &[Offer::Announces], Some("token"));
    }

    #[test]
    fn other_providers_names_are_ordinary() {
        check(
            "openai",
            &["fal-api-key.k", "authorization.", "authorizations.k"],
            &[Offer::Plain, Offer::Plain, Offer::Plain],
            None,
        );
    }
}
