//! What a request may cost and did cost, for the budgets that it is to keep to. Pure.
//!
//! A client's own prices (`cf-aig-custom-cost`) count in the log alone: who could say what his requests cost could say that
//! they cost nothing.

use bytes::Bytes;
use keyward_providers::{Seen, Usage};
use keyward_routes::{BYTES_PER_TOKEN, JsonBody, Money, Price, Reserve};
use serde::Deserialize;

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
    /// How many tokens may come out.
    pub(crate) most_output: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Limits {
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    #[serde(rename = "generationConfig")]
    generation: Option<Generation>,
    /// How many answers are wanted.
    n: Option<u64>,
}

#[derive(Deserialize)]
struct Generation {
    #[serde(rename = "maxOutputTokens")]
    max_output_tokens: Option<u64>,
    #[serde(rename = "candidateCount")]
    candidates: Option<u64>,
}

impl Asked {
    /// Reads a body. One that is no JSON, or says a limit twice, has none.
    pub(crate) fn read(body: &Bytes) -> Self {
        let limits: Limits = serde_json::from_slice(body).unwrap_or_default();
        let (of_gemini, candidates) = match limits.generation {
            Some(generation) => (generation.max_output_tokens, generation.candidates),
            None => (None, None),
        };
        let each = [
            limits.max_tokens,
            limits.max_completion_tokens,
            limits.max_output_tokens,
            of_gemini,
        ];
        // Of several the highest: which one counts is the provider's to say.
        let each = each.into_iter().flatten().max();
        let times = limits.n.or(candidates).unwrap_or(1).max(1);
        Self {
            bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
            most_output: each.map(|each| each.saturating_mul(times)),
        }
    }
}

/// What is set aside for a request before it is sent; none where it does not count. An error where it must not be sent.
pub(crate) fn estimate(reserve: Reserve<'_>, asked: &Asked) -> Result<Option<Money>, NoPrice> {
    let price = match reserve {
        Reserve::Price(price) | Reserve::Fallback(price) => price,
        Reserve::Uncounted => return Ok(None),
        Reserve::Refused => return Err(NoPrice),
    };
    let most = price.estimate(asked.bytes, asked.most_output);
    let guessed = || price.estimate(asked.bytes, Some(MOST_OUTPUT));
    Ok(most.or_else(guessed))
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
    pub(crate) usage: Usage,
    pub(crate) seen: Seen,
}

/// What a request cost: what its answer says; of one that was cut, by what came of it; of one that failed, nothing.
pub(crate) fn cost(price: &Price, asked: &Asked, ended: Ended) -> Money {
    if ended.is_own || ended.status.is_some_and(|status| status >= 400) {
        return Money::ZERO;
    }
    let of_answer = price.cost(&ended.usage);
    of_answer.unwrap_or_else(|| {
        let mut guessed = ended.usage;
        let Seen { bytes, events, .. } = ended.seen;
        guessed.input = guessed
            .input
            .or_else(|| Some(asked.bytes.div_ceil(BYTES_PER_TOKEN)));
        // Most providers send an event for each token.
        guessed.output = guessed.output.or(match events {
            0 => Some(bytes / ANSWER_BYTES_PER_TOKEN),
            events => Some(events),
        });
        price.cost(&guessed).unwrap_or_default()
    })
}

/// The model in a body, where it can be told.
pub(crate) fn model_of(body: &Bytes) -> Option<Box<str>> {
    let body = JsonBody::read(body).ok()?;
    body.model().ok().map(Box::from)
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
        Asked::read(&Bytes::from_static(body.as_bytes()))
    }

    fn dollars(dollars: f64) -> Money {
        Money::from_dollars(dollars).unwrap()
    }

    #[test]
    fn what_may_come_out_is_read_in_every_form() {
        for (body, most) in [
            (r#"{"max_tokens": 10}"#, Some(10)),
            (r#"{"max_completion_tokens": 10, "n": 3}"#, Some(30)),
            (
                r#"{"max_tokens": 5, "max_completion_tokens": 10}"#,
                Some(10),
            ),
            (r#"{"max_output_tokens": 10}"#, Some(10)),
            (
                r#"{"generationConfig": {"maxOutputTokens": 10, "candidateCount": 2}}"#,
                Some(20),
            ),
            (r#"{"max_tokens": 10, "max_tokens": 1}"#, None),
            (r#"{"max_tokens": -1}"#, None),
            (r#"{"max_tokens": null}"#, None),
            ("no json", None),
        ] {
            let read = asked(body);
            assert_eq!(
                (read.most_output, read.bytes),
                (most, body.len() as u64),
                "{body}"
            );
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
    }

    #[test]
    fn a_request_costs_what_its_answer_says_or_what_came_of_it() {
        let price = price();
        let body = asked(r#"{"max_tokens": 1000}    "#);
        let mut said = Usage::UNKNOWN;
        (said.input, said.output) = (Some(100), Some(50));
        let mut input = Usage::UNKNOWN;
        input.input = Some(100);
        let mut seen = Seen::default();
        (seen.bytes, seen.events) = (1_200, 7);
        let mut whole = Seen::default();
        whole.bytes = 600;
        let none = Seen::default();
        let unknown = Usage::UNKNOWN;
        for (status, is_own, usage, seen, expected) in [
            (Some(200), false, said, seen, 100e-6 + 50.0 * 2e-6),
            // Cut before it said what came out.
            (Some(200), false, input, seen, 100e-6 + 7.0 * 2e-6),
            (Some(200), false, unknown, seen, 8e-6 + 7.0 * 2e-6),
            (Some(200), false, unknown, whole, 8e-6 + 100.0 * 2e-6),
            // The client did not wait for the head: what it sent was read.
            (None, false, unknown, none, 8e-6),
            (Some(500), false, unknown, none, 0.0),
            (Some(429), false, said, none, 0.0),
            (Some(502), true, unknown, none, 0.0),
        ] {
            let ended = Ended {
                status,
                is_own,
                usage,
                seen,
            };
            assert_eq!(cost(&price, &body, ended), dollars(expected), "{ended:?}");
        }
    }
}
