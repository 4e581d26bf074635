//! What answers took, summed for the metrics: tokens, cost and time, by provider and model.
//!
//! Counted by the recorder, off the path. What a label says is a word of the catalogue, of the price table or of this file, and
//! there are at most [`MOST_MODELS`] models: no client and no provider can make a series.

mod labels;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use keyward_providers::Usage;
use keyward_routes::{Money, Prices};
use metrics::{Counter, Histogram, Label};

use self::labels::Labels;
use crate::{counters::class_name, gateway::Providers, log::Entry};

/// What the answers of one model cost since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelCost {
    /// The provider's slug; `custom` of every custom provider.
    pub provider: Arc<str>,
    /// What the price table calls the model.
    pub model: Arc<str>,
    /// By the price table alone, whatever a client says that its tokens cost.
    pub cost: Money,
}

/// What is known of costs, for whoever shows it.
#[derive(Debug, Default)]
pub(crate) struct Costs(Mutex<ByModel<Money>>);

/// By provider and model, as labels have them.
type ByModel<T> = BTreeMap<(Arc<str>, Arc<str>), T>;

/// Counts what answers took.
pub(super) struct UsageMeter {
    prices: Arc<Prices>,
    costs: Arc<Costs>,
    labels: Labels,
    tokens: ByModel<[Option<Counter>; KINDS.len()]>,
    durations: BTreeMap<(Arc<str>, &'static str), Histogram>,
}

/// Kinds of tokens. None is a part of another, so that they may be added.
const KINDS: [&str; 5] = ["input", "cache_read", "cache_write", "output", "reasoning"];

/// One answer, as far as it is counted.
struct Answer<'a> {
    provider: &'a str,
    model: Option<&'a str>,
    usage: &'a Usage,
    at: SystemTime,
}

impl Costs {
    /// Everything that is known.
    pub(crate) fn read(&self) -> Vec<ModelCost> {
        let costs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        costs
            .iter()
            .map(|((provider, model), cost)| ModelCost {
                provider: Arc::clone(provider),
                model: Arc::clone(model),
                cost: *cost,
            })
            .collect()
    }

    fn add(&self, provider: &Arc<str>, model: &Arc<str>, cost: Money) {
        let mut costs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = costs
            .entry((Arc::clone(provider), Arc::clone(model)))
            .or_default();
        *sum = sum.plus(cost);
    }
}

impl UsageMeter {
    pub(super) fn new(prices: &Arc<Prices>, costs: &Arc<Costs>) -> Self {
        Self {
            prices: Arc::clone(prices),
            costs: Arc::clone(costs),
            labels: Labels::default(),
            tokens: BTreeMap::new(),
            durations: BTreeMap::new(),
        }
    }

    /// Takes a request that has ended. What the gateway answered itself took nothing.
    pub(super) fn count(&mut self, entry: &Entry, providers: &Providers, now: SystemTime) {
        let (Some(status), None) = (entry.status, entry.code) else {
            return;
        };
        let slug = entry.series.parts().provider.as_str();
        let provider = self.labels.provider(slug, providers);
        self.took(&provider, class_name(status), entry.duration);
        let answer = Answer {
            provider: slug,
            model: entry.model.as_deref(),
            usage: &entry.usage,
            at: now,
        };
        self.used(&provider, &answer);
    }

    /// The histogram of how long answers take.
    fn took(&mut self, provider: &Arc<str>, class: &'static str, duration: Duration) {
        let of = (Arc::clone(provider), class);
        let histogram = self.durations.entry(of).or_insert_with(|| {
            metrics::histogram!(
                "keyward_request_duration_seconds",
                "provider" => Arc::clone(provider),
                "status" => class
            )
        });
        histogram.record(duration.as_secs_f64());
    }

