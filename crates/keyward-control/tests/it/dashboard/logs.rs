//! The log of requests: table, one request, plots, and what is exported.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::Method;
use http_body_util::BodyExt;
use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_registry::{LogEntry, LogId, LogRecord, LogStore};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower::ServiceExt;

use super::browser::{Browser, Page};
use crate::{
    logs::{entry, id},
    support::{Harness, OURS, THEIRS, tokens},
};

const LOG: &str = "/gateways/default/logs";
/// The time in which the entries of these tests lie.
const TIME: &str = "from=2027-01-15T08:00&until=2027-01-15T08:59";

/// Many entries, one in each second.
async fn fill(harness: &Harness, count: u64) {
    let record = |number: u64| {
        let millis = 1_800_000_000_000 + 1_000 * number;
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        LogRecord::new(LogEntry {
            id: LogId::first_at(time),
            ..entry(OURS, u8::try_from(number % 10).unwrap())
        })
    };
    let records: Vec<_> = (1..=count).map(record).collect();
    assert_eq!(harness.store.save_logs(&records, &[]).await.unwrap(), 0);
}

/// The ids of the requests on a page.
fn ids(page: &Page) -> Vec<String> {
    let links = page.text.split(r#"<a class="go" href=""#).skip(1);
    let paths = links.map(|rest| rest.split_once('"').unwrap().0);
    paths
        .map(|path| path.rsplit('/').next().unwrap().to_owned())
        .collect()
}

/// Where a link of a page leads to.
fn link(page: &Page, text: &str) -> Option<String> {
    let (before, _) = page.text.split_once(&format!("\">{text}</a>"))?;
    let (_, path) = before.rsplit_once("href=\"")?;
    Some(path.replace("&#38;", "&"))
}

#[tokio::test]
async fn requests_are_listed_and_narrowed() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get(LOG)
        .await
        .shows("No requests yet")
        .lacks("<table");
    for number in 1..=10 {
        harness.save_log(LogRecord::new(entry(OURS, number))).await;
    }
    harness.save_log(LogRecord::new(entry(THEIRS, 11))).await;
    let page = browser.get(LOG).await;
    let expected: Vec<_> = (1..=10)
        .rev()
        .map(|number| id(number).to_string())
        .collect();
    assert_eq!(ids(&page), expected);
    page.shows("2027-01-15 08:00:10")
        .shows("429<span class=\"sr\"> failed</span>")
        .shows("gpt-5<span class=\"sub\">openai</span>")
        .shows("<td data-label=\"Cost, USD\" class=\"num\">0.1</td>")
        .shows("keyward logs list --gateway default")
        .lacks(">Older<");
    let numbers = async |query: &str| {
        let page = browser.get(&format!("{LOG}?{query}")).await;
        assert_eq!(page.status, 200, "{query}");
        let ids = ids(&page).into_iter();
        let number = |id: String| id.parse::<LogId>().unwrap().as_bytes()[15];
        ids.map(number).collect::<Vec<_>>()
    };
    for (query, found) in [
        ("provider=anthropic", &[9, 7, 5, 3, 1][..]),
        ("outcome=failed", &[10, 5]),
        ("outcome=ok&provider=openai", &[8, 6, 4, 2]),
        ("status=429&model=gpt-5", &[10, 5]),
        ("model=other", &[]),
        ("q=ANTHRO&outcome=failed", &[5]),
        (
            "key=07070707070707070707070707070707&provider=openai",
            &[10, 8, 6, 4, 2],
        ),
        ("token=0V2kQ9xTz3Ab", &[]),
        // To the end of the minute.
        (
            "from=2027-01-15T08:00&until=2027-01-15T08:00",
            &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
        ),
        (
            "from=2027-01-15T08:00:04&until=2027-01-15T08:00:06",
            &[6, 5, 4],
        ),
        ("until=2027-01-15T07:59", &[]),
    ] {
        assert_eq!(numbers(query).await, found, "{query}");
    }
}

