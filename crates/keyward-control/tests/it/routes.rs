//! Dynamic routes by the API: the shapes of wire-spec §4.4, every fault with its place, and what a token may.

use std::collections::BTreeSet;

use axum::body::Body;
use futures_util::future::join_all;
use http::Method;
use keyward_auth::{Grant, Permission, Role, Scope};
use keyward_registry::{AuditQuery, AuditStore};
use serde_json::{Value, json};

use crate::support::{Answer, Harness, OURS, elements, gateways, now, request, routes};

/// A route that was made, by its paths.
struct Made {
    path: String,
    versions: String,
    deployments: String,
    /// Its first version.
    first: Value,
    answer: Value,
}

impl Made {
    async fn new(harness: &Harness, name: &str) -> Self {
        let answer = harness.route(name).await;
        let path = format!(
            "{}/{}",
            routes(OURS, "default"),
            answer["id"].as_str().unwrap()
        );
        Self {
            versions: format!("{path}/versions"),
            deployments: format!("{path}/deployments"),
            first: answer["version"]["version_id"].clone(),
            path,
            answer,
        }
    }

    /// Saves a version, and returns its id.
    async fn save(&self, harness: &Harness, model: &str) -> Value {
        let saved = harness
            .post(&self.versions, json!({"elements": elements(model)}))
            .await;
        saved.result()["version_id"].clone()
    }

    async fn deploy(&self, harness: &Harness, version: &Value) -> Answer {
        harness
            .post(&self.deployments, json!({"version_id": version}))
            .await
    }
}

impl Harness {
    async fn post_text(&self, path: &str, body: &str) -> Answer {
        let body = Body::from(body.to_owned());
        self.send(request(&self.admin, Method::POST, path, body))
            .await
    }
}

fn model(answer: &Value) -> &Value {
    &answer["elements"][1]["properties"]["model"]
}

#[tokio::test]
async fn a_route_is_made_with_its_first_version_deployed() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let answer = &made.answer;
    assert_eq!(answer["name"], "support");
    assert_eq!(answer["gateway_id"], "default");
    assert_eq!(answer["account_tag"], OURS.to_string());
    assert!(answer["created_at"].is_string() && answer["modified_at"].is_string());
    let version = &answer["version"];
    assert_eq!(version["active"], "true");
    assert_eq!(version["is_valid"], true);
    assert_eq!(version["number"], 1);
    assert_eq!(version["data"], elements("gpt-5").to_string());
    let deployment = &answer["deployment"];
    assert_eq!(deployment["version_id"], version["version_id"]);
    assert!(deployment["deployment_id"].is_string() && deployment["created_at"].is_string());
    // In the API's one spelling, which the SDKs declare, with what was left out.
    assert_eq!(model(answer), "gpt-5");
    assert_eq!(answer["elements"][1]["properties"]["retries"], 0);

    let shown = harness.get(&made.path).await;
    assert_eq!(shown.result(), answer);
}

#[tokio::test]
async fn lists_stand_in_data_and_are_cut_into_pages() {
    let harness = Harness::new().await;
    let path = routes(OURS, "default");
    let mut made = Vec::new();
    for name in ["b", "c", "a"] {
        made.push(harness.route(name).await);
    }
    let list = harness.get(&path).await;
    assert_eq!(list.status, 200, "{}", list.text);
    let data = &list.json["data"];
    let names: Vec<_> = data["routes"].as_array().unwrap().iter().collect();
    assert_eq!(names, [&made[2], &made[0], &made[1]]);
    assert_eq!(
        (&data["order_by"], &data["order_by_direction"]),
        (&json!("name"), &json!("asc"))
    );
    assert_eq!((&data["page"], &data["per_page"]), (&json!(1), &json!(20)));
    assert_eq!(list.json["result_info"]["total_count"], 3);
    let second = harness.get(&format!("{path}?page=2&per_page=2")).await;
    assert_eq!(second.json["data"]["routes"], json!([made[1]]));
    assert_eq!(second.json["data"]["page"], 2);
    let past = harness.get(&format!("{path}?page=3&per_page=2")).await;
    assert_eq!(past.json["data"]["routes"], json!([]));
    harness
        .get(&format!("{path}?page=0"))
        .await
        .refused(400, 7001);
}

