//! What a provider's answer says of the key it was sent with.
//!
//! Rules are data, in the catalogue file of each provider, each with its source; `corpus/` holds the real answers
//! that they are tested with. This module reads them and asks them in order. It never looks at more of a body than
//! its first 8 KiB, keeps nothing of it, and decides nothing about a key: that takes more than one answer.

use std::{collections::BTreeMap, fmt, time::Duration};

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::{Provider, facts::Facts};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// No provider asks for a longer wait than this and means it.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

/// What a refusal is about.
///
/// The names are those of the provider error corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The provider does not know the key, or no longer.
    CredentialRejected,
    /// The key is past its date.
    Expired,
    /// No money, no credit, or a spending limit is reached.
    OutOfFunds,
    /// Too much in too short a time. The same request may pass later.
    RateLimited,
    /// The key is good and not for this: a model, a scope, an endpoint. Also a model that does not exist, where
    /// the provider does not tell.
    ModelNotAllowed,
    /// The request is wrong, whatever the key.
    CallerFault,
    /// The provider does not serve where the request came from.
    Region,
    /// Refused at this resource or from this network; the key may be good elsewhere. Also where the provider has
    /// one answer for this and for a wrong key.
    WrongPlace,
    /// The account behind the key is disabled, restricted or locked for another reason than money.
    AccountSuspended,
    /// The provider failed, or something behind it.
    ProviderFault,
    /// Nothing that is known. No conclusion may be drawn.
    Unknown,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: &'static [Self] = &[
        Self::CredentialRejected,
        Self::Expired,
        Self::OutOfFunds,
        Self::RateLimited,
        Self::ModelNotAllowed,
        Self::CallerFault,
        Self::Region,
        Self::WrongPlace,
        Self::AccountSuspended,
        Self::ProviderFault,
        Self::Unknown,
    ];

    /// The class as the corpus, catalogue files and logs write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CredentialRejected => "credential_rejected",
            Self::Expired => "expired",
            Self::OutOfFunds => "out_of_funds",
            Self::RateLimited => "rate_limited",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::CallerFault => "caller_fault",
            Self::Region => "region",
            Self::WrongPlace => "wrong_place",
            Self::AccountSuspended => "account_suspended",
            Self::ProviderFault => "provider_fault",
            Self::Unknown => "unknown",
        }
    }

    /// The class of this [name](Self::name).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|class| class.name() == name)
    }

    /// Whether it speaks against the key itself. All other classes leave a key's status alone.
    #[must_use]
    pub const fn convicts(self) -> bool {
        matches!(self, Self::CredentialRejected | Self::Expired)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one answer of a provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict<'a> {
    /// What the refusal is about.
    pub class: ErrorClass,
    /// How long to wait before the next request, as the provider asks, where it does and the class is
    /// [rate limited](ErrorClass::RateLimited) or [the provider's fault](ErrorClass::ProviderFault). At most a year.
    /// A date in `Retry-After` is not read: that takes a clock.
    pub retry_after: Option<Duration>,
    /// Where the rule that decided comes from: a URL. None where the status alone did.
    pub source: Option<&'a str>,
}

/// One `[[errors]]` of a catalogue file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleText {
    class: String,
    #[serde(default)]
    status: Vec<u16>,
    #[serde(default)]
    is: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    begins: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    says: BTreeMap<String, Vec<String>>,
    source: Box<str>,
}

/// A provider's rules, the first that matches decides.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Box<[Rule]>,
    retry_delay: Option<Box<str>>,
}

#[derive(Debug)]
struct Rule {
    class: ErrorClass,
    status: Box<[u16]>,
    conditions: Box<[Condition]>,
    source: Box<str>,
}

/// One of the values at a path is one of these texts, or begins with it, or holds it.
#[derive(Debug)]
struct Condition {
    path: Box<str>,
    how: How,
    texts: Box<[Box<str>]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Is,
    Begins,
    Says,
}

impl Rules {
    pub(crate) fn build(rules: Vec<RuleText>, retry_delay: Option<&str>) -> Result<Self, Fault> {
        Ok(Self {
            rules: rules
                .into_iter()
                .map(Rule::build)
                .collect::<Result<_, _>>()?,
            retry_delay: retry_delay.map(Into::into),
        })
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict<'_> {
        let mut verdict = Verdict {
            class: ErrorClass::Unknown,
            retry_after: None,
            source: None,
        };
        if !status.is_client_error() && !status.is_server_error() {
            return verdict;
        }
        let facts = Facts::read(body);
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(status, &facts)) {
            // What is missing from a body that was cut might have said otherwise.
            if !rule.class.convicts() || facts.is_whole() {
                verdict.class = rule.class;
                verdict.source = Some(&rule.source);
            }
        } else if status == StatusCode::TOO_MANY_REQUESTS {
            verdict.class = ErrorClass::RateLimited;
        } else if status.is_server_error() {
            verdict.class = ErrorClass::ProviderFault;
        }
        if matches!(
            verdict.class,
            ErrorClass::RateLimited | ErrorClass::ProviderFault
        ) {
            let delay = self.retry_delay.as_deref();
            verdict.retry_after = wait_of(headers)
                .or_else(|| delay.and_then(|path| facts.at(path).find_map(seconds_with_unit)));
        }
        verdict
    }
}

