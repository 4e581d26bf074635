//! Tokens in their table: the digest of the text, never the text.

use std::time::SystemTime;

use keyward_auth::{
    Classes, Grant, Kind, ModelPattern, Models, Network, Networks, Permissions, Retiring, Scope,
    TokenDigest, TokenId, TokenRecord,
};
use keyward_registry::RowAuthenticator;
use keyward_secret::AccountId;
use sqlx::sqlite::SqliteConnection;

use super::{
    authentic::{StoredRow, honoured, seal_row},
    by_id::RowById,
};
use crate::{
    column::{Columns, list as json_list, millis, optional_millis},
    failure::Failure,
};

impl StoredRow for TokenRecord {
    fn parse(columns: Columns<'_>) -> Option<Self> {
        let digest: &[u8] = columns.get("digest")?;
        Some(Self {
            id: columns.parse("id")?,
            kind: Kind::find_by_name(columns.get("kind")?)?,
            digest: TokenDigest::from_bytes(digest.try_into().ok()?),
            retiring: parse_retiring(columns)?,
            name: columns.text("name")?,
            grant: parse_grant(columns)?,
            spend_limits: parse_limits(columns)?,
            issued_at: columns.time("issued_at")?,
            modified_at: columns.time("modified_at")?,
        })
    }
}

impl RowById for TokenRecord {
    type Id = TokenId;

    const FIND: &'static str = "SELECT * FROM tokens WHERE account = $1 AND id = $2";
    const LIST: &'static str = "SELECT * FROM tokens ORDER BY id";
    const DELETE: &'static str = "DELETE FROM tokens WHERE account = $1 AND id = $2";
}

/// The outer `None`: one of the two columns is there without the other, or neither can be read.
fn parse_retiring(columns: Columns<'_>) -> Option<Option<Retiring>> {
    let digest: Option<&[u8]> = columns.get("retiring_digest")?;
    match (digest, columns.optional_time("retiring_until")?) {
        (None, None) => Some(None),
        (Some(digest), Some(until)) => Some(Some(Retiring {
            digest: TokenDigest::from_bytes(digest.try_into().ok()?),
            until,
        })),
        (None, Some(_)) | (Some(_), None) => None,
    }
}

/// The text as it was written, which its authentication code covers. The outer `None`: it says nothing that can be counted.
fn parse_limits(columns: Columns<'_>) -> Option<Option<Box<str>>> {
    columns.spend_limits()?;
    let text: Option<&str> = columns.get("spend_limits")?;
    Some(text.map(Into::into))
}

fn parse_grant(columns: Columns<'_>) -> Option<Grant> {
    let names = columns.list("permissions")?;
    Some(Grant {
        account: columns.parse("account")?,
        permissions: Permissions::from_names(names.iter().map(String::as_str)).ok()?,
        gateways: scope(columns, "gateways")?,
        providers: scope(columns, "providers")?,
        aliases: scope(columns, "aliases")?,
        classes: Classes::from_bits(columns.get::<i64>("classes")?.try_into().ok()?),
        models: models(columns)?,
        networks: Networks {
            allow: networks(columns, "networks_allow")?,
            deny: networks(columns, "networks_deny")?,
        },
        not_before: columns.optional_time("not_before")?,
        expires_at: columns.optional_time("expires_at")?,
        disabled: columns.flag("disabled")?,
    })
}

/// The names in the order in which they were written, which their authentication code covers.
fn scope(columns: Columns<'_>, name: &str) -> Option<Scope> {
    Some(match columns.optional_list(name)? {
        None => Scope::All,
        Some(names) => Scope::Only(names.into_iter().map(Into::into).collect()),
    })
}

/// In the order in which they were written, as the names of a scope.
fn models(columns: Columns<'_>) -> Option<Models> {
    Some(match columns.optional_list("models")? {
        None => Models::All,
        Some(texts) => {
            let patterns = texts.iter().map(|text| ModelPattern::parse(text).ok());
            Models::Only(patterns.collect::<Option<_>>()?)
        }
    })
}

fn networks(columns: Columns<'_>, name: &str) -> Option<Vec<Network>> {
    let texts = columns.list(name)?;
    texts.iter().map(|text| Network::parse(text).ok()).collect()
}

