//! A graph to follow.

use serde_json::{Value, json};

/// A route of twenty elements: twelve conditions, two percentages, a limit, three models. A request whose plan is none of
/// those that are asked for passes all twelve conditions. The limit lets everything through.
pub(crate) fn elements(field: &str) -> Value {
    let to = |id: &str| json!({ "elementId": id });
    let mut elements = vec![
        json!({ "id": "start", "type": "start", "outputs": { "next": to("c0") } }),
        json!({ "id": "p0", "type": "percentage", "outputs": { "10%": to("p1"), "20%": to("r"), "else": to("r") } }),
        json!({ "id": "p1", "type": "percentage", "outputs": { "50%": to("r"), "else": to("m0") } }),
        json!({ "id": "r", "type": "rate",
            "properties": { "limitType": "count", "key": "metadata.user", "limit": 1_000_000_000, "window": 60 },
            "outputs": { "success": to("m0"), "fallback": to("m2") } }),
        json!({ "id": "end", "type": "end", "outputs": {} }),
    ];
    for at in 0..12 {
        let next = if at == 11 {
            "p0".to_owned()
        } else {
            format!("c{}", at + 1)
        };
        let conditions = match at % 3 {
            0 => json!({ field: format!("plan-{at}") }),
            1 => json!({ field: { "$in": ["a", "b", "c"] }, "headers.x-seats": { "$gt": 100 } }),
            _ => {
                json!({ "$or": [{ field: { "$gt": "z" } }, { "headers.x-seats": { "$gte": 100 } }] })
            }
        };
        elements.push(json!({ "id": format!("c{at}"), "type": "conditional", "properties": { "conditions": conditions },
            "outputs": { "true": to("m0"), "false": to(&next) } }));
    }
    for at in 0..3 {
        let outputs = match at {
            2 => json!({ "success": to("end") }),
            _ => json!({ "success": to("end"), "fallback": to(&format!("m{}", at + 1)) }),
        };
        elements.push(json!({ "id": format!("m{at}"), "type": "model",
            "properties": { "provider": "openai", "model": "gpt-5" }, "outputs": outputs }));
    }
    elements.into()
}
