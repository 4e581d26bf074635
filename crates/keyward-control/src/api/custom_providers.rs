//! Custom providers: `/accounts/{account}/ai-gateway/custom-providers` (wire-spec §4.6).
//!
//! Ours beside the reference: the fields `credential_header`, `provider_slug` and `headers_destination`, `logo` in
//! requests, and what a deletion says of keys and requests. Names, notes, links, pictures and examples are text of
//! whoever wrote them: they leave here inside JSON, marked `nosniff`, and nowhere else.

mod order;
mod request;

use std::sync::Arc;

use keyward_providers::{BaseUrl, CredentialPlacement};
use keyward_registry::{
    CustomProvider, CustomProviderDetails, CustomProviderEdit, CustomProviderId,
    CustomProviderRecord, CustomSlug, HeaderInput, Link, Logo, NewCustomProvider, Refusal, Use,
};
use keyward_secret::SecretBytes;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::order::Order;
pub(crate) use self::request::{Change, ListQuery, NewProvider};
use super::in_use::{Requests, UnderWay};
use crate::{
    call::Call,
    envelope::{FieldPath, Problem, Reply},
    moment,
    object::{Field, Object, Shape},
    page::Page,
};

const MAX_NAME: usize = 256;
const MAX_DESCRIPTION: usize = 1024;
/// Of either example.
const MAX_EXAMPLE: usize = 8192;
/// The largest whole number that every client's number type holds.
const MAX_POSITION: i64 = 9_007_199_254_740_991;
/// Longer than any link or picture that is taken.
const MAX_TEXT: usize = 100_000;

/// What only answers carry, and a client may send back.
const ANSWER_FIELDS: &[&str] = &[
    "id",
    "account_id",
    "account_tag",
    "provider_slug",
    "headers_destination",
    "created_at",
    "modified_at",
    "requests_open",
    "requests_cut",
];

/// A custom provider as answers carry it. Of the headers the names, and masks for the values.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomProvider)]
pub(crate) struct Body {
    id: String,
    account_id: String,
    account_tag: String,
    name: String,
    slug: String,
    /// The slug by which paths, provider keys and scopes of tokens name it.
    provider_slug: String,
    base_url: String,
    /// How it takes a key.
    credential_header: &'static str,
    description: Option<String>,
    enable: bool,
    beta: bool,
    link: Option<String>,
    logo: Option<String>,
    curl_example: Option<String>,
    js_example: Option<String>,
    position: Option<i64>,
    /// A JSON object as a text, each value masked.
    headers: Option<String>,
    /// Where the headers may be sent, as it was sealed with them.
    headers_destination: Option<Vec<String>>,
    /// RFC 3339.
    created_at: Option<String>,
    /// RFC 3339.
    modified_at: Option<String>,
    #[serde(flatten)]
    requests: Requests,
}

/// A custom provider that was deleted, and what went with it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedCustomProvider)]
pub(crate) struct DeletedBody {
    #[serde(flatten)]
    provider: Body,
    /// How many provider keys, in all gateways of the account.
    provider_keys_deleted: usize,
}

impl Body {
    fn new(call: &Call, provider: &CustomProvider) -> Self {
        let record = &provider.record;
        let details = &record.details;
        let destination = record.headers_destination(call.registry.vault());
        Self {
            id: record.id.to_string(),
            account_id: record.account.to_string(),
            account_tag: record.account.to_string(),
            name: details.name.clone(),
            slug: record.slug.to_string(),
            provider_slug: provider.provider.slug().to_owned(),
            base_url: record.base_url.to_string(),
            credential_header: record.placement.as_str(),
            description: details.description.clone(),
            enable: record.enabled,
            beta: details.beta,
            link: details.link.as_ref().map(|link| link.as_str().to_owned()),
            logo: details.logo.as_ref().map(|logo| logo.as_str().to_owned()),
            curl_example: details.curl_example.clone(),
            js_example: details.js_example.clone(),
            position: details.position,
            headers: record.headers.as_ref().map(|headers| {
                let shown = headers.masks.iter().cloned();
                let shown = shown.map(|(name, mask)| (name, Value::String(mask)));
                Value::Object(shown.collect::<Map<_, _>>()).to_string()
            }),
            headers_destination: destination.map(|destination| destination.entries().collect()),
            created_at: moment::format(record.created_at),
            modified_at: moment::format(record.modified_at),
            requests: Requests::default(),
        }
    }
}