fn scope_text(scope: &Scope) -> Option<String> {
    match scope {
        Scope::All => None,
        Scope::Only(names) => Some(json_list(names.iter().map(|name| &**name))),
    }
}

fn models_text(models: &Models) -> Option<String> {
    match models {
        Models::All => None,
        Models::Only(patterns) => Some(json_list(patterns.iter().map(ModelPattern::as_str))),
    }
}

fn networks_text(networks: &[Network]) -> String {
    json_list(networks.iter().map(ToString::to_string))
}

/// Makes or replaces the token. A conflict where another token has its digest, or another account its id.
/// When it was last used stays.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    record: &TokenRecord,
    revision: i64,
) -> Result<Vec<u8>, Failure> {
    let mac = seal_row(record, keys, revision)?;
    let grant = &record.grant;
    let retiring = record.retiring.as_ref();
    let done = sqlx::query(
        "INSERT INTO tokens (id, account, kind, digest, name, permissions, gateways, providers,
             aliases, classes, networks_allow, networks_deny, not_before, expires_at, disabled,
             issued_at, modified_at, revision, mac, retiring_digest, retiring_until,
             models, spend_limits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
             $20, $21, $22, $23)
         ON CONFLICT (id) DO UPDATE
         SET kind = excluded.kind, digest = excluded.digest, name = excluded.name,
             permissions = excluded.permissions, gateways = excluded.gateways,
             providers = excluded.providers, aliases = excluded.aliases,
             classes = excluded.classes, networks_allow = excluded.networks_allow,
             networks_deny = excluded.networks_deny, not_before = excluded.not_before,
             expires_at = excluded.expires_at, disabled = excluded.disabled,
             issued_at = excluded.issued_at, modified_at = excluded.modified_at,
             retiring_digest = excluded.retiring_digest, retiring_until = excluded.retiring_until,
             models = excluded.models, spend_limits = excluded.spend_limits, revision = excluded.revision, mac = excluded.mac
         WHERE tokens.account = excluded.account",
    )
    .bind(record.id.as_str())
    .bind(grant.account.to_string())
    .bind(record.kind.as_str())
    .bind(record.digest.as_bytes().as_slice())
    .bind(&record.name)
    .bind(json_list(grant.permissions.names()))
    .bind(scope_text(&grant.gateways))
    .bind(scope_text(&grant.providers))
    .bind(scope_text(&grant.aliases))
    .bind(i64::from(grant.classes.bits()))
    .bind(networks_text(&grant.networks.allow))
    .bind(networks_text(&grant.networks.deny))
    .bind(optional_millis(grant.not_before))
    .bind(optional_millis(grant.expires_at))
    .bind(i64::from(grant.disabled))
    .bind(millis(record.issued_at))
    .bind(millis(record.modified_at))
    .bind(revision)
    .bind(mac.as_slice())
    .bind(retiring.map(|retiring| retiring.digest.as_bytes().to_vec()))
    .bind(optional_millis(retiring.map(|retiring| retiring.until)))
    .bind(models_text(&grant.models))
    .bind(record.spend_limits.as_deref())
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Failure::Conflict);
    }
    Ok(mac)
}

/// The tokens of an account, or all; those that are not honoured are reported and left out.
pub(crate) async fn list_of(
    connection: &mut SqliteConnection,
    keys: &RowAuthenticator,
    account: Option<AccountId>,
) -> Result<Vec<TokenRecord>, Failure> {
    let rows = sqlx::query("SELECT * FROM tokens WHERE $1 IS NULL OR account = $1 ORDER BY id")
        .bind(account.map(|account| account.to_string()))
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().filter_map(|row| honoured(row, keys)).collect())
}

/// Never moves a time back; leaves out tokens that do not exist.
pub(crate) async fn save_last_used(
    connection: &mut SqliteConnection,
    id: TokenId,
    at: SystemTime,
) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE tokens SET last_used_at = $2
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
    )
    .bind(id.as_str())
    .bind(millis(at))
    .execute(connection)
    .await?;
    Ok(())
}