#[tokio::test]
async fn a_page_says_what_it_is_narrowed_to_also_by_hand() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    harness.save_log(LogRecord::new(entry(OURS, 1))).await;
    browser
        .get(&format!("{LOG}?provider=anthropic&outcome=failed&q=x"))
        .await
        .shows("No request matches")
        .shows(r#"value="anthropic" selected"#)
        .shows(r#"value="failed" selected"#)
        .shows(
            r#"href="/gateways/default/logs/plots?provider=anthropic&#38;outcome=failed&#38;q=x""#,
        )
        // No command searches.
        .lacks("keyward logs list")
        .shows("search=x");
    // By hand it is the same: the filter is the call's, too.
    let filters = r#"[{"key":"provider","operator":"eq","value":["anthropic"]},{"key":"success","operator":"eq","value":[false]}]"#;
    let encoded = utf8_percent_encode(filters, NON_ALPHANUMERIC).to_string();
    let encoded = encoded.replace("%3A", ":").replace("%2C", ",");
    for page in ["", "/plots"] {
        let query = "provider=anthropic&outcome=failed&from=2027-01-15T08:00";
        browser
            .get(&format!("{LOG}{page}?{query}"))
            .await
            .shows(&format!(
                "filters={encoded}&#38;start_date=2027-01-15T08:00:00Z"
            ));
    }
    browser
        .get(&format!("{LOG}?provider=anthropic&outcome=failed"))
        .await
        .shows("keyward logs list --gateway default --provider anthropic --failed");
}

#[tokio::test]
async fn a_filter_that_cannot_be_meant_is_told_of() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    harness.kept_log().await;
    for (path, says) in [
        ("?status=many", "is compared with numbers"),
        (
            "?outcome=error",
            "an outcome is <code>ok</code> or <code>failed</code>",
        ),
        (
            "/plots?outcome=error",
            "an outcome is <code>ok</code> or <code>failed</code>",
        ),
        (
            "?outcome=true",
            "an outcome is <code>ok</code> or <code>failed</code>",
        ),
        ("?from=yesterday", "must be a moment"),
        ("/plots?until=soon", "must be a moment"),
        ("/plots?from=2020-01-01T00:00", "63 days"),
    ] {
        let page = browser.get(&format!("{LOG}{path}")).await;
        assert_eq!(page.status, 400, "{path}");
        page.shows("The filter is not understood")
            .shows(says)
            .lacks("No requests yet")
            .lacks("<figure");
    }
    browser
        .get(&format!("{LOG}/export.csv?status=many"))
        .await
        .shows("is compared with numbers");
    let export = browser
        .get(&format!("{LOG}/export.csv?outcome=error"))
        .await;
    assert_eq!(export.status, 400);
    assert_eq!(browser.get(&format!("{LOG}/nothing")).await.status, 404);
    assert_eq!(browser.get("/gateways/missing/logs").await.status, 404);
}

#[tokio::test]
async fn pages_lead_to_older_and_newer_requests() {
    let harness = Harness::new().await;
    fill(&harness, 120).await;
    let browser = Browser::signed_in(&harness).await;
    let first = browser.get(&format!("{LOG}?model=gpt-5")).await;
    assert_eq!(ids(&first).len(), 50);
    assert_eq!(link(&first, "Newer"), None);
    let second = browser.get(&link(&first, "Older").unwrap()).await;
    let third = browser.get(&link(&second, "Older").unwrap()).await;
    assert_eq!(link(&third, "Older"), None);
    let all = [ids(&first), ids(&second), ids(&third)].concat();
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    sorted.reverse();
    assert_eq!((all.len(), &all), (120, &sorted));
    // And back, while requests go on.
    let back = browser.get(&link(&third, "Newer").unwrap()).await;
    assert_eq!(ids(&back), ids(&second));
    let back = browser.get(&link(&back, "Newer").unwrap()).await;
    assert_eq!(ids(&back), ids(&first));
    assert!(link(&back, "Newer").is_none() && link(&back, "Older").is_some());
}

