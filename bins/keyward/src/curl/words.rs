//! The words of a line as a shell would pass them on. Variables are looked up; commands are not run.

use zeroize::Zeroizing;

use super::Text;
use crate::failure::Failure;

/// Splits the first command of `line`; what its answer is piped into does not matter.
pub(super) fn split(
    line: &str,
    variable: impl Fn(&str) -> Result<Option<Text>, Failure>,
) -> Result<Vec<Text>, Failure> {
    let expanded = expand(line, variable)?;
    let words = shell_words::split(&expanded).map_err(|_unclosed| {
        Failure::usage("the line ends within quotes").help("paste all of it, with the last quote")
    })?;
    Ok(words.into_iter().map(Zeroizing::new).collect())
}

/// Where in the line a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

/// Replaces variables by their values, quoted as the place needs it, and leaves the rest to be split.
fn expand(
    line: &str,
    variable: impl Fn(&str) -> Result<Option<Text>, Failure>,
) -> Result<Text, Failure> {
    let mut expanded = Expanded::with_room(line.len() * 2);
    let mut quotes = Quotes::None;
    let mut rest = line.trim();
    while let Some(next) = rest.chars().next() {
        let behind = rest.get(next.len_utf8()..).unwrap_or_default();
        rest = match (quotes, next) {
            // As it is pasted from Windows.
            (_, '\r') => behind,
            (Quotes::None | Quotes::Double, '\\') => {
                let behind = behind.strip_prefix('\r').unwrap_or(behind);
                // At the end it would continue the line.
                let Some(escaped) = behind.chars().next() else {
                    break;
                };
                expanded.push('\\');
                expanded.push(escaped);
                behind.get(escaped.len_utf8()..).unwrap_or_default()
            }
            (Quotes::None | Quotes::Double, '$') => {
                let (name, behind) = name(behind, quotes)?;
                match name {
                    None => expanded.push_escaped('$', Quotes::Double),
                    Some(name) => {
                        let value = variable(name)?.ok_or_else(|| not_set(name))?;
                        expanded.put(&value, quotes);
                    }
                }
                behind
            }
            (Quotes::None | Quotes::Double, '`') => return Err(no_commands()),
            (Quotes::None, ';' | '|') => break,
            (Quotes::None, '<' | '>') => {
                expanded.drop_number();
                break;
            }
            (Quotes::None, '&') => {
                return Err(Failure::usage("a shell would end the command at an `&`")
                    .help("put the URL in quotes"));
            }
            (Quotes::None, '\n') if !behind.trim().is_empty() => {
                return Err(Failure::usage("there is more than one command")
                    .help("paste one curl line; lines that belong together end with `\\`"));
            }
            _ => {
                quotes = match (quotes, next) {
                    (Quotes::None, '\'') => Quotes::Single,
                    (Quotes::None, '"') => Quotes::Double,
                    (Quotes::Single, '\'') | (Quotes::Double, '"') => Quotes::None,
                    (quotes, _) => quotes,
                };
                expanded.push(next);
                behind
            }
        };
    }
    Ok(expanded.0)
}

/// The name behind a `$`, and what follows it; no name where the `$` stands for itself.
fn name(behind: &str, quotes: Quotes) -> Result<(Option<&str>, &str), Failure> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match behind.chars().next() {
        Some('(') => Err(no_commands()),
        Some('\'' | '"') if quotes == Quotes::None => {
            Err(Failure::usage("the line quotes with `$'…'`")
                .help("quote with `'…'`, which this reads"))
        }
        Some('{') => {
            let inner = behind.get(1..).and_then(|inner| inner.split_once('}'));
            match inner {
                Some((name, behind)) if is_name(name) => Ok((Some(name), behind)),
                _ => Err(
                    Failure::usage("the line changes a variable's value within `${…}`")
                        .help("write the value, or `${NAME}` alone"),
                ),
            }
        }
        _ => {
            let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            let end = behind.find(is_end).unwrap_or(behind.len());
            match behind.split_at_checked(end) {
                Some((name, rest)) if is_name(name) => Ok((Some(name), rest)),
                _ => Ok((None, behind)),
            }
        }
    }
}

fn no_commands() -> Failure {
    Failure::usage("the line runs a command within itself, which is not run here")
        .help("put its output into a variable of the environment, and the variable into the line")
}

fn not_set(name: &str) -> Failure {
    Failure::usage(format!("the line uses ${name}, which is not set"))
        .help(format!("set it in the environment: `export {name}`"))
}

/// Text that leaves no copies behind as it grows.
struct Expanded(Text);

impl Expanded {
    fn with_room(room: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(room)))
    }

    fn push(&mut self, c: char) {
        if self.0.len() + c.len_utf8() > self.0.capacity() {
            let mut wider = Self::with_room(self.0.capacity().max(64) * 2);
            wider.0.push_str(&self.0);
            *self = wider;
        }
        self.0.push(c);
    }

    /// Takes away the number of a descriptor that is led elsewhere, as in `2>&1`.
    fn drop_number(&mut self) {
        let number = self.0.trim_end_matches(|c: char| c.is_ascii_digit());
        if number.ends_with(char::is_whitespace) {
            let length = number.len();
            self.0.truncate(length);
        }
    }

    fn push_escaped(&mut self, c: char, quotes: Quotes) {
        let is_special = matches!(c, '\\' | '"' | '$' | '`' | '\'');
        if quotes == Quotes::Double && is_special && c != '\'' {
            self.push('\\');
        }
        self.push(c);
    }

    /// Puts a value where it will be read as it is.
    fn put(&mut self, value: &str, quotes: Quotes) {
        if quotes == Quotes::None {
            self.push('"');
        }
        value
            .chars()
            .for_each(|c| self.push_escaped(c, Quotes::Double));
        if quotes == Quotes::None {
            self.push('"');
        }
    }
}