pub(crate) fn list(call: &Call) -> Result<Reply, Problem> {
    let page = Page::of(call)?;
    let order = Order::of(call)?;
    let (enable, beta) = (flag(call, "enable")?, flag(call, "beta")?);
    let search = call.query("search").unwrap_or_default().to_lowercase();
    let snapshot = call.snapshot();
    let account = snapshot
        .account(call.account)
        .ok_or_else(Problem::no_account)?;
    let is_sought = |provider: &&Arc<CustomProvider>| {
        let record = &provider.record;
        let holds = |text: &str| text.to_lowercase().contains(&search);
        enable.is_none_or(|enable| record.enabled == enable)
            && beta.is_none_or(|beta| record.details.beta == beta)
            && (holds(&record.details.name) || holds(record.slug.as_str()))
    };
    let providers: Vec<_> = account.custom_providers().filter(is_sought).collect();
    let (providers, info) = page.cut_in_order(providers, |one, other| {
        order.compare(&one.record, &other.record)
    });
    let bodies: Vec<_> = providers
        .into_iter()
        .map(|provider| Body::new(call, provider))
        .collect();
    Reply::page(&bodies, info)
}

fn flag(call: &Call, name: &'static str) -> Result<Option<bool>, Problem> {
    match call.query(name) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => {
            let path = FieldPath::query().name(name);
            Err(Problem::invalid(&path, "is `true` or `false`"))
        }
    }
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    let provider = find(call)?;
    Reply::new(&Body::new(call, &provider))
}

pub(crate) async fn create(mut call: Call) -> Result<Reply, Problem> {
    let mut body = call.take_body(Shape {
        known: request::FIELDS,
        skipped: ANSWER_FIELDS,
        secrets: &["headers"],
    })?;
    let slug = body.require("slug")?.parsed(CustomSlug::parse)?;
    let details = CustomProviderDetails {
        name: body.require("name").and_then(name)?,
        description: given(&mut body, "description", description)?.flatten(),
        link: given(&mut body, "link", link)?.flatten(),
        logo: given(&mut body, "logo", logo)?.flatten(),
        curl_example: given(&mut body, "curl_example", example)?.flatten(),
        js_example: given(&mut body, "js_example", example)?.flatten(),
        position: given(&mut body, "position", position)?.flatten(),
        beta: given(&mut body, "beta", Field::boolean)?
            .flatten()
            .unwrap_or_default(),
    };
    let new = NewCustomProvider {
        account: call.account,
        slug,
        base_url: body.require("base_url").and_then(base_url)?,
        placement: given(&mut body, "credential_header", placement)?
            .flatten()
            .unwrap_or_default(),
        enabled: given(&mut body, "enable", Field::boolean)?
            .flatten()
            .unwrap_or_default(),
        headers: body
            .find_nullable_secret("headers")?
            .flatten()
            .map(|text| headers(&text))
            .transpose()?
            .unwrap_or_else(HeaderInput::none),
        details,
    };
    let provider = call
        .registry
        .create_custom_provider(new, call.actor(), call.now)
        .await?;
    Reply::new(&Body::new(&call, &provider))
}

pub(crate) async fn edit(mut call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let stored = find(&call)?;
    let mut body = call.take_body(Shape {
        known: request::FIELDS,
        skipped: ANSWER_FIELDS,
        secrets: &["headers"],
    })?;
    if let Some(field) = body.find("slug")
        && !field.is_text(stored.record.slug.as_str())
    {
        let reason = "cannot be changed: provider keys and tokens name the provider by it; delete the provider and make it anew";
        return Err(field.refuse(reason));
    }
    let edit = CustomProviderEdit {
        base_url: set(&mut body, "base_url", base_url)?,
        placement: set(&mut body, "credential_header", placement)?,
        enabled: set(&mut body, "enable", Field::boolean)?,
        name: set(&mut body, "name", name)?,
        description: given(&mut body, "description", description)?,
        link: given(&mut body, "link", link)?,
        logo: given(&mut body, "logo", logo)?,
        curl_example: given(&mut body, "curl_example", example)?,
        js_example: given(&mut body, "js_example", example)?,
        position: given(&mut body, "position", position)?,
        beta: set(&mut body, "beta", Field::boolean)?,
        headers: match body.find_nullable_secret("headers")? {
            None => None,
            Some(None) => Some(HeaderInput::none()),
            Some(Some(text)) => Some(headers(&text)?),
        },
    };
    let asked = Asked::of(&edit);
    let provider = call
        .registry
        .edit_custom_provider(call.account, stored.record.id, edit, call.actor(), call.now)
        .await?;
    let mut body = Body::new(&call, &provider);
    if let Some(revoked) = asked.revoked(&provider.record) {
        body.requests = under_way.settle(&call, revoked);
    }
    Reply::new(&body)
}