#[tokio::test]
async fn one_request_is_shown_with_everything() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let run = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRun]));
    let (token, _) = harness.token(run).await;
    let mut entry = entry(OURS, 1);
    entry.provider_key = Some(key.parse().unwrap());
    entry.token = Some(token);
    entry.event_id = Some(keyward_registry::LogText::new("order-7"));
    entry.usage.reasoning = Some(1);
    entry.error_code = Some(2_045);
    entry.feedback = keyward_registry::LogMark::feedback(-1.0);
    entry.metadata = keyward_registry::LogMetadata::from(&keyward_routes::Metadata::parse(
        br#"{"seats":3,"team":"blue"}"#,
    ));
    harness.save_log(LogRecord::new(entry)).await;
    let browser = Browser::signed_in(&harness).await;
    let list = browser.get(LOG).await;
    let name = harness.get(&format!("{}/{token}", tokens(OURS))).await;
    let name = name.result()["name"].as_str().unwrap().to_owned();
    list.shows("openai/default")
        .shows(&format!("<span class=\"sub\">{name}</span>"));
    let page = browser.get(&format!("{LOG}/{}", id(1))).await;
    for text in [
        "2027-01-15 08:00:01.000 UTC",
        "order-7",
        "v1/chat/completions",
        "OpenAI/Python 3.54.0",
        "<dt>Of them reasoning</dt><dd>1</dd>",
        "<dd>2045</dd>",
        "100 ms",
        "<dt>Feedback</dt><dd>-1</dd>",
        "seats: 3</li>",
        "team: blue</li>",
        &format!("href=\"/keys/default/{key}\">openai/default</a>"),
        &format!("href=\"/tokens/{token}\">{name}</a>"),
        &format!("keyward logs show {} --gateway default", id(1)),
    ] {
        page.shows(text);
    }
    // Who may not see tokens sees their ids.
    let reader = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    let reader = harness.token(reader).await.1;
    let browser = Browser::signed_in_as(&harness, &reader).await;
    let page = browser.get(&format!("{LOG}/{}", id(1))).await;
    page.shows(&format!("<code>{token}</code>"))
        .lacks("href=\"/tokens/");
}

#[tokio::test]
async fn plots_count_what_the_log_has() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser
        .get(&format!("{LOG}/plots"))
        .await
        .shows("No request in this time")
        .lacks("<figure");
    for number in 1..=10 {
        harness.save_log(LogRecord::new(entry(OURS, number))).await;
    }
    let page = browser.get(&format!("{LOG}/plots?{TIME}")).await;
    for text in [
        "From 2027-01-15 08:00 to 2027-01-15 09:00 UTC",
        "By steps of 1 min",
        ">Requests: 10 in all, at most 10 in one step<",
        ">Errors: 2 in all, at most 2 in one step<",
        ">Tokens: 605 in all, at most 605 in one step<",
        ">Cost, USD: 0.55 in all, at most 0.55 in one step<",
        "2027-01-15 08:00: anthropic 5, openai 5",
        // Half of the bar each.
        "<path class=\"s0 c-fill\" d=\"M0 1000h16V500h-16z\"/>",
        "<path class=\"s1 c-fill\" d=\"M0 500h16V0h-16z\"/>",
        "href=\"/gateways/default/logs?provider=openai&#38;from=",
    ] {
        page.shows(text);
    }
    page.lacks(" style=").lacks("Not all of it is drawn");
    let page = browser
        .get(&format!("{LOG}/plots?{TIME}&by=model&outcome=failed"))
        .await;
    page.shows("gpt-5</a>")
        .shows(">Requests: 2 in all")
        .shows(r#"<option value="model" selected>"#);
    browser
        .get(&format!("{LOG}/plots?{TIME}&by=token"))
        .await
        .shows("no token");
}