#[tokio::test]
async fn a_route_is_renamed_and_the_answer_stands_in_route() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    harness.route("other").await;
    let rename = async |name: &str| {
        let body = Some(json!({"name": name}));
        harness.call(Method::PATCH, &made.path, body).await
    };
    let renamed = rename("Support_2.0").await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let route = &renamed.json["route"];
    assert_eq!(route["name"], "Support_2.0");
    for field in ["id", "account_tag", "deployment", "version", "elements"] {
        assert_eq!(route[field], made.answer[field], "{field}");
    }
    // An answer may be sent back whole, but for what cannot be changed here.
    assert_eq!(rename("Support_2.0").await.status, 200);
    let taken = rename("other").await;
    assert!(taken.refused(400, 7005).contains("already exists"));
    assert_eq!(taken.json["errors"][0]["path"], json!(["body", "name"]));
    rename("a b").await.invalid(&json!(["body", "name"]));
    let body = Some(json!({"name": "x", "elements": []}));
    let answer = harness.call(Method::PATCH, &made.path, body).await;
    answer.invalid(&json!(["body", "elements"]));
}

#[tokio::test]
async fn versions_are_saved_deployed_and_rolled_back() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let body = json!({"elements": elements("gpt-5-mini"), "comment": "smaller"});
    let saved = harness.post(&made.versions, body).await;
    let saved = saved.result();
    assert_eq!(saved["id"], made.answer["id"]);
    assert_eq!(
        (&saved["name"], &saved["gateway_id"]),
        (&json!("support"), &json!("default"))
    );
    assert_eq!(
        (&saved["active"], &saved["comment"]),
        (&json!("false"), &json!("smaller"))
    );
    assert_eq!(model(saved), "gpt-5-mini");
    let second = saved["version_id"].clone();
    let path = format!("{}/{}", made.versions, second.as_str().unwrap());
    assert_eq!(harness.get(&path).await.result(), saved);
    // Nothing is deployed by it.
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);

    let list = harness.get(&made.versions).await;
    let data = &list.json["data"];
    let told = |list: &Value, of: &str, field: &str| -> Vec<Value> {
        let items = list["data"][of].as_array().unwrap();
        items.iter().map(|item| item[field].clone()).collect()
    };
    assert_eq!(
        told(&list.json, "versions", "version_id"),
        [second.clone(), made.first.clone()]
    );
    assert_eq!(told(&list.json, "versions", "active"), ["false", "true"]);
    assert_eq!(
        data["versions"][0]["data"],
        elements("gpt-5-mini").to_string()
    );
    assert_eq!(data["order_by_direction"], "desc");
    assert_eq!(list.json["result_info"]["total_count"], 2);
    let page = harness
        .get(&format!("{}?per_page=1&page=2", made.versions))
        .await;
    assert_eq!(
        told(&page.json, "versions", "version_id"),
        vec![made.first.clone()]
    );

    let body = json!({"version_id": second, "comment": "on Friday"});
    let deployed = harness.post(&made.deployments, body).await;
    let deployed = deployed.result();
    assert_eq!(model(deployed), "gpt-5-mini");
    assert_eq!(deployed["version"]["version_id"], second);
    assert_eq!(deployed["deployment"]["comment"], "on Friday");
    assert_eq!(harness.get(&made.path).await.result(), deployed);
    let list = harness.get(&made.versions).await;
    assert_eq!(told(&list.json, "versions", "active"), ["true", "false"]);

    let back = made.deploy(&harness, &made.first).await;
    assert_eq!(model(back.result()), "gpt-5");
    let list = harness.get(&made.deployments).await;
    assert_eq!(
        told(&list.json, "deployments", "version_id"),
        [made.first.clone(), second, made.first.clone()]
    );
    let newest = &list.json["data"]["deployments"][0];
    assert_eq!(newest, &back.result()["deployment"]);
    assert_eq!(list.json["result_info"]["total_count"], 3);
}

