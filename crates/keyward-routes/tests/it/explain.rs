//! What a way is told as.

use keyward_routes::Explanation;
use serde_json::{Value, json};

use crate::support::{Request, conditional, end, graph, model, start, to};

fn told(elements: &Value, request: &Request, draw: Option<u64>) -> Explanation {
    graph(elements).explain(request.facts(), draw)
}

fn condition(conditions: &Value, request: &Request) -> String {
    let elements = json!([
        start("c"),
        conditional("c", conditions, "m", "end"),
        model("m", None),
        end()
    ]);
    told(&elements, request, None).way()[1].why().to_owned()
}

#[test]
fn the_way_is_told_with_the_first_choice_and_what_is_fallen_back_to() {
    let elements = json!([
        start("plan"),
        conditional("plan", &json!({ "metadata.plan": "free" }), "limit", "large"),
        { "id": "limit", "type": "rate",
          "properties": { "limitType": "count", "key": "metadata.user", "limit": 5, "window": 60 },
          "outputs": { "success": to("split"), "fallback": to("end") } },
        { "id": "split", "type": "percentage", "outputs": { "10%": to("large"), "else": to("small") } },
        { "id": "large", "type": "model", "properties": { "provider": "openai", "model": "gpt", "timeout": 500, "retries": 2 },
          "outputs": { "success": to("end"), "fallback": to("small") } },
        model("small", None),
        end(),
    ]);
    let request = Request::metadata(&json!({ "plan": "free", "user": "u1" }));
    let way = told(&elements, &request, Some(0));
    assert_eq!(
        way.to_string(),
        "start (start): every request starts here; next \u{2192} plan\n\
         plan (conditional): metadata.plan is \"free\", which passes $eq \"free\"; true \u{2192} limit\n\
         limit (rate): 5 requests in 60 s, fixed windows, counted by metadata.user, which is \"u1\"; success \u{2192} split; fallback \u{2192} end\n\
         split (percentage): this draw takes \"10%\"; of all requests 10% take \"10%\", 90% take \"else\"; 10% \u{2192} large\n\
         large (model) openai/gpt: at most 3 attempts, each with 500 ms until the answer begins; success \u{2192} end; fallback \u{2192} small\n\
         end (end): the route ends: the last answer of a model is its own\n\
         small (model) openai/small, when \"large\" fails: one attempt; success \u{2192} end; fallback \u{2192} the route ends"
    );
    let models: Vec<_> = way.models().filter_map(|visit| visit.model()).collect();
    assert_eq!(models, [("openai", "gpt"), ("openai", "small")]);
    let json = serde_json::to_value(&way).unwrap();
    assert_eq!(
        json["way"][3]["outputs"],
        json!([{ "name": "10%", "to": "large", "chance": "10%" }])
    );
    assert_eq!(json["way"][6]["when"], "when \"large\" fails");
    assert_eq!(json["way"][6]["provider"], "openai");

    // Without a draw every output is followed.
    let way = told(&elements, &request, None);
    let ids: Vec<_> = way
        .way()
        .iter()
        .map(|visit| (visit.element(), visit.when()))
        .collect();
    assert_eq!(
        ids[3..],
        [
            ("split", None),
            ("large", Some("in 10% of cases")),
            (
                "end",
                Some("when \"limit\" is over its limit, or in 10% of cases, or in 90% of cases")
            ),
            (
                "small",
                Some("in 90% of cases, or in 10% of cases, and when \"large\" fails")
            ),
        ]
    );
}