/// What a change takes from requests under way, by what was asked and not by what it made different: who switches off
/// first and cuts later, or asks again, cuts as well.
struct Asked {
    leads_elsewhere: bool,
    is_switched_off: bool,
    has_headers: bool,
}

impl Asked {
    fn of(edit: &CustomProviderEdit) -> Self {
        Self {
            leads_elsewhere: edit.base_url.is_some(),
            is_switched_off: edit.enabled == Some(false),
            has_headers: edit.headers.is_some(),
        }
    }

    /// Where requests go, or the headers that they carry.
    fn revoked(&self, after: &CustomProviderRecord) -> Option<Use> {
        let id = after.id;
        if self.is_switched_off || self.leads_elsewhere {
            return Some(Use::CustomProvider(id));
        }
        let keeps = after.headers.as_ref().map(|headers| headers.number);
        self.has_headers.then_some(Use::CustomHeaders { id, keeps })
    }
}

pub(crate) async fn delete(call: Call) -> Result<Reply, Problem> {
    let under_way = UnderWay::of(&call)?;
    let id = find(&call)?.record.id;
    let (provider, keys) = call
        .registry
        .delete_custom_provider(call.account, id, call.actor(), call.now)
        .await?;
    let mut body = Body::new(&call, &provider);
    // Those with its keys are among them: a key for it is used for nothing else.
    body.requests = under_way.settle(&call, Use::CustomProvider(id));
    Reply::new(&DeletedBody {
        provider: body,
        provider_keys_deleted: keys.len(),
    })
}

/// The provider of the path.
fn find(call: &Call) -> Result<Arc<CustomProvider>, Problem> {
    let snapshot = call.snapshot();
    let found = CustomProviderId::parse(call.id())
        .ok()
        .and_then(|id| snapshot.custom_provider_by_id(call.account, id).cloned());
    found.ok_or_else(|| Refusal::CustomProviderNotFound.into())
}

/// A field that may be null: the outer `None` where it is not there.
fn given<T>(
    body: &mut Object,
    field: &'static str,
    read: impl FnOnce(Field) -> Result<T, Problem>,
) -> Result<Option<Option<T>>, Problem> {
    match body.find_nullable(field) {
        None => Ok(None),
        Some(None) => Ok(Some(None)),
        Some(Some(field)) => read(field).map(|value| Some(Some(value))),
    }
}

/// A field that has a value always: null is refused.
fn set<T>(
    body: &mut Object,
    field: &'static str,
    read: impl FnOnce(Field) -> Result<T, Problem>,
) -> Result<Option<T>, Problem> {
    match given(body, field, read)? {
        Some(None) => Err(Problem::invalid(&body.path(field), "cannot be null")),
        Some(value) => Ok(value),
        None => Ok(None),
    }
}

fn base_url(field: Field) -> Result<BaseUrl, Problem> {
    let path = field.path().clone();
    let text = field.text(MAX_TEXT)?;
    BaseUrl::parse(&text).map_err(|error| Problem::custom_base_url(&path, &error))
}

fn name(field: Field) -> Result<String, Problem> {
    let path = field.path().clone();
    let name = field.text(MAX_NAME)?;
    if name.trim().is_empty() {
        return Err(Problem::invalid(&path, "cannot be empty"));
    }
    Ok(name)
}

fn description(field: Field) -> Result<String, Problem> {
    field.lines(MAX_DESCRIPTION)
}

fn example(field: Field) -> Result<String, Problem> {
    field.lines(MAX_EXAMPLE)
}

fn link(field: Field) -> Result<Link, Problem> {
    let path = field.path().clone();
    let text = field.text(MAX_TEXT)?;
    Link::parse(&text).map_err(|error| Problem::invalid(&path, error))
}

fn logo(field: Field) -> Result<Logo, Problem> {
    let path = field.path().clone();
    let text = field.text(MAX_TEXT)?;
    Logo::parse(&text).map_err(|error| Problem::invalid(&path, error))
}

fn position(field: Field) -> Result<i64, Problem> {
    field.whole(0..=MAX_POSITION)
}

fn placement(field: Field) -> Result<CredentialPlacement, Problem> {
    field.parsed(CredentialPlacement::parse)
}

fn headers(text: &SecretBytes) -> Result<HeaderInput, Problem> {
    HeaderInput::parse(text).map_err(|error| Refusal::Headers(error).into())
}