#[tokio::test]
async fn a_deleted_route_is_shown_once_more_and_is_gone() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let deleted = harness.delete(&made.path).await;
    for field in [
        "id",
        "name",
        "gateway_id",
        "created_at",
        "modified_at",
        "elements",
    ] {
        assert_eq!(deleted.result()[field], made.answer[field], "{field}");
    }
    for path in [&made.path, &made.versions, &made.deployments] {
        harness.get(path).await.refused(404, 7005);
    }
    harness.delete(&made.path).await.refused(404, 7005);
    // The name is free.
    harness.route("support").await;
}

#[tokio::test]
async fn the_newest_hundred_versions_are_kept_and_counted() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let mut second = Value::Null;
    for number in 2..=103 {
        let saved = made.save(&harness, "gpt-5").await;
        if number == 2 {
            second = saved;
        }
    }
    let count = async |path: &str| {
        let list = harness.get(&format!("{path}?per_page=100")).await;
        let rest = harness.get(&format!("{path}?per_page=100&page=2")).await;
        let count = |list: &Answer| list.json["data"]["versions"].as_array().unwrap().len();
        let found = count(&list) + count(&rest);
        assert_eq!(list.json["result_info"]["total_count"], found);
        found
    };
    // The deployed one, which is older than all that are kept, and those.
    assert_eq!(count(&made.versions).await, 101);
    let gone = made.deploy(&harness, &second).await;
    assert!(gone.refused(404, 7005).contains("version"));
    let newest = made.save(&harness, "gpt-5").await;
    made.deploy(&harness, &newest).await.result();
    assert_eq!(count(&made.versions).await, 100);
}

/// What is kept and shown as `data` is what came, to the byte.
#[tokio::test]
async fn elements_are_kept_as_they_were_written() {
    let harness = Harness::new().await;
    let text = r#"[ {"id":"s\u0074art","type":"start","outputs":{"next":{"elementId":"l"}}},
      {"type":"rate_limit","id":"l","properties":{"limitType":"count","limit":1e2,"interval":60.0},
       "outputs":{"success":{"elementId":"end"}}},
      {"id":"end","type":"end"} ]"#;
    let body = format!(r#"{{"name":"kept","elements": {text} }}"#);
    let made = harness.post_text(&routes(OURS, "default"), &body).await;
    let made = made.result();
    assert_eq!(made["version"]["data"], text);
    let rate = &made["elements"][1];
    assert_eq!(rate["type"], "rate");
    assert_eq!(rate["properties"]["limit"], 100);
    assert_eq!(rate["properties"]["window"], 60);
    assert_eq!(made["elements"][2]["outputs"], json!({}));
}

