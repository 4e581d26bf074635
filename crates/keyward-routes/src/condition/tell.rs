//! Why a condition holds or does not, in words.
//!
//! A field of the body or of the metadata is shown, cut to 64 characters; a header's value never is.

use std::fmt::Write as _;

use super::{Condition, Node, Order, Scalar, Test};
use crate::{
    facts::{Fact, Reader},
    field::Field,
};

/// How much of a value is shown, in characters.
const SHOWN: usize = 64;
/// How many reasons are told; of the others only how many there are.
const TOLD: usize = 5;

impl Condition {
    /// Whether it holds, and why.
    pub(crate) fn tell(&self, reader: &mut Reader<'_>) -> (bool, String) {
        if self.reads_body {
            reader.read_body();
        }
        if self.is_always() {
            return (
                true,
                "there is no condition: every request passes".to_owned(),
            );
        }
        let mut reasons = Vec::new();
        let holds = self.root.tell(reader, &mut reasons);
        let more = reasons.len().saturating_sub(TOLD);
        reasons.truncate(TOLD);
        let mut text = reasons.join(", and ");
        if more > 0 {
            let _ = write!(text, ", and {more} more");
        }
        (holds, text)
    }
}

impl Node {
    /// Adds the reasons that decide: of what holds all of them, of what does not the first.
    fn tell(&self, reader: &Reader<'_>, reasons: &mut Vec<String>) -> bool {
        match self {
            Self::All(nodes) => {
                let from = reasons.len();
                for node in nodes {
                    let own = reasons.len();
                    if !node.tell(reader, reasons) {
                        reasons.drain(from..own);
                        return false;
                    }
                }
                true
            }
            Self::Any(nodes) => {
                let from = reasons.len();
                for node in nodes {
                    let own = reasons.len();
                    if node.tell(reader, reasons) {
                        reasons.drain(from..own);
                        return true;
                    }
                }
                false
            }
            Self::Not(node) => !node.tell(reader, reasons),
            Self::Test(field, test) => {
                let fact = reader.find(field);
                let holds = test.holds(fact);
                reasons.push(test.tell(field, fact, holds));
                holds
            }
        }
    }
}

impl Test {
    fn tell(&self, field: &Field, fact: Fact<'_>, holds: bool) -> String {
        let found = tell_fact(fact);
        let verb = if holds { "passes" } else { "does not pass" };
        let asked = match self {
            Self::Equal(scalar) => format!("$eq {}", scalar.told()),
            Self::NotEqual(scalar) => format!("$ne {}", scalar.told()),
            Self::Order(order, scalar) => format!("{} {}", order.name(), scalar.told()),
            Self::In(scalars) => format!("$in [{}]", tell_all(scalars)),
            Self::NotIn(scalars) => format!("$nin [{}]", tell_all(scalars)),
            Self::Exists(exists) => format!("$exists {exists}"),
            Self::Matches(regex) => format!("$regex {}", quote(regex.as_str())),
        };
        format!("{field} {found}, which {verb} {asked}")
    }
}

impl Order {
    const fn name(self) -> &'static str {
        match self {
            Self::Above => "$gt",
            Self::AtLeast => "$gte",
            Self::Below => "$lt",
            Self::AtMost => "$lte",
        }
    }
}

impl Scalar {
    fn told(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => quote(text),
        }
    }
}

fn tell_all(scalars: &[Scalar]) -> String {
    let mut told: Vec<_> = scalars.iter().take(TOLD).map(Scalar::told).collect();
    if scalars.len() > TOLD {
        told.push("\u{2026}".to_owned());
    }
    told.join(", ")
}

/// A field and its value as a clause: `is "free"`.
pub(crate) fn tell_fact(fact: Fact<'_>) -> String {
    match fact {
        Fact::Missing => "is absent".to_owned(),
        Fact::Null => "is null".to_owned(),
        Fact::Bool(value) => format!("is {value}"),
        Fact::Number(number) => format!("is {number}"),
        Fact::Text(text) => format!("is {}", quote(text)),
        // What stands in a header may be a secret, whatever the header is called.
        Fact::Header(_) | Fact::Bytes => "is sent".to_owned(),
        Fact::Array => "is an array".to_owned(),
        Fact::Object => "is an object".to_owned(),
    }
}

/// A text in quotes, its control characters escaped, cut.
fn quote(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}\u{2026}", text.get(..end).unwrap_or_default()),
    }
}
