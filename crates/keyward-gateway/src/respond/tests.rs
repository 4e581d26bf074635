use std::{cell::RefCell, collections::BTreeSet, fs, path::Path};

use http::HeaderMap;
use keyward_routes::{BudgetWindow, Money};
use keyward_testing::assert_texts;
use serde_json::Value;

use super::{Denied, NoRoom, Refusal};
use crate::{request_id::Ids, rules::Whose};

fn name(text: &str) -> String {
    text.to_owned()
}

/// Every variant once: what `told` makes of each is compared.
#[expect(clippy::too_many_lines, reason = "a table that is matched as a whole")]
fn check(told: impl Fn(Refusal) -> String) {
    let (gateway, provider) = (name("staging"), name("openai"));
    assert_texts!("Refusal", Refusal {
        Refusal::Unauthorized(_) => Refusal::Unauthorized(Denied::Missing),
        Refusal::GatewayUnknown { .. } => Refusal::GatewayUnknown { gateway: gateway.clone() },
        Refusal::ProviderUnknown { .. } => Refusal::ProviderUnknown { provider: name("opnai") },
        Refusal::ProviderRefused { .. } => Refusal::ProviderRefused {
            provider: name("custom-own"),
            reason: name("it is switched off. Switch it on with `keyward providers update own --enable`."),
        },
        Refusal::AliasUnknown { .. } => Refusal::AliasUnknown {
            gateway: gateway.clone(),
            provider: provider.clone(),
            alias: name("blue"),
            configured: name("'default', 'green'"),
        },
        Refusal::KeyMissing { .. } => Refusal::KeyMissing {
            gateway: gateway.clone(),
            provider: provider.clone(),
        },
        Refusal::Path(_) => Refusal::Path(name("the path holds a backslash; write `/`, or leave it out")),
        Refusal::Host => Refusal::Host,
        Refusal::CredentialRepeated => Refusal::CredentialRepeated,
        Refusal::OwnKeyForbidden { .. } => Refusal::OwnKeyForbidden { gateway: gateway.clone() },
        Refusal::Method { .. } => Refusal::Method { method: name("TRACE") },
        Refusal::Upgrade(_) => Refusal::Upgrade("it is not to a WebSocket"),
        Refusal::Expectation => Refusal::Expectation,
        Refusal::Loop => Refusal::Loop,
        Refusal::LoopHeader => Refusal::LoopHeader,
        Refusal::Header { .. } => Refusal::Header {
            name: "cf-aig-byok-alias",
            problem: "stands in the request more than once",
        },
        Refusal::Target(_) => Refusal::Target(name(
            "provider `openai` does not serve this path: a segment is `.` or `..`",
        )),
        Refusal::KeyDisabled { .. } => Refusal::KeyDisabled {
            gateway: gateway.clone(),
            provider: provider.clone(),
            alias: name("blue"),
        },
        Refusal::KeyNotActive { .. } => Refusal::KeyNotActive {
            gateway: gateway.clone(),
            provider: provider.clone(),
            alias: name("blue"),
            status: "invalid",
            why: name("since 2027-01-15T08:00:00Z: the provider answered 401 and does not know the key, or no more"),
        },
        Refusal::KeyPast { .. } => Refusal::KeyPast {
            gateway: gateway.clone(),
            provider: provider.clone(),
            alias: name("blue"),
            at: name("2027-01-15T08:00:00Z"),
        },
        Refusal::PoolLimited { .. } => Refusal::PoolLimited {
            gateway: gateway.clone(),
            provider: provider.clone(),
            members: name("'default' is limited for 7 s more; 'blue' is invalid"),
            seconds: 7,
        },
        Refusal::PoolUnusable { .. } => Refusal::PoolUnusable {
            gateway: gateway.clone(),
            provider: provider.clone(),
            members: name("'default' is out of funds and tried again in 240 s; 'blue' is disabled"),
        },
        Refusal::KeyRefused { .. } => Refusal::KeyRefused {
            gateway: gateway.clone(),
            provider: provider.clone(),
            alias: name("blue"),
            reason: name("the provider answered 401 and does not know the key, or no more"),
        },
        Refusal::KeyElsewhere { .. } => Refusal::KeyElsewhere {
            gateway: gateway.clone(),
            provider: provider.clone(),
            alias: name("blue"),
            sealed_for: name("https://api.openai.com"),
            wanted: name("https://proxy.example.com"),
        },
        Refusal::KeyDamaged { .. } => Refusal::KeyDamaged {
            gateway: gateway.clone(),
            provider: provider.clone(),
            alias: name("blue"),
        },
        Refusal::HeadersElsewhere { .. } => Refusal::HeadersElsewhere {
            provider: name("custom-own"),
            slug: name("own"),
            sealed_for: name("https://old.example.com"),
            wanted: name("https://new.example.com"),
        },
        Refusal::HeadersDamaged { .. } => Refusal::HeadersDamaged {
            provider: name("custom-own"),
            slug: name("own"),
        },
        Refusal::KeyCut => Refusal::KeyCut,
        Refusal::ProviderCut => Refusal::ProviderCut,
        // The texts behind these are the forwarder's, which has a file of its own for them.
        Refusal::Upstream(_) => Refusal::Upstream(name(
            "api.openai.com refused the connection; try again later",
        )),
        Refusal::UpstreamSlow(_) => Refusal::UpstreamSlow(name(
            "connecting to api.openai.com took too long; try again later",
        )),
        Refusal::UpstreamBusy(_) => Refusal::UpstreamBusy(name(
            "too many requests wait for api.openai.com; try again later",
        )),
        Refusal::RedirectRefused(_) => Refusal::RedirectRefused(name(
            "api.openai.com redirects to an address outside its own",
        )),
        Refusal::AddressForbidden { .. } => Refusal::AddressForbidden { host: name("a.example") },
        Refusal::AnswerEncoding(_) => Refusal::AnswerEncoding(name(
            "api.openai.com sent an error that is compressed in a way that cannot be undone safely; send `Accept-Encoding: identity` to see it",
        )),
        Refusal::RequestBody(_) => Refusal::RequestBody(name(
            "the request's body broke off; send it whole",
        )),
        Refusal::RequestBodySlow(_) => Refusal::RequestBodySlow(name(
            "the request's body came too slowly; send it faster",
        )),
        Refusal::ModelUnread(_) => Refusal::ModelUnread(name(
            "the request's body names no `model`; add one",
        )),
        Refusal::Chat(_) => Refusal::Chat("`model` names no provider".to_owned()),
        Refusal::Entries(_) => Refusal::Entries("entry 0: missing field `query`".to_owned()),
        Refusal::SpendLimited(_) => Refusal::SpendLimited(Box::new(NoRoom {
            rule: name("per-user"),
            whose: Whose::Gateway,
            limit: Money::from_dollars(10.0).unwrap(),
            window: BudgetWindow::MONTH,
            provider: name("openai"),
            model: name("gpt-5"),
            spent: Money::from_dollars(9.98).unwrap(),
            reserved: Money::from_dollars(0.02).unwrap(),
            seconds: 86_400,
        })),
        Refusal::CostUnread(_) => Refusal::CostUnread(name("the request's body names no `model`; add one")),
        Refusal::PriceUnknown { .. } => Refusal::PriceUnknown {
            provider: name("openai"),
            model: name("gpt-99"),
            rule: name("per-user"),
        },
        Refusal::CompatPath => Refusal::CompatPath,
        Refusal::RouteUnknown => Refusal::RouteUnknown,
        Refusal::RouteBroken => Refusal::RouteBroken,
        Refusal::RouteFailed { .. } => Refusal::RouteFailed {
            route: "support".to_owned(),
            failed: "openai/gpt-5 answered 500".to_owned(),
        },
        Refusal::BodyTooLong { .. } => Refusal::BodyTooLong { mib: 10 },
        Refusal::Busy => Refusal::Busy,
        Refusal::RateLimited { .. } => Refusal::RateLimited { what: "gateway", limit: 10, window: 60, seconds: 7 },
        Refusal::LimitsLost => Refusal::LimitsLost,
    }, told);
}

