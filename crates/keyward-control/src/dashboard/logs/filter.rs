//! What the pages of the log are narrowed to. It stands in their addresses, so that they can be kept and passed on.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    dashboard::visit::{Answer, To, Visit},
    envelope::{FieldPath, Problem},
};

/// By what plots are told apart, with the words for it.
pub(super) const GROUPS: [(&str, &str); 4] = [
    ("provider", "Provider"),
    ("model", "Model"),
    ("key", "Key"),
    ("token", "Token"),
];

/// What a page is narrowed to, as it was typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) key: String,
    pub(crate) token: String,
    /// Empty, `ok` or `failed`.
    pub(crate) outcome: String,
    pub(crate) status: String,
    /// In UTC, as a browser's field for date and time has it; so is `until`.
    pub(crate) from: String,
    pub(crate) until: String,
    pub(crate) q: String,
}

impl Filter {
    pub(crate) fn of(visit: &Visit) -> Self {
        let text = |name| visit.query(name).to_owned();
        Self {
            provider: text("provider"),
            model: text("model"),
            key: text("key"),
            token: text("token"),
            outcome: text("outcome"),
            status: text("status"),
            from: text("from"),
            until: text("until"),
            q: text("q"),
        }
    }

    /// The fields by the names that they have in addresses.
    fn fields(&self) -> [(&'static str, &str); 9] {
        [
            ("provider", &self.provider),
            ("model", &self.model),
            ("key", &self.key),
            ("token", &self.token),
            ("outcome", &self.outcome),
            ("status", &self.status),
            ("from", &self.from),
            ("until", &self.until),
            ("q", &self.q),
        ]
    }

    pub(crate) fn is_set(&self) -> bool {
        self.fields().iter().any(|(_, value)| !value.is_empty())
    }

    /// The address of a page that is narrowed to the same, with more in it.
    pub(crate) fn link(&self, path: &str, more: &[(&str, &str)]) -> String {
        let all = self.fields().into_iter().chain(more.iter().copied());
        let set = all.filter(|(_, value)| !value.is_empty());
        let query = set.map(|(name, value)| {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            format!("{name}={value}")
        });
        let query: Vec<_> = query.collect();
        match query.is_empty() {
            true => path.to_owned(),
            false => format!("{path}?{}", query.join("&")),
        }
    }

    /// The same, narrowed further: `by` names a field.
    pub(crate) fn narrowed(&self, by: &str, value: &str) -> Self {
        let mut filter = self.clone();
        match by {
            "provider" => &mut filter.provider,
            "model" => &mut filter.model,
            "key" => &mut filter.key,
            _ => &mut filter.token,
        }
        .replace_range(.., value);
        filter
    }

    /// What `to` answers of the entries that this asks for.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        visit: &Visit,
        to: To<'_>,
    ) -> Result<Answer<T>, Problem> {
        // The route knows no outcomes, but what entries say of success.
        if !["", "ok", "failed"].contains(&self.outcome.as_str()) {
            let path = FieldPath::query().name("outcome");
            return Err(Problem::invalid(&path, "an outcome is `ok` or `failed`"));
        }
        visit.get(self.narrow(to)).await
    }

    /// A call that asks for this. What else cannot be meant is left for the route to refuse.
    pub(crate) fn narrow<'a>(&self, to: To<'a>) -> To<'a> {
        let filters = self.conditions();
        let filters = match filters.is_empty() {
            true => String::new(),
            false => Value::from(filters).to_string(),
        };
        to.with("filters", &filters)
            .with("search", &self.q)
            .with("start_date", &moment(&self.from, ":00Z"))
            .with("end_date", &moment(&self.until, ":59.999Z"))
    }

    fn conditions(&self) -> Vec<Value> {
        let is = |key: &str, value: Value| json!({"key": key, "operator": "eq", "value": [value]});
        let text = |key: &str, text: &str| (!text.is_empty()).then(|| is(key, text.into()));
        let success = match self.outcome.as_str() {
            "ok" => Some(is("success", true.into())),
            "failed" => Some(is("success", false.into())),
            _ => None,
        };
        let all = [
            text("provider", &self.provider),
            text("model", &self.model),
            text("provider_key_id", &self.key),
            text("token_id", &self.token),
            text("status_code", &self.status),
            success,
        ];
        all.into_iter().flatten().collect()
    }

    /// The options of `keyward logs` that narrow to the same. None where there are no such: it searches for no text, and
    /// asks for no successes alone.
    pub(crate) fn options(&self) -> Option<String> {
        let failed = match self.outcome.as_str() {
            "" => "",
            "failed" => " --failed",
            _ => return None,
        };
        if !self.q.is_empty() {
            return None;
        }
        let (from, until) = (moment(&self.from, ":00Z"), moment(&self.until, ":59.999Z"));
        let named = [
            ("--provider", self.provider.as_str()),
            ("--model", &self.model),
            ("--key", &self.key),
            ("--token", &self.token),
            ("--status", &self.status),
            ("--since", &from),
            ("--before", &until),
        ];
        let named = named.into_iter().filter(|(_, value)| !value.is_empty());
        let options: String = named
            .map(|(name, value)| format!(" {name} {}", quoted(value)))
            .collect();
        Some(options + failed)
    }
}

/// A moment of a browser's field, to the minute, with what is left of it.
fn moment(typed: &str, end: &str) -> String {
    match typed.len() {
        // 2027-01-15T08:00
        16 => format!("{typed}{end}"),
        // 2027-01-15T08:00:00
        19 => format!("{typed}Z"),
        _ => typed.to_owned(),
    }
}

/// A text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(&byte);
    match text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    fn filter() -> Filter {
        Filter {
            provider: "openai".to_owned(),
            model: "it's & more".to_owned(),
            outcome: "failed".to_owned(),
            until: "2027-01-15T08:00".to_owned(),
            ..Filter::default()
        }
    }

    #[test]
    fn an_address_keeps_what_is_set() {
        let path = "/gateways/default/logs";
        assert_eq!(Filter::default().link(path, &[]), path);
        assert_eq!(
            filter().link(path, &[("before", "x")]),
            "/gateways/default/logs?provider=openai&model=it%27s%20%26%20more&outcome=failed\
             &until=2027%2D01%2D15T08%3A00&before=x"
        );
        assert!(filter().is_set() && !Filter::default().is_set());
        let narrowed = filter().narrowed("model", "gpt-5").narrowed("key", "07");
        assert_eq!((&*narrowed.model, &*narrowed.key), ("gpt-5", "07"));
    }

    #[test]
    fn a_minute_is_meant_to_its_end_and_what_a_shell_reads_is_quoted() {
        assert_eq!(
            filter().options().unwrap(),
            r" --provider openai --model 'it'\''s & more' --before 2027-01-15T08:00:59.999Z --failed"
        );
    }

    #[test]
    fn what_the_command_cannot_ask_for_has_no_options() {
        let searching = Filter {
            q: "curl".to_owned(),
            ..Filter::default()
        };
        let successes = Filter {
            outcome: "ok".to_owned(),
            ..Filter::default()
        };
        assert_eq!(Filter::default().options().as_deref(), Some(""));
        assert_eq!((searching.options(), successes.options()), (None, None));
    }
}
