//! Figures, charts and tables of requests, and what is said of them before something is deleted.

use keyward_auth::{Grant, Permission, Permissions, Scope};
use keyward_registry::{TrafficClass, TrafficSeries};

use super::browser::{Browser, Page};
use crate::support::{Harness, OURS, ago};

fn series(key: Option<&str>) -> TrafficSeries {
    TrafficSeries {
        account: OURS,
        gateway: "default".parse().unwrap(),
        provider: "openai".parse().unwrap(),
        key: key.map(|id| id.parse().unwrap()),
    }
}

/// The cells of the table of hours that has requests: requests, errors, p50, p99.
fn busy_hours(page: &Page) -> Vec<[String; 4]> {
    let (_, table) = page
        .text
        .split_once("Requests by the hour</caption>")
        .unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    let rows = table.split("<tr>").skip(2).map(|row| {
        let mut cells = row.split(r#"<td class="num""#).skip(1).map(|cell| {
            let (_, cell) = cell.split_once('>').unwrap();
            cell.split_once('<').unwrap().0.to_owned()
        });
        std::array::from_fn(|_| cells.next().unwrap())
    });
    let rows: Vec<[String; 4]> = rows.collect();
    assert_eq!(rows.len(), 24);
    rows.into_iter()
        .filter(|[requests, ..]| requests != "0")
        .collect()
}

#[tokio::test]
async fn figures_chart_and_table_say_the_same() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/keys/default/{key}");
    for page in ["/", &path] {
        browser
            .get(page)
            .await
            .shows("No request in the last 24 hours")
            .lacks("<figure");
    }
    let ours = series(Some(&key));
    harness
        .count(&ours, 0, TrafficClass::Success, &[3; 30])
        .await;
    harness
        .count(&ours, 0, TrafficClass::ServerError, &[3; 10])
        .await;
    harness
        .count(&ours, 7_200, TrafficClass::Success, &[10; 20])
        .await;
    // Another key's, and one without a key: in the overview alone.
    harness
        .count(&series(None), 0, TrafficClass::Refused, &[0; 2])
        .await;

    let page = browser.get(&path).await;
    page.shows("<dt>Requests</dt><dd>60</dd>")
        .shows("<dt>Errors</dt><dd>10 <small>16.6 %</small></dd>")
        .shows("60 requests in 24 hours, 10 of them errors; 40 in the busiest hour")
        .shows(": 40 requests, errors: 10</title>")
        .shows(": 20 requests, errors: 0</title>")
        // Of 40 the highest: a quarter of it errors. The other hour is half as high.
        .shows(r#"y="0" width="16" height="750"/><rect class="c-bad""#)
        .shows(r#"y="750" width="16" height="250""#)
        .shows(r#"y="500" width="16" height="500""#)
        .shows(": p50 6.0 ms, p99 8.0 ms</title>")
        .shows("Half of the answers began within 7.0 ms, 99 % within 1.0 s");
    assert_eq!(
        busy_hours(&page),
        [
            ["20", "0", "768 ms", "1.0 s"],
            ["40", "10", "6.0 ms", "8.0 ms"],
        ]
    );
    let overview = browser.get("/").await;
    overview
        .shows("<dt>Requests</dt><dd>62</dd>")
        .shows("<dt>Errors</dt><dd>12 <small>19.3 %</small></dd>");
    assert_eq!(busy_hours(&overview)[1][..2], ["42", "12"]);
    // Nothing that the policy of contents forbids.
    overview.lacks(" style=").lacks("<script>");
}

#[tokio::test]
async fn a_delete_says_how_much_it_hits() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let browser = Browser::signed_in(&harness).await;
    let delete = format!("/keys/default/{key}/delete");
    browser.get(&delete).await.shows("It was never used.");
    let id = key.parse().unwrap();
    let snapshot = harness.registry.snapshot();
    let used = &snapshot.provider_key(OURS, id).unwrap().last_used;
    used.touch_at(ago(120));
    let ours = series(Some(&key));
    harness
        .count(&ours, 60, TrafficClass::Success, &[0; 41])
        .await;
    // Too long ago.
    harness
        .count(&ours, 3_700, TrafficClass::Success, &[0; 1_000])
        .await;
    harness
        .count(&series(None), 60, TrafficClass::Success, &[0])
        .await;
    browser
        .get(&delete)
        .await
        .shows("2 min ago</time>, 41 requests in the last hour.");
    browser
        .get("/gateways/default/delete")
        .await
        .shows("there were 42 requests in the last hour");
    let wrong = browser.post(&delete, &[("typed", "x")]).await;
    wrong.shows("41 requests in the last hour");
}

#[tokio::test]
async fn versions_are_told_as_the_store_keeps_them() {
    let harness = Harness::new().await;
    let key = harness.key("default").await;
    let browser = Browser::signed_in(&harness).await;
    let path = format!("/keys/default/{key}");
    browser
        .get(&path)
        .await
        .shows("<strong>current</strong>")
        .lacks("destroyed");
    let secret = [("secret", "sk-another-one-abcd"), ("overlap", "0")];
    browser.post(&format!("{path}/rotate"), &secret).await;
    let page = browser.get(&path).await;
    let (_, table) = page
        .text
        .split_once("Versions of its value</caption>")
        .unwrap();
    let newest = table.find(r#"data-label="Version">2<"#).unwrap();
    let oldest = table.find(r#"data-label="Version">1<"#).unwrap();
    let (current, gone) = (
        table.find("<strong>current").unwrap(),
        table.find("destroyed").unwrap(),
    );
    assert!(
        newest < current && current < oldest && oldest < gone,
        "{table}"
    );
    let listed = harness
        .get(&format!(
            "{}/{key}/versions",
            crate::support::keys(OURS, "default")
        ))
        .await;
    let versions = listed.result().as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["destroyed_at"], serde_json::Value::Null);
    assert!(versions[1]["destroyed_at"].is_string());
    assert!(!listed.text.contains("sealed"));
}

/// A token for one gateway sees the figures of that gateway.
#[tokio::test]
async fn figures_are_of_what_the_token_may_see() {
    let harness = Harness::new().await;
    let mut grant = Grant::new(OURS, Permissions::from_iter([Permission::AiGatewayRead]));
    harness
        .count(&series(None), 0, TrafficClass::Success, &[0])
        .await;
    let all = harness.token(grant.clone()).await.1;
    // No key is stored, and there was a request: it is told.
    let browser = Browser::signed_in_as(&harness, &all).await;
    browser.get("/").await.shows("<dt>Requests</dt><dd>1</dd>");
    grant.gateways = Scope::only(["other"]);
    let narrowed = harness.token(grant).await.1;
    let browser = Browser::signed_in_as(&harness, &narrowed).await;
    browser.get("/").await.lacks("<dt>Requests</dt>");
}
