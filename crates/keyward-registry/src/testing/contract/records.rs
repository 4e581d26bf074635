//! Records of every kind, most with no field at its default.

use std::sync::OnceLock;

use keyward_auth::{
    Grant, Kind, Permission, Permissions, Retiring, TokenDigest, TokenId, TokenRecord,
};
use keyward_providers::{BaseUrl, CredentialPlacement};
use keyward_routes::SpendLimits;
use keyward_secret::{AccountId, SecretBytes};
use keyward_vault::{
    Policy, RecordId, SecretRecord, SecretsStoreId, Vault, VersionNumber, VersionRecord, version,
};

use super::{ONE, SECRET, routes, time};
use crate::{
    AccountRecord, Alias, Change, CustomProviderDetails, CustomProviderId, CustomProviderRecord,
    CustomSlug, ExpiresAction, GatewayId, GatewayRecord, GatewaySettings, KeyStatus, Link, Logo,
    ProviderKeyId, ProviderKeyRecord, ProviderSlug, RateLimitingTechnique, RouteChange,
    SealedHeaders, SecretsStoreRecord,
};

pub(super) fn account() -> AccountRecord {
    AccountRecord {
        id: ONE,
        name: "naïve 'quoted' \"name\"; --".to_owned(),
        created_at: time(0),
    }
}

pub(super) fn gateway() -> GatewayRecord {
    GatewayRecord {
        account: ONE,
        id: GatewayId::parse("default").expect("an id"),
        settings: GatewaySettings {
            byok_only: true,
            cache_ttl: u64::MAX,
            rate_limiting_technique: Some(RateLimitingTechnique::Sliding),
            store_id: Some("store".to_owned()),
            ..GatewaySettings::default()
        },
        created_at: time(1),
        modified_at: time(2),
    }
}

pub(super) fn secrets_store() -> SecretsStoreRecord {
    SecretsStoreRecord {
        id: SecretsStoreId::from_bytes([0x57; 16]),
        account: ONE,
        name: "naïve 'quoted' store".to_owned(),
        created_at: time(13),
        modified_at: time(14),
    }
}

pub(super) fn key(number: u8, provider: &str) -> ProviderKeyRecord {
    let id = ProviderKeyId::from_bytes([number; 16]);
    let name = (
        ProviderSlug::parse(provider).expect("a slug"),
        Alias::default(),
    );
    ProviderKeyRecord {
        modified_at: time(4),
        ..ProviderKeyRecord::new(id, (ONE, gateway().id), name, SECRET, time(3))
    }
}

/// Limits with no field of a rule at its default.
pub(super) fn spend_limits() -> SpendLimits {
    let limits = r#"{"enabled": false, "rules": [
        {"id": "own", "enabled": false, "limitType": "cost", "limit": 0.1, "window": 60, "technique": "sliding",
         "model": {"mode": "filter", "values": ["gpt-5"]}, "metadata": {"user": {"mode": "partition"}}},
        {"id": "all", "limitType": "cost", "limit": 999999.999999999, "calendar": "month"}
    ]}"#;
    serde_json::from_str(limits).expect("limits")
}

/// A record with no field at its default.
pub(super) fn full_key() -> ProviderKeyRecord {
    ProviderKeyRecord {
        default_config: true,
        rate_limit: Some(u64::MAX),
        rate_limit_period: Some(60),
        spend_limits: Some(spend_limits()),
        disabled_at: Some(time(5)),
        expires_at: Some(time(6)),
        expires_action: ExpiresAction::Warn,
        status: KeyStatus::Invalid,
        status_reason: Some("the provider refused it: 401".to_owned()),
        status_code: Some(u16::MAX),
        status_since: Some(time(7)),
        ..key(1, "openai")
    }
}

/// A record with no field at its default.
pub(super) fn custom_provider() -> CustomProviderRecord {
    // Sealed once: no two sealed records of the same value are equal.
    static SEALED: OnceLock<keyward_vault::SealedRecord> = OnceLock::new();
    let number = VersionNumber::new(7).expect("a number");
    CustomProviderRecord {
        id: CustomProviderId::from_bytes([0xce; 16]),
        account: ONE,
        slug: CustomSlug::parse("my-llm").expect("a slug"),
        base_url: BaseUrl::parse("https://llm.example.com:8443/openai/v1").expect("a URL"),
        placement: CredentialPlacement::XApiKey,
        enabled: true,
        details: CustomProviderDetails {
            name: "naïve 'quoted' \"name\"; --".to_owned(),
            description: Some("a note\nof two lines".to_owned()),
            link: Some(Link::parse("https://llm.example.com/docs").expect("a link")),
            logo: Some(Logo::parse("PHN2Zy8+").expect("a logo")),
            curl_example: Some("curl".to_owned()),
            js_example: Some("fetch()".to_owned()),
            position: Some(i64::MIN),
            beta: true,
        },
        headers: Some(SealedHeaders {
            number,
            sealed: SEALED.get_or_init(|| seal(number)).clone(),
            masks: vec![("x-org".to_owned(), "••••abcd".to_owned())],
        }),
        headers_sealed: u32::MAX,
        created_at: time(13),
        modified_at: time(14),
    }
}