#[tokio::test]
async fn a_log_is_exported_piece_by_piece() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    let get = async |path: &str| browser.get(&format!("{LOG}/{path}")).await;
    assert_eq!(get("export.json").await.text, "[]\n");
    assert_eq!(get("export.csv").await.text.lines().count(), 1);
    fill(&harness, 2_500).await;
    let csv = get("export.csv?outcome=ok").await;
    assert_eq!(
        csv.headers["content-type"],
        "text/csv; charset=utf-8; header=present"
    );
    let name = csv.headers["content-disposition"].to_str().unwrap();
    assert!(
        name.starts_with("attachment; filename=\"keyward-default-log-20"),
        "{name}"
    );
    assert!(name.ends_with("Z.csv\""), "{name}");
    let lines: Vec<_> = csv.text.lines().collect();
    // Two in ten fail.
    assert_eq!(lines.len(), 1 + 2_000);
    let json = get("export.json?outcome=ok").await;
    assert_eq!(json.headers["content-type"], "application/json");
    let entries: Value = serde_json::from_str(&json.text).unwrap();
    let entries = entries.as_array().unwrap();
    assert_eq!(entries.len(), 2_000);
    for (line, entry) in lines.iter().skip(1).zip(entries) {
        assert_eq!(line.split(',').next(), entry["id"].as_str());
    }
    let ids: Vec<_> = entries.iter().map(|entry| entry["id"].as_str()).collect();
    assert!(ids.is_sorted_by(|one, other| one > other));
}

/// Nothing more is sent, and no end that looks like one.
#[tokio::test]
async fn an_export_breaks_off_where_its_token_is_revoked() {
    let harness = Harness::new().await;
    fill(&harness, 2_500).await;
    let reader = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    let (id, text) = harness.token(reader).await;
    let browser = Browser::signed_in_as(&harness, &text).await;
    for format in ["csv", "json"] {
        let request = browser.request(Method::GET, &format!("{LOG}/export.{format}"));
        let request = request.body(Body::empty()).unwrap();
        let answer = harness.router().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{format}");
        let mut body = answer.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        if format == "json" {
            harness
                .delete(&format!("{}/{id}", tokens(OURS)))
                .await
                .result();
            assert!(body.frame().await.unwrap().is_err());
            assert!(body.frame().await.is_none());
        }
    }
}

#[tokio::test]
async fn the_log_is_for_who_may_see_the_whole_gateway() {
    let harness = Harness::new().await;
    let log = harness.kept_log().await;
    let reader = || Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    let mut other = reader();
    other.gateways = Scope::only(["other"]);
    let mut openai = reader();
    openai.providers = Scope::only(["openai"]);
    for (grant, status) in [(reader(), 200), (other, 403), (openai, 403)] {
        let token = harness.token(grant).await.1;
        let browser = Browser::signed_in_as(&harness, &token).await;
        for page in [
            "",
            "/plots",
            "/export.csv",
            "/export.json",
            &format!("/{log}"),
        ] {
            let page = browser.get(&format!("{LOG}{page}")).await;
            assert_eq!(page.status, status, "{}", page.text);
        }
    }
}

#[tokio::test]
async fn the_menu_leads_to_the_log_of_a_gateway() {
    let harness = Harness::new().await;
    let browser = Browser::signed_in(&harness).await;
    browser.get("/").await.shows(r#"<a href="/logs">"#);
    assert_eq!(browser.get("/logs").await.to(), LOG);
    browser.get(LOG).await.lacks("Show its log");
    let made = crate::support::new_gateway("prod");
    harness
        .post(&crate::support::gateways(OURS), made)
        .await
        .result();
    browser.get(LOG).await.shows("Show its log");
    assert_eq!(
        browser.get("/logs?gateway=prod").await.to(),
        "/gateways/prod/logs"
    );
    assert_eq!(
        browser.get("/logs?gateway=../x").await.to(),
        "/gateways/%2E%2E%2Fx/logs"
    );
    browser
        .get("/gateways/prod")
        .await
        .shows(r#"href="/gateways/prod/logs""#)
        .shows(r#"href="/gateways/prod/logs/plots""#);
}
