//! What an answer says of its tokens, in its provider's words, and what that comes to.

use super::{Usage, shape::Rule};

/// The largest count that is believed. A guess: no model takes or gives as much in one answer.
const MOST: u64 = 1_000_000_000_000;

/// The longest name of a model that is kept, in bytes: as long as one may be in a request.
const LONGEST_MODEL: usize = 256;

/// A count as some provider has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// What went in, with or without what was cached: the shape's rule says which.
    Prompt,
    CacheRead,
    CacheWrite,
    /// Of what was written to a cache, what is kept for an hour.
    CacheWriteHour,
    /// Went in on a tool's behalf, beside the prompt.
    Tool,
    /// What came out, with or without reasoning: the shape's rule says which.
    Completion,
    Reasoning,
    /// What went in as it is charged, where nothing else is said.
    BilledPrompt,
    /// What came out as it is charged, where nothing else is said.
    BilledCompletion,
}

/// What is said of one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Amount {
    #[default]
    Unsaid,
    /// Negative, a fraction, no number, or too large to be true.
    Nonsense,
    Said(u64),
}

impl Amount {
    /// Reads a JSON scalar. `6.0` is 6: Titan writes it so.
    pub(super) fn parse(text: &[u8]) -> Self {
        if text == b"null" {
            return Self::Unsaid;
        }
        let mut halves = text.splitn(2, |byte| *byte == b'.');
        let whole = halves.next().unwrap_or_default();
        let is_whole = halves
            .next()
            .is_none_or(|rest| !rest.is_empty() && rest.iter().all(|byte| *byte == b'0'));
        // `from_str_radix` would take a sign.
        let is_number = is_whole && !whole.is_empty() && whole.iter().all(u8::is_ascii_digit);
        let digits = std::str::from_utf8(whole).ok().filter(|_| is_number);
        match digits.and_then(|digits| digits.parse::<u64>().ok()) {
            Some(count) if count <= MOST => Self::Said(count),
            _ => Self::Nonsense,
        }
    }

    /// With one that counts as nothing where it is not said.
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nonsense, _) | (_, Self::Nonsense) => Self::Nonsense,
            (Self::Unsaid, _) => Self::Unsaid,
            (said, Self::Unsaid) => said,
            (Self::Said(one), Self::Said(other)) => one
                .checked_add(other)
                .filter(|sum| *sum <= MOST)
                .map_or(Self::Nonsense, Self::Said),
        }
    }

    fn or(self, other: Self) -> Self {
        match self {
            Self::Unsaid => other,
            said => said,
        }
    }

    const fn known(self) -> Option<u64> {
        match self {
            Self::Said(count) => Some(count),
            Self::Unsaid | Self::Nonsense => None,
        }
    }
}

/// All counts of one place, or of an answer so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts([Amount; 9]);

impl Counts {
    fn of(&self, count: Count) -> Amount {
        self.0.get(count as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, count: Count, amount: Amount) {
        if let Some(own) = self.0.get_mut(count as usize)
            && amount != Amount::Unsaid
        {
            *own = amount;
        }
    }

    fn says_nothing(&self) -> bool {
        self.0.iter().all(|amount| *amount == Amount::Unsaid)
    }

    fn usage(&self, rule: Rule) -> Usage {
        let (read, write) = (self.of(Count::CacheRead), self.of(Count::CacheWrite));
        let mut input = self.of(Count::Prompt).or(self.of(Count::BilledPrompt));
        if rule.cache_is_apart {
            input = input.plus(read).plus(write);
        }
        let input = input.plus(self.of(Count::Tool)).known();
        let reasoning = self.of(Count::Reasoning);
        let output = self.of(Count::Completion);
        let output = output.or(self.of(Count::BilledCompletion));
        let output = match (rule.reasoning_is_apart, output) {
            (false, output) => output,
            // A count of nothing is left out by who counts so.
            (true, Amount::Unsaid) => reasoning,
            (true, output) => output.plus(reasoning),
        };
        let output = output.known();
        let cache_write = part(write, input);
        Usage {
            input,
            cache_read: part(read, input),
            cache_write,
            cache_write_hour: part(self.of(Count::CacheWriteHour), cache_write),
            output,
            reasoning: part(reasoning, output),
        }
    }
}

/// A part that is larger than its whole is not believed.
fn part(amount: Amount, whole: Option<u64>) -> Option<u64> {
    let part = amount.known()?;
    whole.is_none_or(|whole| part <= whole).then_some(part)
}

/// Takes down what a scan of an answer finds.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    rule: Rule,
    known: Counts,
    /// The usage object that is being read.
    open: Option<Counts>,
    model: Option<Box<str>>,
}

impl Tally {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            known: Counts::default(),
            open: None,
            model: None,
        }
    }

    /// A usage object begins.
    pub(super) fn begin(&mut self) {
        self.open = Some(Counts::default());
    }

    /// The usage object ended: only now does it count.
    pub(super) fn end(&mut self) {
        let Some(read) = self.open.take().filter(|read| !read.says_nothing()) else {
            return;
        };
        if !self.rule.adds_to_earlier {
            self.known = read;
            return;
        }
        for (own, new) in self.known.0.iter_mut().zip(read.0) {
            *own = new.or(*own);
        }
    }

    /// The usage object was cut.
    pub(super) fn abandon(&mut self) {
        self.open = None;
    }

    pub(super) fn set(&mut self, count: Count, amount: Amount) {
        self.target().set(count, amount);
    }

    /// One of several that make up the count together.
    pub(super) fn add(&mut self, count: Count, amount: Amount) {
        let target = self.target();
        let sum = match target.of(count) {
            Amount::Unsaid => amount,
            so_far => so_far.plus(amount),
        };
        target.set(count, sum);
    }

    fn target(&mut self) -> &mut Counts {
        self.open.as_mut().unwrap_or(&mut self.known)
    }

    /// The first name that is one stays. `text` is what stands between the quotes.
    pub(super) fn name_model(&mut self, text: &[u8]) {
        if self.model.is_some() {
            return;
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return;
        };
        let decoded;
        let name = if text.contains('\\') {
            let Ok(plain) = serde_json::from_str::<Box<str>>(&format!("\"{text}\"")) else {
                return;
            };
            decoded = plain;
            &*decoded
        } else {
            text
        };
        let is_name = (1..=LONGEST_MODEL).contains(&name.len()) && !name.contains(char::is_control);
        if is_name {
            self.model = Some(name.into());
        }
    }

    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    pub(super) fn usage(&self) -> Usage {
        self.known.usage(self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn only_whole_numbers_that_can_be_true_are_counts() {
        for (text, expected) in [
            ("0", Amount::Said(0)),
            ("17", Amount::Said(17)),
            ("6.0", Amount::Said(6)),
            ("1000000000000", Amount::Said(1_000_000_000_000)),
            ("null", Amount::Unsaid),
            ("1000000000001", Amount::Nonsense),
            ("99999999999999999999999", Amount::Nonsense),
            ("-1", Amount::Nonsense),
            ("+1", Amount::Nonsense),
            ("1.5", Amount::Nonsense),
            ("1.", Amount::Nonsense),
            (".0", Amount::Nonsense),
            ("1e3", Amount::Nonsense),
            ("true", Amount::Nonsense),
            ("", Amount::Nonsense),
        ] {
            assert_eq!(Amount::parse(text.as_bytes()), expected, "{text:?}");
        }
    }
}