/// However many ways lead to an element, what is told stays short, and a way that is certain needs no condition.
#[test]
fn every_way_to_an_element_is_told_up_to_a_few() {
    let split = |id: &str, next: &str| {
        json!({ "id": id, "type": "percentage",
                "outputs": { "10%": to(&format!("{id}-a")), "20%": to(&format!("{id}-b")), "else": to(next) } })
    };
    let limit = |id: String, next: &str| {
        json!({ "id": id, "type": "rate", "properties": { "limitType": "count", "limit": 5, "window": 60 },
                "outputs": { "success": to(next), "fallback": to(next) } })
    };
    let mut elements = vec![start("s0")];
    for at in 0..30 {
        let next = format!("s{}", at + 1);
        elements.push(split(&format!("s{at}"), &next));
        elements.push(limit(format!("s{at}-a"), &next));
        elements.push(limit(format!("s{at}-b"), &next));
    }
    elements.extend([model("s30", None), end()]);
    let way = told(&Value::from(elements), &Request::metadata(&json!({})), None);
    let when = |id: &str| {
        let mut way = way.way().iter();
        way.find(|visit| visit.element() == id).unwrap().when()
    };
    assert_eq!(when("s0"), None);
    assert_eq!(
        when("s1"),
        Some("in 70% of cases, or in 10% of cases, or in 20% of cases")
    );
    let last = when("s30").unwrap();
    assert!(
        last.ends_with(", or otherwise") && last.len() < 4_000,
        "{last}"
    );

    let elements = json!([
        start("large"),
        { "id": "large", "type": "model", "properties": { "provider": "openai", "model": "gpt" },
          "outputs": { "success": to("end"), "fallback": to("small") } },
        model("small", None),
        end(),
    ]);
    let way = told(&elements, &Request::metadata(&json!({})), None);
    let when: Vec<_> = way.way().iter().map(|visit| visit.when()).collect();
    assert_eq!(when, [None, None, None, Some("when \"large\" fails")]);
}

#[test]
fn the_reason_of_a_condition_is_what_decides() {
    let request = Request::metadata(&json!({ "plan": "paid", "seats": 3 }));
    let text = |conditions: Value| condition(&conditions, &request);
    assert_eq!(
        text(json!({ "metadata.plan": "free", "metadata.seats": 3 })),
        "metadata.plan is \"paid\", which does not pass $eq \"free\""
    );
    assert_eq!(
        text(json!({ "metadata.plan": { "$ne": "free" }, "metadata.seats": { "$gte": 3 } })),
        "metadata.plan is \"paid\", which passes $ne \"free\", and metadata.seats is 3, which passes $gte 3"
    );
    assert_eq!(
        text(
            json!({ "$or": [{ "metadata.plan": "free" }, { "metadata.seats": { "$in": [1, 2, 3] } }] })
        ),
        "metadata.seats is 3, which passes $in [1, 2, 3]"
    );
    assert_eq!(
        text(json!({ "body.model": { "$regex": "^dynamic/" } })),
        "body.model is absent, which does not pass $regex \"^dynamic/\""
    );
    assert_eq!(
        text(
            json!({ "$or": [{ "metadata.seats": { "$gt": 3 } }, { "metadata.plan": { "$exists": false } }] })
        ),
        "metadata.seats is 3, which does not pass $gt 3, and metadata.plan is \"paid\", which does not pass $exists false"
    );
    assert_eq!(
        text(json!({})),
        "there is no condition: every request passes"
    );
}

#[test]
fn no_value_of_a_header_is_told_and_others_are_cut() {
    let request = Request::header("x-team", b"kw_canary");
    let text = condition(&json!({ "headers.x-team": { "$ne": "blue" } }), &request);
    assert_eq!(text, "headers.x-team is sent, which passes $ne \"blue\"");
    let elements = json!([start("r"),
        { "id": "r", "type": "rate", "properties": { "limitType": "count", "key": "headers.x-team", "limit": 5, "window": 60 },
          "outputs": { "success": to("end") } }, end()]);
    let way = told(&elements, &request, None);
    assert!(
        !serde_json::to_string(&way).unwrap().contains("canary"),
        "{way}"
    );

    let body = Request::body(&json!({ "a": "\u{e9}\n".repeat(50), "b": "never named" }));
    let text = condition(&json!({ "body.a": { "$exists": true } }), &body);
    let shown = format!("{:?}\u{2026}", "\u{e9}\n".repeat(32));
    assert_eq!(
        text,
        format!("body.a is {shown}, which passes $exists true")
    );
}