pub(super) fn token() -> TokenRecord {
    TokenRecord {
        id: token_id("000000000001"),
        kind: Kind::Gateway,
        digest: TokenDigest::from_bytes([7; 32]),
        retiring: Some(Retiring {
            digest: TokenDigest::from_bytes([8; 32]),
            until: time(100),
        }),
        name: "token".to_owned(),
        grant: Grant::new(ONE, Permissions::from_iter([Permission::AiGatewayRun])),
        spend_limits: serde_json::to_string(&spend_limits()).ok().map(Into::into),
        issued_at: time(8),
        modified_at: time(9),
    }
}

pub(super) fn token_id(text: &str) -> TokenId {
    TokenId::parse(text).expect("an id")
}

pub(super) fn seal(version: VersionNumber) -> keyward_vault::SealedRecord {
    let (vault, _root) = Vault::create().expect("randomness");
    let id = RecordId {
        account: ONE,
        secret: SECRET,
        version,
    };
    let policy = Policy {
        destination: None,
        context: Box::default(),
    };
    let value = SecretBytes::copy_from(b"sk-contract");
    vault.seal(&id, &policy, &value).expect("a sealed record")
}

/// A secret and its first version.
pub(super) fn value() -> (SecretRecord, VersionRecord) {
    let secret = SecretRecord {
        id: SECRET,
        account: ONE,
        store: secrets_store().id,
        name: "default_openai_default".to_owned(),
        comment: "for \"tests\"".to_owned(),
        scopes: vec!["ai_gateway".to_owned(), "workers".to_owned()],
        current: None,
        created_at: time(10),
        modified_at: time(11),
    };
    let sealed = seal(VersionNumber::FIRST);
    let changes = version::create(secret, sealed, "••••abcd".to_owned(), time(12));
    let mut found = (None, None);
    for change in changes {
        match change {
            keyward_vault::Change::PutSecret(record) => found.0 = Some(record),
            keyward_vault::Change::PutVersion(record) => found.1 = Some(record),
            keyward_vault::Change::PutRotation(_) | keyward_vault::Change::DeleteSecret { .. } => {}
        }
    }
    found.0.zip(found.1).expect("a secret and its version")
}

pub(super) fn put_secret(secret: SecretRecord) -> Change {
    Change::Vault(keyward_vault::Change::PutSecret(secret))
}

/// One row of every kind.
pub(super) fn everything((secret, version): &(SecretRecord, VersionRecord)) -> Vec<Change> {
    vec![
        Change::PutAccount(account()),
        Change::PutGateway(gateway()),
        Change::PutProviderKey(full_key()),
        Change::PutCustomProvider(Box::new(custom_provider())),
        Change::Route(RouteChange::PutRoute(routes::route())),
        Change::Route(RouteChange::PutVersion(routes::version(1))),
        Change::Route(RouteChange::PutDeployment(routes::deployment(1))),
        Change::PutSecretsStore(secrets_store()),
        put_secret(secret.clone()),
        Change::Vault(keyward_vault::Change::PutVersion(version.clone())),
        Change::Token(keyward_auth::Change::PutToken(token())),
    ]
}

pub(super) fn deletions(account: AccountId) -> Vec<Change> {
    vec![
        Change::DeleteProviderKey {
            account,
            id: full_key().id,
        },
        Change::Vault(keyward_vault::Change::DeleteSecret {
            account,
            secret: SECRET,
        }),
        Change::DeleteSecretsStore {
            account,
            id: secrets_store().id,
        },
        Change::DeleteCustomProvider {
            account,
            id: custom_provider().id,
        },
        Change::Route(RouteChange::DeleteRoute {
            account,
            id: routes::route().id,
        }),
        Change::DeleteGateway {
            account,
            id: gateway().id,
        },
        Change::Token(keyward_auth::Change::DeleteToken {
            account,
            id: token().id,
        }),
    ]
}
