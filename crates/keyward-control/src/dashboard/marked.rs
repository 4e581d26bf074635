//! Texts that have code between backticks, as errors have it on a terminal.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};

/// A text whose code, between backticks, is shown as code. Everything in it is escaped, code or not.
pub(crate) struct Marked<'a>(pub(crate) &'a str);

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |f: &mut fmt::Formatter<'_>, text: &str| {
            let Ok(escaped) = escape(text, Html);
            write!(f, "{escaped}")
        };
        if !self.0.matches('`').count().is_multiple_of(2) {
            return write(f, self.0);
        }
        for (number, part) in self.0.split('`').enumerate() {
            if number % 2 == 0 {
                write(f, part)?;
            } else {
                f.write_str("<code>")?;
                write(f, part)?;
                f.write_str("</code>")?;
            }
        }
        Ok(())
    }
}

impl HtmlSafe for Marked<'_> {}

#[cfg(test)]
mod tests {
    use super::Marked;

    #[test]
    fn code_is_marked_and_everything_is_escaped() {
        for (text, expected) in [
            ("plain", "plain"),
            ("see `keyward dev`", "see <code>keyward dev</code>"),
            ("`<b>` & <i>", "<code>&#60;b&#62;</code> &#38; &#60;i&#62;"),
            // A name that somebody else gave may hold a backtick, and code then is not what it seems.
            ("one ` alone <b>", "one ` alone &#60;b&#62;"),
            ("``", "<code></code>"),
            ("", ""),
        ] {
            assert_eq!(Marked(text).to_string(), expected);
        }
    }
}
