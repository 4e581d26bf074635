//! Every reason for which a change is refused, for tests of what is made of them.
#![expect(
    clippy::expect_used,
    reason = "test code: an example that cannot be made fails the test"
)]

use keyward_secret::{Destination, SecretBytes};
use keyward_vault::rotation::{NotNow, Phase};

use crate::{HeaderInput, KeyValue, KeyValueError, Refusal, SecretRefusal};

/// Examples, each with its variant. The patterns have no wildcard: a new variant does not compile without one.
macro_rules! every {
    ($enum:ty { $($variant:pat => $example:expr),+ $(,)? }) => {{
        let variant = |refusal: &$enum| match refusal {
            $($variant => stringify!($variant)),+
        };
        [$($example),+].map(|example| (variant(&example), example))
    }};
}

/// An example of every [`Refusal`], with the name of its variant; those of secrets stores among them.
///
/// # Panics
///
/// When an example cannot be made.
#[must_use]
pub fn every_refusal() -> Vec<(String, Refusal)> {
    let name = str::to_owned;
    let secret = |text: &str| SecretBytes::copy_from(text.as_bytes());
    let value = KeyValue::parse(&secret(""))
        .err()
        .expect("an empty key is refused");
    let headers = HeaderInput::parse(&secret("[]"))
        .err()
        .expect("a list is refused");
    let destination = Destination::parse(["https://api.anthropic.com"]).expect("it is an origin");
    let of_stores = refusals_of_stores(&value);
    let refusals = every!(Refusal {
        Refusal::GatewayNotFound(_) => Refusal::GatewayNotFound(name("staging")),
        Refusal::GatewayExists(_) => Refusal::GatewayExists(name("staging")),
        Refusal::ProviderKeyNotFound(_) => Refusal::ProviderKeyNotFound(name("0a1b")),
        Refusal::ProviderKeyExists { .. } => Refusal::ProviderKeyExists {
            gateway: name("staging"),
            provider: name("openai"),
            alias: name("blue"),
        },
        Refusal::CustomProviderNotFound => Refusal::CustomProviderNotFound,
        Refusal::CustomProviderExists => Refusal::CustomProviderExists,
        Refusal::SlugBuiltIn(_) => Refusal::SlugBuiltIn(name("openai")),
        Refusal::Headers(_) => Refusal::Headers(headers),
        Refusal::HeadersElsewhere { .. } => Refusal::HeadersElsewhere {
            sealed_for: name("https://old.example.com"),
            wanted: name("https://new.example.com"),
        },
        Refusal::HeadersDamaged => Refusal::HeadersDamaged,
        Refusal::RouteNotFound(_) => Refusal::RouteNotFound(name("support-bot")),
        Refusal::RouteExists(_) => Refusal::RouteExists(name("support-bot")),
        Refusal::TooManyRoutes(_) => Refusal::TooManyRoutes(crate::MOST_ROUTES),
        Refusal::RouteVersionNotFound(_) => Refusal::RouteVersionNotFound(name("0a1b")),
        Refusal::RouteElements(_) => Refusal::RouteElements(
            keyward_routes::Graph::parse_stored("[]").expect_err("a route has a start"),
        ),
        Refusal::CommentTooLong(_) => Refusal::CommentTooLong(crate::LONGEST_COMMENT),
        Refusal::ProviderUnknown { .. } => Refusal::ProviderUnknown {
            provider: name("opnai"),
            nearest: Some(name("openai")),
        },
        Refusal::ProviderRefused { .. } => Refusal::ProviderRefused {
            provider: name("baseten"),
            reason: name("it is not served yet"),
        },
        Refusal::Value(_) => Refusal::Value(value),
        Refusal::SecretNotFound(_) => Refusal::SecretNotFound(name("0a1b")),
        Refusal::SecretNameNotFound(_) => Refusal::SecretNameNotFound(name("staging_openai_blue")),
        Refusal::SecretNameNotUnique(_) => Refusal::SecretNameNotUnique(vec![name("0a1b"), name("2c3d")]),
        Refusal::SecretOutOfScope(_) => Refusal::SecretOutOfScope(name("my-secret")),
        Refusal::SecretNameTaken(_) => Refusal::SecretNameTaken(name("staging_openai_blue")),
        Refusal::Secret(_) => Refusal::Secret(SecretRefusal::ValueMissing),
        Refusal::WrongDestination { .. } => Refusal::WrongDestination {
            provider: name("anthropic"),
            sealed_for: name("https://api.openai.com"),
            wanted: destination,
        },
        Refusal::RotationRequestTaken(_) => Refusal::RotationRequestTaken(name("deploy-7")),
        Refusal::RotationUnderWay(_) => Refusal::RotationUnderWay(name("deploy-7")),
        Refusal::RotationNotFound => Refusal::RotationNotFound,
        Refusal::RotationNotNow(_) => Refusal::RotationNotNow(NotNow::in_phase(Phase::Finished)),
        Refusal::OverlapTooLong => Refusal::OverlapTooLong,
        Refusal::ValueGone => Refusal::ValueGone,
        Refusal::TokenNotFound(_) => Refusal::TokenNotFound(name("4pHFIHbBrKxd")),
        Refusal::TokenKind(_) => Refusal::TokenKind("gateway"),
        Refusal::StrongerThanCaller(_) => Refusal::StrongerThanCaller(keyward_auth::Reason::Permission),
        Refusal::Failed => Refusal::Failed,
    });
    let all = refusals.into_iter().chain(of_stores);
    let name_of = |pattern: &str| {
        pattern
            .split([' ', '('])
            .next()
            .unwrap_or(pattern)
            .to_owned()
    };
    all.map(|(pattern, refusal)| (name_of(pattern), refusal))
        .collect()
}

fn refusals_of_stores(value: &KeyValueError) -> Vec<(&'static str, Refusal)> {
    let name = str::to_owned;
    let of_stores = every!(SecretRefusal {
        SecretRefusal::StoreNotFound(_) => SecretRefusal::StoreNotFound(name("0a1b")),
        SecretRefusal::StoreExists(_) => SecretRefusal::StoreExists(name("default")),
        SecretRefusal::TooManyStores(_) => SecretRefusal::TooManyStores(1),
        SecretRefusal::StoreNotEmpty { .. } => SecretRefusal::StoreNotEmpty { secrets: 3, keys: 2 },
        SecretRefusal::NotFound(_) => SecretRefusal::NotFound(name("0a1b")),
        SecretRefusal::NameTaken { .. } => SecretRefusal::NameTaken {
            index: Some(1),
            name: name("my-secret"),
        },
        SecretRefusal::QuotaReached(_) => SecretRefusal::QuotaReached(100),
        SecretRefusal::Ambiguous { .. } => SecretRefusal::Ambiguous {
            index: None,
            name: name("a_b_c_d"),
            readings: vec![name("gateway `a`"), name("gateway `a_b`")],
        },
        SecretRefusal::Value { .. } => SecretRefusal::Value { index: None, error: value.clone() },
        SecretRefusal::ValueMissing => SecretRefusal::ValueMissing,
    });
    let of_stores = of_stores.map(|(variant, refusal)| (variant, Refusal::Secret(refusal)));
    of_stores.into_iter().collect()
}