/// The answer, as a client reads it.
fn answer(refusal: Refusal) -> (Value, HeaderMap) {
    let (head, body) = refusal.into_response(&Ids::of_part()).into_parts();
    (serde_json::from_slice(&body).unwrap(), head.headers)
}

/// Status and code of each row of the page, in the part about the data plane.
fn written() -> BTreeSet<(u16, u16)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, page) = page.split_once("\n## Data plane\n").unwrap();
    let (page, _) = page.split_once("\n## ").unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells = line.trim_matches(['|', ' ']).split(" | ");
        let cells: Vec<_> = cells.collect();
        let pair = (cells.first()?.parse().ok()?, cells.get(1)?.parse().ok()?);
        assert!(
            cells.len() == 4 && cells.iter().all(|cell| !cell.trim().is_empty()),
            "{line}"
        );
        Some(pair)
    });
    rows.collect()
}

#[test]
fn every_refusal_says_what_is_wrong_and_what_to_do_and_stands_in_the_page_of_errors() {
    let given = RefCell::new(BTreeSet::new());
    check(|refusal: Refusal| {
        let (status, code) = refusal.status();
        given.borrow_mut().insert((status.as_u16(), code));
        let (body, headers) = answer(refusal);
        assert_eq!(body["httpCode"], status.as_u16());
        assert_eq!(
            (&body["internalCode"], &body["error"][0]["code"]),
            (&code.into(), &code.into())
        );
        assert_eq!(body["message"], body["error"][0]["message"]);
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let mut told = format!("{status}, {code} {}\n{}", text("name"), text("message"));
        if text("description") != text("message") {
            told += &format!("\ndescription: {}", text("description"));
        }
        if let Some(seconds) = headers.get("retry-after") {
            told += &format!("\nretry-after: {}", seconds.to_str().unwrap());
        }
        told
    });
    assert_eq!(written(), given.into_inner());
}
