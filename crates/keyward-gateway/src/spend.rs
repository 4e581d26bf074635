//! What a request may cost and did cost, for the budgets that it is to keep to. Pure.
//!
//! A client's own prices (`cf-aig-custom-cost`) count in the log alone: who could say what his requests cost could say that
//! they cost nothing.

use bytes::Bytes;
use keyward_providers::{Seen, Usage};
use keyward_routes::{BYTES_PER_TOKEN, Money, Price, Reserve};
use serde::Deserialize;

use crate::log::FAILED;

/// What is taken for the most tokens that may come out where neither the request nor the price table says. A guess.
const MOST_OUTPUT: u64 = 16_384;
/// So many bytes of an answer that is no stream are taken for one token, where it says no counts. A guess: text has four to a
/// token, and there is JSON around it.
const ANSWER_BYTES_PER_TOKEN: u64 = 6;

/// What a request's body says of its cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its length.
    pub(crate) bytes: u64,
    /// How many tokens may come out of each answer.
    pub(crate) most_output: Option<u64>,
    /// How many answers are wanted.
    pub(crate) answers: u64,
}

#[derive(Default, Deserialize)]
struct Limits {
    max_tokens: Option<f64>,
    max_completion_tokens: Option<f64>,
    max_output_tokens: Option<f64>,
    #[serde(rename = "generationConfig")]
    generation: Option<Generation>,
    #[serde(rename = "inferenceConfig")]
    inference: Option<Inference>,
    n: Option<f64>,
    best_of: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Generation {
    #[serde(rename = "maxOutputTokens", alias = "max_output_tokens")]
    max_output_tokens: Option<f64>,
    #[serde(rename = "candidateCount", alias = "candidate_count")]
    candidates: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Inference {
    #[serde(rename = "maxTokens")]
    max_tokens: Option<f64>,
}

impl Asked {
    /// Reads a body that is JSON; none where it says something of its limits that two parsers could read differently.
    pub(crate) fn read(body: &Bytes) -> Option<Self> {
        let limits: Limits = serde_json::from_slice(body).ok()?;
        let generation = limits.generation.unwrap_or_default();
        let inference = limits.inference.unwrap_or_default();
        // Of several the highest: which one counts is the provider's to say.
        let highest = |numbers: &[Option<f64>]| {
            let numbers = numbers.iter().flatten();
            numbers.copied().reduce(f64::max).map(whole)
        };
        let answers = highest(&[limits.n, limits.best_of, generation.candidates]);
        Some(Self {
            answers: answers.unwrap_or(1).max(1),
            most_output: highest(&[
                limits.max_tokens,
                limits.max_completion_tokens,
                limits.max_output_tokens,
                generation.max_output_tokens,
                inference.max_tokens,
            ]),
            ..Self::of_length(body)
        })
    }

    /// Of a body of which nothing else is known.
    pub(crate) fn of_length(body: &Bytes) -> Self {
        Self {
            bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
            most_output: None,
            answers: 1,
        }
    }
}

/// The next whole number; nothing where it is below that.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is beyond the numbers becomes their end"
)]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

/// What is set aside for a request before it is sent; none where it does not count. An error where it must not be sent.
pub(crate) fn estimate(reserve: Reserve<'_>, asked: &Asked) -> Result<Option<Money>, NoPrice> {
    let price = match reserve {
        Reserve::Price(price) | Reserve::Fallback(price) => price,
        Reserve::Uncounted => return Ok(None),
        Reserve::Refused => return Err(NoPrice),
    };
    let of = |bytes| {
        let most = price.estimate(bytes, asked.most_output);
        most.or_else(|| price.estimate(bytes, Some(MOST_OUTPUT)))
    };
    // The price bounds each answer by what its model gives.
    let more = of(0).map_or(0, |each| each.nanos().saturating_mul(asked.answers - 1));
    Ok(of(asked.bytes).map(|one| one.plus(Money::from_nanos(more)).min(Money::MOST)))
}

/// Nobody knows what the model costs, and then it is not to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPrice;

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// The answer's status; none where the client did not wait for one.
    pub(crate) status: Option<u16>,
    /// Whether the gateway itself answered.
    pub(crate) is_own: bool,
    /// Whether the answer came to its end.
    pub(crate) is_whole: bool,
    pub(crate) usage: Usage,
    pub(crate) seen: Seen,
    /// How long the answer was as it was sent.
    pub(crate) bytes: u64,
}