#[tokio::test]
async fn what_two_readers_could_take_differently_is_refused() {
    let harness = Harness::new().await;
    let path = routes(OURS, "default");
    let whole = elements("gpt-5").to_string();
    let twice = whole.replace(
        r#""model":"gpt-5""#,
        r#""model":"gpt-5","model":"gpt-5-mini""#,
    );
    assert_ne!(twice, whole);
    let answer = harness
        .post_text(&path, &format!(r#"{{"name":"a","elements":{twice}}}"#))
        .await;
    let message = answer.invalid(&json!(["body", "elements"]));
    assert!(message.contains("twice"), "{message}");
    let answer = harness
        .post_text(
            &path,
            &format!(r#"{{"name":"a","elements":{whole},"elements":{whole}}}"#),
        )
        .await;
    let message = answer.invalid(&json!(["body", "elements"]));
    assert!(message.contains("twice"), "{message}");
    let answer = harness
        .post_text(
            &path,
            &format!(r#"{{"name":"a","name":"b","elements":{whole}}}"#),
        )
        .await;
    answer.invalid(&json!(["body", "name"]));
}

/// Each fault is an entry of its own, which names the element and the field.
#[tokio::test]
async fn every_fault_of_the_elements_is_told_with_its_place() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let mut faulty = elements("gpt-5");
    faulty[1]["properties"]["retries"] = json!(50);
    faulty[1]["properties"]["provider"] = json!("nobody");
    faulty[1]["outputs"]["success"]["elementId"] = json!("edn");
    let refused = [
        harness
            .post(
                &routes(OURS, "default"),
                json!({"name": "new", "elements": faulty}),
            )
            .await,
        harness
            .post(&made.versions, json!({"elements": faulty}))
            .await,
    ];
    for answer in &refused {
        let message = answer.refused(400, 7001);
        assert!(message.contains(r#"(element "model")"#), "{message}");
        let told = answer.json["errors"].as_array().unwrap();
        let places: BTreeSet<_> = told.iter().map(|fault| fault["path"].to_string()).collect();
        for place in [
            json!(["body", "elements", 1, "properties", "retries"]),
            json!(["body", "elements", 1, "properties", "provider"]),
            json!(["body", "elements", 1, "outputs", "success", "elementId"]),
        ] {
            assert!(places.contains(&place.to_string()), "{place} of {places:?}");
        }
        assert!(told.iter().all(|fault| fault["code"] == 7001));
    }
    // A graph as a whole, what is none, and what is not there.
    for (elements, reason) in [
        (json!([]), "start"),
        (json!({}), "array"),
        (json!("[]"), "array"),
        (Value::Null, "is required"),
    ] {
        let body = json!({"name": "new", "elements": elements});
        let answer = harness.post(&routes(OURS, "default"), body).await;
        let message = answer.refused(400, 7001);
        assert!(message.contains(reason), "{message}");
    }
    let count = harness.get(&routes(OURS, "default")).await;
    assert_eq!(
        count.json["result_info"]["total_count"], 1,
        "nothing was stored"
    );
}

#[tokio::test]
async fn bodies_elements_and_comments_are_bounded() {
    let harness = Harness::new().await;
    let path = routes(OURS, "default");
    let long = format!(
        r#"{{"name":"a","elements":[{}]}}"#,
        " ".repeat(64 * 1024 + 1)
    );
    let answer = harness.post_text(&path, &long).await;
    assert!(
        answer.refused(400, 7001).contains("65536"),
        "{}",
        answer.text
    );
    let larger = " ".repeat(1024 * 1024 + 1);
    harness.post_text(&path, &larger).await.refused(413, 7001);
    let deep = format!(
        r#"{{"name":"a","elements":{}{}}}"#,
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    harness.post_text(&path, &deep).await.refused(400, 7001);
    let comment =
        |comment: String| json!({"name": "a", "elements": elements("x"), "comment": comment});
    let answer = harness.post(&path, comment("ä".repeat(513))).await;
    answer.invalid(&json!(["body", "comment"]));
    let kept = harness.post(&path, comment("ä\n".repeat(300))).await;
    assert_eq!(kept.result()["version"]["comment"], "ä\n".repeat(300));
}

#[tokio::test]
async fn what_is_not_there_is_told_with_its_code() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    harness
        .get(&routes(OURS, "absent"))
        .await
        .refused(404, 7002);
    let new = || json!({"name": "support", "elements": elements("gpt-5")});
    let answer = harness.post(&routes(OURS, "absent"), new()).await;
    answer.refused(404, 7002);
    let again = harness.post(&routes(OURS, "default"), new()).await;
    assert!(again.refused(400, 7005).contains("already exists"));
    let absent = "0123456789abcdef0123456789abcdef";
    for id in [absent, "x", "%2e%2e", "ſ"] {
        let path = format!("{}/{id}", routes(OURS, "default"));
        for path in [
            path.clone(),
            format!("{path}/versions"),
            format!("{path}/deployments"),
        ] {
            assert!(
                harness
                    .get(&path)
                    .await
                    .refused(404, 7005)
                    .contains("route")
            );
        }
        let version = format!("{}/{id}", made.versions);
        assert!(
            harness
                .get(&version)
                .await
                .refused(404, 7005)
                .contains("version")
        );
        let deployed = made.deploy(&harness, &json!(id)).await;
        assert!(deployed.refused(404, 7005).contains("version"));
    }
    made.deploy(&harness, &json!(7))
        .await
        .invalid(&json!(["body", "version_id"]));
    made.deploy(&harness, &Value::Null)
        .await
        .invalid(&json!(["body", "version_id"]));
    // The version of another route.
    let other = Made::new(&harness, "other").await;
    made.deploy(&harness, &other.first).await.refused(404, 7005);
    // A token in the place of an id is not repeated.
    let secret = &harness.admin;
    let answer = harness
        .get(&format!("{}/{secret}", routes(OURS, "default")))
        .await;
    answer.refused(404, 7005);
    assert!(!answer.text.contains(secret.as_str()), "{}", answer.text);
}

#[tokio::test]
async fn a_route_is_reached_by_way_of_its_gateway_alone() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let made = Made::new(&harness, "support").await;
    let second = made.save(&harness, "gpt-5-mini").await;
    let elsewhere = made.path.replace("/default/", "/prod/");
    assert_ne!(elsewhere, made.path);
    let version = format!("/versions/{}", second.as_str().unwrap());
    for place in ["", "/versions", "/deployments", &version] {
        harness
            .get(&format!("{elsewhere}{place}"))
            .await
            .refused(404, 7005);
    }
    harness.delete(&elsewhere).await.refused(404, 7005);
    let rename = Some(json!({"name": "x"}));
    harness
        .call(Method::PATCH, &elsewhere, rename)
        .await
        .refused(404, 7005);
    let deploy = json!({"version_id": second});
    harness
        .post(&format!("{elsewhere}/deployments"), deploy)
        .await
        .refused(404, 7005);
    let save = json!({"elements": elements("gpt-5")});
    harness
        .post(&format!("{elsewhere}/versions"), save)
        .await
        .refused(404, 7005);
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);
    // The same name is free there; it goes with its gateway.
    let new = json!({"name": "support", "elements": elements("gpt-5")});
    harness.post(&routes(OURS, "prod"), new).await.result();
    harness
        .delete(&format!("{}/prod", gateways(OURS)))
        .await
        .result();
    harness.gateway("prod").await;
    let list = harness.get(&routes(OURS, "prod")).await;
    assert_eq!(list.json["data"]["routes"], json!([]));
}

/// A token for one gateway changes that one's routes and no other's; a route spends every key of its gateway, so one for
/// some of them changes none.
#[tokio::test]
async fn a_tokens_scopes_hold_for_routes() {
    let harness = Harness::new().await;
    harness.gateway("prod").await;
    let made = Made::new(&harness, "support").await;
    let admin = || Grant::new(OURS, Role::Admin.permissions());
    let mut own = admin();
    own.gateways = Scope::only(["default"]);
    let mut other = admin();
    other.gateways = Scope::only(["prod"]);
    let mut provider = admin();
    provider.providers = Scope::only(["openai"]);
    let own = harness.token(own).await.1;
    let refused = [
        harness.token(other).await.1,
        harness.token(provider).await.1,
        harness
            .token_with(OURS, &[Permission::SecretsStoreWrite])
            .await,
    ];
    let saves = json!({"elements": elements("gpt-5-mini")});
    let all = [
        (Method::GET, routes(OURS, "default"), None),
        (Method::GET, made.path.clone(), None),
        (Method::GET, made.versions.clone(), None),
        (Method::POST, made.versions.clone(), Some(saves)),
        (
            Method::POST,
            made.deployments.clone(),
            Some(json!({"version_id": made.first})),
        ),
        (
            Method::PATCH,
            made.path.clone(),
            Some(json!({"name": "renamed"})),
        ),
        (Method::DELETE, made.path.clone(), None),
    ];
    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    for (method, path, body) in &all {
        for token in &refused {
            let answer = harness
                .call_as(token, method.clone(), path, body.clone())
                .await;
            answer.refused(403, 10000);
        }
        let answer = harness
            .call_as(&reader, method.clone(), path, body.clone())
            .await;
        if method == Method::GET {
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else {
            answer.refused(403, 10000);
        }
    }
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);
    for (method, path, body) in &all {
        let answer = harness
            .call_as(&own, method.clone(), path, body.clone())
            .await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
    }
}

/// Each deployment has its number, the newest is in force, and no answer mixes two.
#[tokio::test]
async fn deployments_at_the_same_time_are_in_one_order() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let second = made.save(&harness, "gpt-5-mini").await;
    let deploy = async |at: usize| {
        let version = if at.is_multiple_of(2) {
            &made.first
        } else {
            &second
        };
        let answer = made.deploy(&harness, version).await;
        let answer = answer.result().clone();
        assert_eq!(
            answer["version"]["version_id"],
            answer["deployment"]["version_id"]
        );
        answer
    };
    let answers = join_all((0..20).map(deploy)).await;
    assert_eq!(answers.len(), 20);
    let list = harness.get(&made.deployments).await;
    let deployments = list.json["data"]["deployments"].as_array().unwrap();
    let numbers: Vec<_> = deployments
        .iter()
        .map(|item| item["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (2..=21).rev().collect::<Vec<_>>());
    let shown = harness.get(&made.path).await;
    assert_eq!(shown.result()["deployment"], deployments[0]);
    assert_eq!(
        shown.result()["version"]["version_id"],
        deployments[0]["version_id"]
    );
}

#[tokio::test]
async fn what_is_allowed_and_looks_odd_is_a_message() {
    let harness = Harness::new().await;
    let body = json!({"name": "odd", "elements": elements("gpt-5")});
    let made = harness.post(&routes(OURS, "default"), body).await;
    made.result();
    let message = made.json["messages"][0]["message"].as_str().unwrap();
    assert!(message.contains("no key of openai is stored"), "{message}");
    assert_eq!(made.json["messages"][0]["code"], 7005);
    harness.key("default").await;
    let body = json!({"name": "plain", "elements": elements("gpt-5")});
    let made = harness.post(&routes(OURS, "default"), body).await;
    assert_eq!(made.json["messages"], json!([]), "{}", made.text);
}

#[tokio::test]
async fn every_change_and_every_refusal_has_its_line_in_the_audit_log() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    let version = made.save(&harness, "gpt-5").await;
    made.deploy(&harness, &version).await.result();
    let rename = Some(json!({"name": "renamed"}));
    harness
        .call(Method::PATCH, &made.path, rename.clone())
        .await;
    harness.delete(&made.path).await.result();
    let actions = [
        "route.create",
        "route_version.create",
        "route_deployment.create",
        "route.rename",
        "route.delete",
    ];
    let query = || AuditQuery {
        limit: 1_000,
        ..AuditQuery::new(OURS)
    };
    let lines = harness.store.list_audit(query()).await.unwrap();
    let of_routes = lines.iter().filter(|line| line.action.starts_with("route"));
    let told: Vec<_> = of_routes
        .map(|line| (&*line.action, &*line.result))
        .collect();
    assert_eq!(told, actions.map(|action| (action, "done")));

    let reader = harness.token_with(OURS, &[Permission::AiGatewayRead]).await;
    let refused = [
        (Method::POST, routes(OURS, "default")),
        (Method::POST, made.versions.clone()),
        (Method::POST, made.deployments.clone()),
        (Method::PATCH, made.path.clone()),
        (Method::DELETE, made.path.clone()),
    ];
    for (method, path) in refused {
        harness
            .call_as(&reader, method, &path, None)
            .await
            .refused(403, 10000);
    }
    harness.registry.keep_refused(now(), true).await.unwrap();
    let lines = harness.store.list_audit(query()).await.unwrap();
    let denied: BTreeSet<_> = lines
        .iter()
        .filter(|line| line.result == "denied")
        .map(|line| (line.action.to_string(), line.subject_id.clone()))
        .collect();
    let expected = actions.map(|action| (action.to_owned(), "default".to_owned()));
    assert_eq!(denied, BTreeSet::from(expected));
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_as_such() {
    let harness = Harness::new().await;
    let made = Made::new(&harness, "support").await;
    harness.break_store();
    let new = json!({"name": "new", "elements": elements("gpt-5")});
    let answer = harness.post(&routes(OURS, "default"), new).await;
    answer.refused(503, 10001);
    let saves = json!({"elements": elements("gpt-5")});
    harness
        .post(&made.versions, saves)
        .await
        .refused(503, 10001);
    made.deploy(&harness, &made.first).await.refused(503, 10001);
    harness.delete(&made.path).await.refused(503, 10001);
    assert_eq!(harness.get(&made.path).await.result(), &made.answer);
}
