//! Which names of models an entry is for.

/// A name, or a pattern of names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name(Box<str>);

/// The longest one, in bytes.
const LONGEST: usize = 256;

impl Name {
    /// Parses a name: 1 to 256 visible ASCII characters. `#` in it stands for any digit, and `*` at its end for anything.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let star = text.find('*').is_none_or(|at| at + 1 == text.len());
        ((1..=LONGEST).contains(&text.len()) && is_visible && star).then(|| Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_pattern(&self) -> bool {
        self.0.contains(['#', '*'])
    }

    /// How much it says: of two patterns that match, the one that says more wins. What is open at its end says less.
    pub(super) fn weight(&self) -> (usize, bool) {
        let fixed = self.0.trim_end_matches('*');
        (fixed.len(), fixed.len() == self.0.len())
    }

    pub(super) fn matches(&self, model: &str) -> bool {
        let fixed = self.0.trim_end_matches('*');
        let is_open = fixed.len() < self.0.len();
        let begins = |(own, other): (u8, u8)| own == other || own == b'#' && other.is_ascii_digit();
        (model.len() == fixed.len() || is_open && model.len() > fixed.len())
            && fixed.bytes().zip(model.bytes()).all(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_pattern_matches_digits_and_what_follows() {
        for (name, model, expected) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-5-####-##-##", "gpt-5-2025-08-07", true),
            ("gpt-5-####-##-##", "gpt-5-2025-08-07x", false),
            ("gpt-5-####-##-##", "gpt-5-2025-08-0", false),
            ("gpt-5-####-##-##", "gpt-5-abcd-08-07", false),
            ("gpt-5*", "gpt-5", true),
            ("gpt-5*", "gpt-5-mini", true),
            ("gpt-5*", "gpt-", false),
            ("*", "anything", true),
            ("claude-#*", "claude-3-opus", true),
            ("claude-#*", "claude-opus", false),
        ] {
            let parsed = Name::parse(name).unwrap();
            assert_eq!(parsed.matches(model), expected, "{name} {model}");
        }
    }

    #[test]
    fn what_says_more_weighs_more() {
        let weight = |name| Name::parse(name).unwrap().weight();
        assert!(weight("gpt-5-mini*") > weight("gpt-5*"));
        assert!(weight("gpt-5-##") > weight("gpt-5-*"));
        assert!(weight("gpt-5") > weight("gpt-5*"));
    }

    #[test]
    fn a_name_is_visible_and_open_at_its_end_alone() {
        for name in [
            "",
            " ",
            "a b",
            "*a",
            "a*b",
            "a**",
            "caf\u{e9}",
            &"a".repeat(257),
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }
}
