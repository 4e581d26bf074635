//! The log of requests to a gateway: what its pages share.

mod chart;
pub(crate) mod detail;
pub(crate) mod export;
mod filter;
pub(crate) mod list;
mod names;
pub(crate) mod pick;
pub(crate) mod plots;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::traffic::{grouped, millis};

/// An entry as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    created_at: Option<String>,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) path: String,
    pub(crate) request_content_type: Option<String>,
    pub(crate) response_content_type: Option<String>,
    status_code: Option<u16>,
    pub(crate) success: bool,
    duration: u64,
    pub(crate) cached: bool,
    pub(crate) step: Option<u32>,
    tokens_in: Option<u64>,
    tokens_out: Option<u64>,
    cost: Option<f64>,
    pub(crate) custom_cost: bool,
    metadata: Option<BTreeMap<String, Value>>,
    pub(crate) event_id: String,
    pub(crate) feedback: Option<f64>,
    pub(crate) score: Option<f64>,
    pub(crate) authentication: bool,
    pub(crate) byok: bool,
    #[serde(rename = "compatibilityMode")]
    pub(crate) compatibility_mode: bool,
    pub(crate) user_agent: Option<String>,
    usage_metadata: Usage,
    pub(crate) provider_key_id: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) error_code: Option<u32>,
    request_size: u64,
    response_size: u64,
}

#[derive(Debug, Deserialize)]
struct Usage {
    cache_read_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl Entry {
    /// As `datetime` takes it.
    pub(crate) fn machine_time(&self) -> &str {
        self.created_at.as_deref().unwrap_or_default()
    }

    /// In UTC, to the second: those of a page stand below each other.
    pub(crate) fn time(&self) -> String {
        let time = self.machine_time();
        time.get(..19).unwrap_or(time).replace('T', " ")
    }

    /// In UTC, to the millisecond.
    pub(crate) fn exact_time(&self) -> String {
        self.machine_time().replace('T', " ").replace('Z', " UTC")
    }

    /// The status, or that there was none.
    pub(crate) fn status(&self) -> String {
        let status = self.status_code.map(|status| status.to_string());
        status.unwrap_or_else(|| "no answer".to_owned())
    }

    pub(crate) fn tokens_in(&self) -> String {
        count(self.tokens_in)
    }

    pub(crate) fn tokens_out(&self) -> String {
        count(self.tokens_out)
    }

    /// Parts of the tokens, where they are told.
    pub(crate) fn parts(&self) -> Vec<(&'static str, String)> {
        let parts = [
            ("read from a cache", self.usage_metadata.cache_read_tokens),
            ("written to a cache", self.usage_metadata.cache_write_tokens),
            ("reasoning", self.usage_metadata.reasoning_tokens),
        ];
        let told = parts
            .into_iter()
            .filter_map(|(name, part)| Some((name, grouped(part?))));
        told.collect()
    }

    pub(crate) fn cost(&self) -> String {
        self.cost.map_or_else(|| "–".to_owned(), dollars)
    }

    pub(crate) fn duration(&self) -> String {
        let duration = u32::try_from(self.duration).unwrap_or(u32::MAX);
        millis(f64::from(duration))
    }

    pub(crate) fn exact_duration(&self) -> String {
        format!("{} ms", grouped(self.duration))
    }

    pub(crate) fn sizes(&self) -> [String; 2] {
        [self.request_size, self.response_size].map(|size| format!("{} bytes", grouped(size)))
    }

    /// What the client said of its request.
    pub(crate) fn metadata(&self) -> Vec<(&str, String)> {
        let entries = self.metadata.iter().flatten();
        let entries = entries.map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.as_str(), value)
        });
        entries.collect()
    }
}

fn count(number: Option<u64>) -> String {
    number.map_or_else(|| "–".to_owned(), grouped)
}

/// An amount to the billionth, without noughts that say nothing.
fn dollars(amount: f64) -> String {
    let text = format!("{amount:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn amounts_have_no_noughts_behind_them() {
        for (amount, text) in [
            (0.0, "0"),
            (0.000_052_5, "0.0000525"),
            (1e-9, "0.000000001"),
            (12.5, "12.5"),
            (100.0, "100"),
        ] {
            assert_eq!(dollars(amount), text);
        }
    }
}
