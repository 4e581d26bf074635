//! What errors say, one file for each type, complete by construction.

use std::{error::Error, fmt::Write, path::Path};

/// Compares what the variants of an enum say with `tests/errors/NAME.snap` of the crate that calls it.
///
/// Each variant stands there once, as a pattern with an example. The patterns are matched without a wildcard, so a new
/// variant does not compile until it has its line. The last argument turns an example into text; [`told`] does so for
/// errors. `cargo insta review`, or `INSTA_UPDATE=always`, takes a new text over.
///
/// The second form is for errors that are no enum: a list of examples, each with what was given. The third takes
/// [`Texts`] that were put together by hand.
///
/// ```no_run
/// # #[derive(Debug)]
/// enum Fault { Empty, TooLong { length: usize } }
/// keyward_testing::assert_texts!("Fault", Fault {
///     Fault::Empty => Fault::Empty,
///     Fault::TooLong { .. } => Fault::TooLong { length: 7 },
/// }, |fault| format!("{fault:?}"));
/// ```
#[macro_export]
macro_rules! assert_texts {
    ($name:literal, [$($given:literal => $error:expr),+ $(,)?]) => {{
        let mut texts = $crate::Texts::default();
        $(texts.add($given, &$crate::told(&$error));)+
        $crate::assert_texts!($name, texts);
    }};
    ($name:literal, $enum:ty { $($variant:pat => $example:expr),+ $(,)? }, $tell:expr) => {{
        let name_of = |value: &$enum| match value {
            $($variant => stringify!($variant)),+
        };
        let tell = $tell;
        let mut texts = $crate::Texts::default();
        $({
            let example: $enum = $example;
            let variant = name_of(&example);
            assert_eq!(variant, stringify!($variant), "the example is of another variant");
            texts.add_variant(variant, &tell(example));
        })+
        $crate::assert_texts!($name, texts);
    }};
    ($name:literal, $texts:expr) => {
        $crate::Texts::settings(env!("CARGO_MANIFEST_DIR"))
            .bind(|| $crate::insta::assert_snapshot!($name, $texts.text()));
    };
}

/// What an error says, and what caused it says, each on a line.
#[must_use]
pub fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str("\n  cause: ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Texts under headings, as [`assert_texts!`](crate::assert_texts) compares them.
#[derive(Debug, Default)]
pub struct Texts(String);

impl Texts {
    /// Adds a text under a heading.
    pub fn add(&mut self, heading: &str, text: &str) {
        writeln!(self.0, "{heading}").expect("a text takes what is written");
        for line in text.lines() {
            writeln!(self.0, "  {line}").expect("a text takes what is written");
        }
    }

    /// Adds a text under the name of a variant, which is written as a pattern: `Kind::TooLong { .. }`.
    pub fn add_variant(&mut self, pattern: &str, text: &str) {
        let name = pattern.split([' ', '(', '{']).next().unwrap_or(pattern);
        self.add(name.rsplit("::").next().unwrap_or(name), text);
    }

    /// All of them.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Where the files of a crate stand.
    #[must_use]
    pub fn settings(manifest_dir: &str) -> insta::Settings {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(Path::new(manifest_dir).join("tests/errors"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings
    }
}