impl Rule {
    fn build(text: RuleText) -> Result<Self, Fault> {
        let class = ErrorClass::parse(&text.class)
            .ok_or_else(|| format!("`{}` is no class of errors", text.class))?;
        let mut conditions = Vec::new();
        for (how, map) in [
            (How::Is, text.is),
            (How::Begins, text.begins),
            (How::Says, text.says),
        ] {
            for (path, texts) in map {
                if path.is_empty() || texts.is_empty() || texts.iter().any(String::is_empty) {
                    return Err(format!("a condition of `{class}` is empty").into());
                }
                conditions.push(Condition {
                    path: path.into(),
                    how,
                    texts: texts.into_iter().map(Into::into).collect(),
                });
            }
        }
        if text.status.is_empty() && conditions.is_empty() {
            return Err(format!("a rule of `{class}` matches everything").into());
        }
        if text
            .status
            .iter()
            .any(|status| !(400..600).contains(status))
        {
            return Err(format!("a rule of `{class}` has a status that is no error").into());
        }
        // A message may repeat what a client wrote, a bare status may come from anything on the way.
        let firm = conditions
            .iter()
            .any(|condition| condition.how != How::Says);
        if class.convicts() && (text.status.is_empty() || !firm) {
            let reason = "speaks against keys, so that it needs a status and an `is` or `begins`";
            return Err(format!("a rule of `{class}` {reason}").into());
        }
        if !text.source.starts_with("https://") {
            return Err(format!("a rule of `{class}` has no URL for a source").into());
        }
        Ok(Self {
            class,
            status: text.status.into(),
            conditions: conditions.into(),
            source: text.source,
        })
    }

    fn matches(&self, status: StatusCode, facts: &Facts<'_>) -> bool {
        (self.status.is_empty() || self.status.contains(&status.as_u16()))
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(facts))
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        facts.at(&self.path).any(|value| {
            let value = value.as_bytes();
            self.texts.iter().any(|text| {
                let text = text.as_bytes();
                match self.how {
                    How::Is => value == text,
                    How::Begins => value
                        .get(..text.len())
                        .is_some_and(|head| head.eq_ignore_ascii_case(text)),
                    How::Says => value
                        .windows(text.len())
                        .any(|part| part.eq_ignore_ascii_case(text)),
                }
            })
        })
    }
}

impl Provider {
    /// What an answer of this provider says of the key that it was asked with: pure, keeps nothing of the answer.
    ///
    /// `body` may be cut: no more than its first 8 KiB are looked at. What the rules do not know is judged by its
    /// status: 429 is rate limited, 5xx the provider's fault, all else unknown. A class that
    /// [convicts](ErrorClass::convicts) is only given for a body that is whole and that a rule knows; never by a
    /// status. An answer below 400 is unknown.
    ///
    /// The rules are about the provider itself: where the operator [replaced](Self::is_overridden) the base URL,
    /// something else may speak.
    #[must_use]
    pub fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict<'_> {
        self.errors.judge(status, headers, body)
    }
}

impl Provider {
    /// As [`judge`](Self::judge) where this provider's answers [count](Self::answers_count). Elsewhere something else may
    /// speak, and no more is believed than that it limits its callers (429).
    #[must_use]
    pub fn weigh(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Verdict<'_> {
        if self.answers_count() {
            return self.judge(status, headers, body);
        }
        let is_limited = status == StatusCode::TOO_MANY_REQUESTS;
        Verdict {
            class: match is_limited {
                true => ErrorClass::RateLimited,
                false => ErrorClass::Unknown,
            },
            retry_after: wait_of(headers).filter(|_| is_limited),
            source: None,
        }
    }
}

/// The wait that the headers ask for.
fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    text("retry-after-ms")
        .and_then(|text| wait(text, 1000.0))
        .or_else(|| text(header::RETRY_AFTER.as_str()).and_then(|text| wait(text, 1.0)))
}

/// `45.578569677s`, as Google's `RetryInfo` has it.
fn seconds_with_unit(text: &str) -> Option<Duration> {
    wait(text.strip_suffix('s')?, 1.0)
}

