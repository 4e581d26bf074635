//! Whoever else is told of requests that have ended: beside the log and the metrics, and off the way of any request.

use std::fmt;

use keyward_providers::PathModel;
use keyward_registry::LogEntry;

use crate::{
    Gateway, GatewayAddress,
    gateway::Providers,
    log::{Entry, Text},
};

/// Is told of every request whose sender may make it, once it has ended, within a quarter of a second.
///
/// Called by the recorder, one request after the other: it must not wait for anything. What the recorder loses because too
/// many come at once (`keyward_log_lost_total`) is told to nobody.
pub trait Observe: fmt::Debug + Send + Sync {
    /// Takes what is known of a request.
    fn finished(&self, request: &Finished<'_>);
}

/// A request that has ended.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever tells of a request decides on each field"
)]
pub struct Finished<'a> {
    /// What the log tells of it. Without any text but the path where [`is_told`](Self::is_told) is not set.
    pub entry: &'a LogEntry,
    /// Whether the log is told of it, as its gateway and its sender say: of others nothing but sums may be kept.
    pub is_told: bool,
    /// The model that was asked for, where the gateway knows it: it stands in the path, or a budget had it read.
    pub asked: Option<&'a str>,
    /// The model that the answer names.
    pub answered: Option<&'a str>,
    /// What the price table calls the model: a word of a closed set. None where it has no price.
    pub priced: Option<&'a str>,
    /// What the metrics call the provider: its slug, and `custom` for every custom provider.
    pub provider: &'a str,
    /// The trace that its sender wants it in.
    pub parent: Option<TraceParent>,
}

/// The trace that a request belongs to, as `cf-aig-otel-trace-id` and `cf-aig-otel-parent-span-id` say (wire-spec §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    span: Option<[u8; 8]>,
}

impl TraceParent {
    /// Parses the values of the two headers: 32 and 16 hexadecimal digits, not all of them 0. Without a trace there is no
    /// parent; one whose span cannot be read is a trace without a parent.
    #[must_use]
    pub fn parse(trace: &[u8], span: Option<&[u8]>) -> Option<Self> {
        Some(Self {
            trace: hex(trace)?,
            span: span.and_then(hex),
        })
    }

    /// The trace's id.
    #[must_use]
    pub const fn trace(&self) -> [u8; 16] {
        self.trace
    }

    /// The id of the span that the request is a part of.
    #[must_use]
    pub const fn span(&self) -> Option<[u8; 8]> {
        self.span
    }
}

fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = digits.trim_ascii();
    if digits.len() != 2 * N {
        return None;
    }
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode_mut(digits, &mut bytes);
    (decoded.is_ok() && bytes != [0; N]).then_some(bytes)
}

/// The models of a request, before its budget is settled.
#[derive(Debug)]
pub(crate) struct Models {
    asked: Option<Box<str>>,
    answered: Option<Box<str>>,
}

impl Models {
    pub(crate) fn of(entry: &Entry, providers: &Providers) -> Self {
        let reserved = entry.spending.as_ref();
        let reserved = reserved.map(|spending| spending.model.clone());
        Self {
            asked: reserved.or_else(|| model_in_path(entry, providers)),
            answered: entry.model.clone(),
        }
    }
}

impl<'a> Finished<'a> {
    pub(crate) fn of(
        entry: &Entry,
        told: &'a LogEntry,
        models: &'a Models,
        gateway: &'a Gateway,
    ) -> Self {
        let slug = told.provider.as_str();
        let (asked, answered) = (models.asked.as_deref(), models.answered.as_deref());
        let prices = &gateway.config().prices;
        let named = |model| prices.name(slug, model, told.created_at());
        let trace = entry.texts.get(Text::Trace);
        let span = entry.texts.get(Text::ParentSpan);
        Self {
            entry: told,
            is_told: entry.is_told,
            asked,
            answered,
            priced: answered.and_then(named).or_else(|| asked.and_then(named)),
            provider: gateway.providers().label(slug).unwrap_or("other"),
            parent: trace.and_then(|trace| TraceParent::parse(trace, span)),
        }
    }
}

/// The model that the path names behind the provider.
fn model_in_path(entry: &Entry, providers: &Providers) -> Option<Box<str>> {
    let path = std::str::from_utf8(entry.texts.get(Text::Path)?).ok()?;
    let rest = GatewayAddress::parse(path).ok()?.rest;
    let provider = providers.find(entry.series.parts().provider.as_str())?;
    match provider.provider.model_in_path(rest) {
        PathModel::Named(model) => Some(model.into()),
        PathModel::Absent | PathModel::Unclear => None,
    }
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    const TRACE: &[u8] = b"0af7651916cd43dd8448eb211c80319c";
    const SPAN: &[u8] = b"b7ad6b7169203331";

    #[track_caller]
    fn check(trace: &[u8], span: Option<&[u8]>, expected: Option<bool>) {
        let parsed = TraceParent::parse(trace, span);
        assert_eq!(parsed.map(|parent| parent.span().is_some()), expected);
    }

    #[test]
    fn a_parent_is_two_numbers_in_hexadecimal() {
        check(TRACE, Some(SPAN), Some(true));
        check(&TRACE.to_ascii_uppercase(), Some(SPAN), Some(true));
        check(TRACE, None, Some(false));
        for span in [
            &b""[..],
            b"b7ad6b716920333",
            b"0000000000000000",
            b"b7ad6b716920333g",
        ] {
            check(TRACE, Some(span), Some(false));
        }
        for trace in [
            &b""[..],
            &TRACE[1..],
            b"00000000000000000000000000000000",
            b"0af7651916cd43dd8448eb211c80319_",
            b"0af7651916cd43dd8448eb211c80319c0",
        ] {
            check(trace, Some(SPAN), None);
        }
    }
}