/// What a request cost: what its answer says; of one that was cut, by what came of it; of one that says nothing, or could not
/// be read, what was set aside for it, or what came where that is more; of one that failed, nothing.
pub(crate) fn cost(price: &Price, asked: &Asked, estimate: Money, ended: Ended) -> Money {
    if ended.is_own || ended.status.is_some_and(|status| status >= FAILED) {
        return Money::ZERO;
    }
    if ended.is_whole
        && let Some(cost) = price.cost(&ended.usage)
    {
        return cost;
    }
    let Seen { bytes, events, .. } = ended.seen;
    let is_unread = ended.bytes > 0 && bytes == 0;
    // Most providers send an event for each token; what is around it in one is longer than the token.
    let came = match events {
        0 => bytes / ANSWER_BYTES_PER_TOKEN,
        events => events,
    };
    let mut guessed = ended.usage;
    let input = asked.bytes.div_ceil(BYTES_PER_TOKEN);
    guessed.input = guessed.input.or(Some(input));
    // A count that stands at the beginning of a stream is that of its beginning.
    guessed.output = Some(guessed.output.unwrap_or_default().max(came));
    match price.cost(&guessed) {
        Some(cost) if !ended.is_whole && !is_unread => cost,
        cost => cost.unwrap_or_default().max(estimate),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use keyward_providers::{Seen, Usage};
    use keyward_routes::{Money, Price, Reserve};

    use super::{Asked, Ended, NoPrice, cost, estimate};

    /// A dollar per million tokens in, two per million out.
    fn price() -> Price {
        Price::per_million(1.0, 2.0).unwrap()
    }

    fn asked(body: &'static str) -> Asked {
        Asked::read(&Bytes::from_static(body.as_bytes())).unwrap()
    }

    fn dollars(dollars: f64) -> Money {
        Money::from_dollars(dollars).unwrap()
    }

    #[test]
    fn what_may_come_out_is_read_in_every_form() {
        for (body, most, answers) in [
            (r#"{"max_tokens": 10}"#, Some(10), 1),
            (r#"{"max_completion_tokens": 10, "n": 3}"#, Some(10), 3),
            (
                r#"{"max_tokens": 5, "max_completion_tokens": 10}"#,
                Some(10),
                1,
            ),
            (r#"{"max_output_tokens": 1e1, "best_of": 2}"#, Some(10), 2),
            (
                r#"{"generationConfig": {"maxOutputTokens": 10, "candidateCount": 2}}"#,
                Some(10),
                2,
            ),
            (
                r#"{"generationConfig": {"max_output_tokens": 9.5}}"#,
                Some(10),
                1,
            ),
            (r#"{"inferenceConfig": {"maxTokens": 10}}"#, Some(10), 1),
            (r#"{"max_tokens": -1}"#, Some(0), 1),
            (r#"{"max_tokens": null, "n": 0}"#, None, 1),
        ] {
            let read = asked(body);
            let all = (read.most_output, read.answers, read.bytes);
            assert_eq!(all, (most, answers, body.len() as u64), "{body}");
        }
        for body in [
            r#"{"max_tokens": 10, "max_tokens": 1}"#,
            r#"{"n": "3"}"#,
            "no json",
        ] {
            let body = Bytes::from_static(body.as_bytes());
            assert_eq!(Asked::read(&body), None);
        }
    }

    #[test]
    fn a_request_is_estimated_by_its_price() {
        let price = price();
        let body = asked(r#"{"max_tokens": 1000}    "#);
        let tokens_in = 8.0;
        let expected = dollars(tokens_in * 1e-6 + 1000.0 * 2e-6);
        assert_eq!(estimate(Reserve::Price(&price), &body), Ok(Some(expected)));
        assert_eq!(
            estimate(Reserve::Fallback(&price), &body),
            Ok(Some(expected))
        );
        assert_eq!(estimate(Reserve::Uncounted, &body), Ok(None));
        assert_eq!(estimate(Reserve::Refused, &body), Err(NoPrice));
        let unlimited = estimate(Reserve::Price(&price), &asked("{}")).unwrap();
        assert_eq!(unlimited, Some(dollars(1e-6 + 16_384.0 * 2e-6)));
        let many = estimate(Reserve::Price(&price), &asked(r#"{"max_tokens":10,"n":3}"#));
        assert_eq!(many, Ok(Some(dollars(8e-6 + 30.0 * 2e-6))));
    }

    #[test]
    fn a_request_costs_what_its_answer_says_or_what_came_of_it() {
        let price = price();
        let body = asked(r#"{"max_tokens": 1000}    "#);
        let estimate = dollars(0.5);
        let usage = |input, output| {
            let mut usage = Usage::UNKNOWN;
            (usage.input, usage.output) = (input, output);
            usage
        };
        let seen = |bytes, events| {
            let mut seen = Seen::default();
            (seen.bytes, seen.events) = (bytes, events);
            seen
        };
        let (said, begun) = (usage(Some(100), Some(50)), usage(Some(100), Some(1)));
        let (unknown, none) = (Usage::UNKNOWN, seen(0, 0));
        for (status, is_whole, usage, seen, expected) in [
            (Some(200), true, said, seen(1_200, 7), 100e-6 + 50.0 * 2e-6),
            // Cut before it said what came out, or when it had said what came at first.
            (
                Some(200),
                false,
                usage(Some(100), None),
                seen(1_200, 7),
                100e-6 + 7.0 * 2e-6,
            ),
            (Some(200), false, begun, seen(1_200, 7), 100e-6 + 7.0 * 2e-6),
            (Some(200), false, unknown, seen(1_200, 7), 8e-6 + 7.0 * 2e-6),
            (Some(200), false, unknown, seen(600, 0), 8e-6 + 100.0 * 2e-6),
            // Cut, and not read because it was compressed.
            (Some(200), false, unknown, none, 0.5),
            // Whole, and silent: what reasoning took nobody saw.
            (Some(200), true, unknown, seen(1_200, 7), 0.5),
            (
                Some(200),
                true,
                unknown,
                seen(6_000_000, 0),
                8e-6 + 1_000_000.0 * 2e-6,
            ),
            (Some(500), true, unknown, none, 0.0),
            (Some(429), true, said, none, 0.0),
        ] {
            let ended = Ended {
                status,
                is_own: false,
                is_whole,
                usage,
                seen,
                bytes: 1_200,
            };
            assert_eq!(
                cost(&price, &body, estimate, ended),
                dollars(expected),
                "{ended:?}"
            );
        }
        let left = Ended {
            status: None,
            is_own: false,
            is_whole: false,
            usage: unknown,
            seen: none,
            bytes: 0,
        };
        // The client did not wait for the head: what it sent was read.
        assert_eq!(cost(&price, &body, estimate, left), dollars(8e-6));
        let own = Ended {
            status: Some(502),
            is_own: true,
            is_whole: true,
            ..left
        };
        assert_eq!(cost(&price, &body, estimate, own), Money::ZERO);
    }
}