fn wait(text: &str, per_second: f64) -> Option<Duration> {
    let text = text.trim();
    // Words such as `inf` and `nan` are numbers to the parser below.
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let seconds: f64 = text.parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds / per_second).ok()?;
    (wait <= LONGEST_WAIT).then_some(wait)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::{ErrorClass, RuleText, Rules};

    fn rules(text: &str) -> Result<Rules, String> {
        #[derive(serde::Deserialize)]
        struct File {
            errors: Vec<RuleText>,
        }
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        Rules::build(file.errors, Some("error.details[].retryDelay"))
            .map_err(|error| error.to_string())
    }

    #[track_caller]
    fn judge(rules: &Rules, status: u16, body: &str) -> ErrorClass {
        let status = StatusCode::from_u16(status).unwrap();
        rules
            .judge(status, &HeaderMap::new(), body.as_bytes())
            .class
    }

    const RULES: &str = r#"
[[errors]]
class = "out_of_funds"
status = [400]
says = { "error.message" = ["balance is too low"] }
source = "https://example.com/1"
[[errors]]
class = "credential_rejected"
status = [400, 401]
is = { "error.code" = ["bad_key"] }
source = "https://example.com/2"
"#;

    #[test]
    fn each_class_has_one_name() {
        for class in ErrorClass::ALL {
            assert_eq!(ErrorClass::parse(class.name()), Some(*class));
        }
        assert_eq!(ErrorClass::parse("Expired"), None);
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = rules(RULES).unwrap();
        let both = r#"{"error":{"code":"bad_key","message":"Your BALANCE is too low."}}"#;
        assert_eq!(judge(&rules, 400, both), ErrorClass::OutOfFunds);
        assert_eq!(judge(&rules, 401, both), ErrorClass::CredentialRejected);
        assert_eq!(judge(&rules, 403, both), ErrorClass::Unknown);
        assert_eq!(judge(&rules, 200, both), ErrorClass::Unknown);
    }

    #[test]
    fn a_status_alone_convicts_nobody() {
        let rules = Rules::default();
        for status in 100..600 {
            let expected = match status {
                429 => ErrorClass::RateLimited,
                500.. => ErrorClass::ProviderFault,
                _ => ErrorClass::Unknown,
            };
            assert_eq!(judge(&rules, status, "{}"), expected, "{status}");
        }
    }

    #[test]
    fn a_cut_body_convicts_nobody() {
        let rules = rules(RULES).unwrap();
        let whole = r#"{"error":{"code":"bad_key"}}"#;
        assert_eq!(judge(&rules, 401, whole), ErrorClass::CredentialRejected);
        for length in 0..whole.len() {
            let cut = whole.get(..length).unwrap();
            assert_eq!(judge(&rules, 401, cut), ErrorClass::Unknown, "{cut}");
        }
        let doubled = r#"{"error":{"code":"bad_key","code":"other"}}"#;
        assert_eq!(judge(&rules, 401, doubled), ErrorClass::Unknown);
    }

    #[test]
    fn a_rule_that_could_convict_by_chance_is_refused() {
        for (rule, reason) in [
            ("class = \"expired\"\nstatus = [401]", "`is` or `begins`"),
            (
                "class = \"expired\"\nstatus = [401]\nsays = { a = [\"b\"] }",
                "`is` or `begins`",
            ),
            (
                "class = \"expired\"\nis = { a = [\"b\"] }",
                "needs a status",
            ),
            ("class = \"region\"", "matches everything"),
            ("class = \"region\"\nis = { a = [] }", "is empty"),
            ("class = \"region\"\nstatus = [200]", "no error"),
            ("class = \"dead\"\nstatus = [401]", "no class of errors"),
            ("class = \"region\"\nstatsu = [401]", "unknown field"),
        ] {
            let text = format!("[[errors]]\n{rule}\nsource = \"https://example.com\"");
            let told = rules(&text).unwrap_err();
            assert!(told.contains(reason), "{told}");
        }
        let told = rules("[[errors]]\nclass = \"region\"\nstatus = [401]\nsource = \"memory\"");
        assert!(told.unwrap_err().contains("no URL"));
    }

    #[test]
    fn the_wait_is_what_the_provider_asks_for() {
        let rules = rules(RULES).unwrap();
        let wait = |name: &'static str, value: &'static str, body: &str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]);
            let status = StatusCode::TOO_MANY_REQUESTS;
            rules.judge(status, &headers, body.as_bytes()).retry_after
        };
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(wait("retry-after", "7", ""), millis(7000));
        assert_eq!(wait("retry-after", "1.5", ""), millis(1500));
        assert_eq!(wait("retry-after-ms", "250", ""), millis(250));
        for odd in [
            "-1",
            "inf",
            "nan",
            "",
            "1e300",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(wait("retry-after", odd, ""), None, "{odd}");
        }
        let google = r#"{"error":{"details":[{"a":1},{"retryDelay":"45.5s"}]}}"#;
        assert_eq!(wait("x", "y", google), millis(45_500));
    }
}
