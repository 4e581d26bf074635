//! The metrics of the conventions.

use keyward_otel::{DURATION, TOKENS};
use keyward_testing::Collector;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, metric::Data};

use crate::support::{Running, entry, finished, metrics, texts};

fn points(metric: &Metric) -> Vec<HistogramDataPoint> {
    match metric.data.clone().unwrap() {
        Data::Histogram(histogram) => histogram.data_points,
        other => panic!("{other:?}"),
    }
}

/// What the collector got last, by name.
fn all(collector: &Collector) -> Vec<Metric> {
    let resource = metrics(&collector.posted()).resource_metrics.remove(0);
    let mut scopes = resource.scope_metrics;
    assert_eq!(scopes.len(), 1);
    let mut metrics = scopes.remove(0).metrics;
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    metrics
}

#[tokio::test]
async fn durations_and_tokens_are_histograms_with_the_bounds_of_the_conventions() {
    let collector = Collector::start();
    let running = Running::start(&collector, 0.0);
    let mut entry = entry();
    running.tell(&finished(&entry));
    // Also what neither a span nor the log tells of.
    let mut untold = finished(&entry);
    untold.is_told = false;
    running.tell(&untold);
    entry.status = Some(500);
    running.tell(&finished(&entry));
    // What Keyward answers itself is no operation of a model.
    entry.error_code = Some(2_003);
    running.tell(&finished(&entry));
    running.stop().await;

    let all = all(&collector);
    let names: Vec<_> = all.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, [DURATION, TOKENS]);
    assert_eq!(
        (all[0].unit.as_str(), all[1].unit.as_str()),
        ("s", "{token}")
    );
    let durations = points(&all[0]);
    assert_eq!(durations.len(), 2);
    for point in &durations {
        let attributes = texts(&point.attributes);
        let failed = attributes.get("error.type").map(String::as_str);
        assert_eq!(point.count, if failed.is_some() { 1 } else { 2 });
        assert!(failed.is_none_or(|failed| failed == "500"));
        assert_eq!(attributes["gen_ai.operation.name"], "chat");
        assert_eq!(attributes["gen_ai.provider.name"], "openai");
        assert_eq!(attributes["gen_ai.request.model"], "gpt-5");
        assert_eq!(point.explicit_bounds.first(), Some(&0.01));
        assert_eq!(point.explicit_bounds.last(), Some(&81.92));
        // 1.5 s lies between 1.28 and 2.56.
        assert_eq!(point.bucket_counts[8], point.count);
    }
    let tokens = points(&all[1]);
    let mut sums: Vec<_> = tokens
        .iter()
        .map(|point| {
            (
                texts(&point.attributes)["gen_ai.token.type"].clone(),
                point.sum,
            )
        })
        .collect();
    sums.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        sums,
        [
            ("input".to_owned(), Some(3_000.0)),
            ("output".to_owned(), Some(600.0))
        ]
    );
}

/// Neither a client nor a provider makes a series.
#[tokio::test]
async fn models_without_a_price_are_one_series() {
    let collector = Collector::start();
    let running = Running::start(&collector, 0.0);
    let entry = entry();
    for number in 0..3_000 {
        let name = format!("made-up-{number}");
        let name = Some(name.as_str());
        let mut request = finished(&entry);
        (request.asked, request.answered, request.priced) = (name, name, None);
        running.tell(&request);
    }
    running.stop().await;
    let all = all(&collector);
    assert_eq!(points(&all[0]).len(), 1);
    let point = &points(&all[0])[0];
    assert_eq!(texts(&point.attributes)["gen_ai.request.model"], "other");
    assert_eq!(point.count, 3_000);
}
