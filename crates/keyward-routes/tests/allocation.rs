//! A way through a graph allocates nothing, and a cost neither. A process of its own: the allocator counts for all threads.

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, HeaderName, HeaderValue};
    use keyward_providers::Usage;
    use keyward_routes::{Facts, Graph, Metadata, Prices, Step};
    use peak_alloc::PeakAlloc;
    use serde_json::{Value, json};

    #[global_allocator]
    static ALLOCATED: PeakAlloc = PeakAlloc;

    /// A condition with every operator but those of a body, a percentage, a limit and a model.
    fn elements() -> Value {
        let to = |id: &str| json!({ "elementId": id });
        json!([
            { "id": "start", "type": "start", "outputs": { "next": to("c") } },
            { "id": "c", "type": "conditional", "properties": { "conditions": {
                "metadata.plan": { "$eq": "free", "$ne": "paid", "$in": ["free", "test"], "$nin": ["paid"], "$regex": "^fr.e$" },
                "headers.x-seats": { "$gt": 2, "$lte": 3.5 },
                "$or": [{ "metadata.other": { "$exists": true } }, { "$not": { "metadata.plan": "paid" } }],
            } }, "outputs": { "true": to("p"), "false": to("end") } },
            { "id": "p", "type": "percentage", "outputs": { "10%": to("end"), "else": to("r") } },
            { "id": "r", "type": "rate", "properties": { "limitType": "count", "key": "metadata.plan", "limit": 1, "window": 60 },
              "outputs": { "success": to("m") } },
            { "id": "m", "type": "model", "properties": { "provider": "openai", "model": "m" },
              "outputs": { "success": to("end"), "fallback": to("end") } },
            { "id": "end", "type": "end" },
        ])
    }

    fn follow(graph: &Graph, facts: Facts<'_>) -> usize {
        let mut stops = 0;
        let mut step = graph.begin(facts, u64::MAX);
        loop {
            stops += 1;
            step = match step {
                Step::Rate(at) => at.within(),
                Step::Model(at) => at.failed(),
                Step::End(_) => return stops,
            };
        }
    }

    #[test]
    fn a_way_and_a_cost_allocate_nothing_and_a_body_only_what_the_graph_names() {
        let graph = Graph::parse_stored(&elements().to_string()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("x-seats"),
            HeaderValue::from_static("3"),
        );
        let metadata = Metadata::parse(br#"{"plan":"free"}"#);
        let facts = Facts::new(&headers, &metadata);
        // A pattern makes its scratch memory at the first match.
        assert_eq!(follow(&graph, facts), 3);
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        for _ in 0..100 {
            assert_eq!(follow(&graph, facts), 3);
        }
        assert_eq!(ALLOCATED.peak_usage(), before);

        // A body that would be many times its size as values costs the fields that are named.
        let elements = json!([
            { "id": "start", "type": "start", "outputs": { "next": { "elementId": "c" } } },
            { "id": "c", "type": "conditional", "properties": { "conditions": { "body.user.plan": "free" } },
              "outputs": { "true": { "elementId": "end" }, "false": { "elementId": "end" } } },
            { "id": "end", "type": "end" },
        ]);
        let graph = Graph::parse_stored(&elements.to_string()).unwrap();
        let body = format!(
            r#"{{"user":{{"plan":"free"}},"all":[{}0]}}"#,
            "[],".repeat(300_000)
        );
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        assert_eq!(follow(&graph, facts.with_body(body.as_bytes())), 1);
        let used = ALLOCATED.peak_usage() - before;
        assert!(used < 1024, "{used} bytes for a body of {}", body.len());

        let prices = Prices::built_in().unwrap();
        let mut usage = Usage::UNKNOWN;
        (usage.input, usage.output) = (Some(1_000), Some(100));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_737_600);
        ALLOCATED.reset_peak_usage();
        let before = ALLOCATED.current_usage();
        for (model, is_known) in [
            ("gpt-5", true),
            ("gpt-5-2025-08-07", true),
            ("gpt-99", false),
        ] {
            let cost = prices.cost("openai", model, &usage, now);
            assert_eq!(cost.is_some(), is_known, "{model}");
        }
        assert_eq!(ALLOCATED.peak_usage(), before);
    }
}