    fn used(&mut self, provider: &Arc<str>, answer: &Answer<'_>) {
        if answer.usage.is_unknown() {
            return;
        }
        let name = answer
            .model
            .and_then(|model| self.prices.name(answer.provider, model, answer.at));
        let model = self.labels.model(provider, name);
        let of = (Arc::clone(provider), Arc::clone(&model));
        let counters = self.tokens.entry(of).or_default();
        for ((kind, counter), tokens) in KINDS.iter().zip(counters).zip(kinds(answer.usage)) {
            if tokens > 0 {
                let labels = || {
                    vec![
                        Label::new("provider", Arc::clone(provider)),
                        Label::new("model", Arc::clone(&model)),
                        Label::new("kind", *kind),
                    ]
                };
                counter
                    .get_or_insert_with(|| metrics::counter!("keyward_tokens_total", labels()))
                    .increment(tokens);
            }
        }
        let cost = answer.model.and_then(|model| {
            self.prices
                .cost(answer.provider, model, answer.usage, answer.at)
        });
        match cost {
            Some(cost) => self.costs.add(provider, &model, cost),
            None => metrics::counter!(
                "keyward_requests_without_cost_total",
                "provider" => Arc::clone(provider)
            )
            .increment(1),
        }
    }
}

/// How many tokens of each kind there were.
fn kinds(usage: &Usage) -> [u64; KINDS.len()] {
    let known = |tokens: Option<u64>| tokens.unwrap_or_default();
    let (read, write) = (known(usage.cache_read), known(usage.cache_write));
    let reasoning = known(usage.reasoning);
    [
        // Some providers report tokens that were both read and written.
        known(usage.input)
            .saturating_sub(read)
            .saturating_sub(write),
        read,
        write,
        known(usage.output).saturating_sub(reasoning),
        reasoning,
    ]
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::SystemTime};

    use keyward_providers::Usage;
    use keyward_routes::{PriceEntry, Prices};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::{Answer, Costs, UsageMeter, kinds, labels::OTHER};

    fn usage(input: u64, output: u64) -> Usage {
        let mut usage = Usage::UNKNOWN;
        (usage.input, usage.output) = (Some(input), Some(output));
        usage
    }

    #[test]
    fn kinds_of_tokens_add_up() {
        let mut usage = usage(100, 50);
        (usage.cache_read, usage.cache_write, usage.reasoning) = (Some(60), Some(10), Some(20));
        assert_eq!(kinds(&usage), [30, 60, 10, 30, 20]);
        usage.cache_read = Some(95);
        assert_eq!(kinds(&usage), [0, 95, 10, 30, 20]);
    }

    /// What is exposed after answers of 10,000 models, with prices of each or of none.
    fn series_of(prices: Prices) -> (usize, usize) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let seen = recorder.handle();
        let costs = Arc::new(Costs::default());
        metrics::with_local_recorder(&recorder, || {
            let mut meter = UsageMeter::new(&Arc::new(prices), &costs);
            let provider: Arc<str> = "openai".into();
            for number in 0..10_000 {
                meter.used(
                    &provider,
                    &Answer {
                        provider: "openai",
                        model: Some(&format!("made-up-{number}")),
                        usage: &usage(10, 1),
                        at: SystemTime::UNIX_EPOCH,
                    },
                );
            }
        });
        let exposed = seen.render();
        let tokens = exposed
            .lines()
            .filter(|line| line.starts_with("keyward_tokens_total{"));
        (tokens.count(), costs.read().len())
    }

    #[test]
    fn ten_thousand_models_that_nobody_configured_are_one() {
        let (tokens, costs) = series_of(Prices::built_in().unwrap());
        // Input and output; and nobody knows what it cost.
        assert_eq!((tokens, costs), (2, 0));
    }

    #[test]
    fn ten_thousand_configured_models_are_no_more_than_may_be() {
        let entry = |number| -> PriceEntry {
            let text = format!(
                r#"{{"provider": "openai", "names": ["made-up-{number}"], "input": 1, "output": 1}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let prices = Prices::default().with((0..10_000).map(entry)).unwrap();
        let (tokens, costs) = series_of(prices);
        let most = super::labels::MOST_MODELS + 1;
        assert_eq!((tokens, costs), (2 * most, most), "one is `{OTHER}`");
    }
}
