//! Reading a pasted line.

use std::{
    io::{self, BufRead, IsTerminal},
    path::Path,
};

use zeroize::Zeroizing;

use crate::{curl::Text, failure::Failure, output::remark, secret_input};

/// The line, from `file`, else from standard input: all of it, or on a terminal up to an empty line.
pub(super) fn line(file: Option<&Path>) -> Result<Text, Failure> {
    let read = match file {
        Some(file) => secret_input::read_file(file)?,
        None if io::stdin().is_terminal() => {
            remark("paste a curl line, and end it with an empty line:");
            return paragraph(&mut io::stdin().lock());
        }
        None => secret_input::read_input()?,
    };
    let text = std::str::from_utf8(read.expose()).map_err(|_bytes| no_text())?;
    Ok(Text::new(text.to_owned()))
}

/// Everything before the first empty line. Copies that are outgrown are erased.
fn paragraph(input: &mut impl BufRead) -> Result<Text, Failure> {
    /// More than a terminal passes on in one line.
    const ROOM: usize = 8 * 1024;
    let mut text = Text::new(String::with_capacity(ROOM));
    loop {
        let mut line = Zeroizing::new(Vec::with_capacity(ROOM));
        let read = input.read_until(b'\n', &mut line);
        read.map_err(|error| Failure::new("cannot read from the terminal").caused_by(&error))?;
        if line.trim_ascii().is_empty() && (line.is_empty() || !text.trim().is_empty()) {
            return Ok(text);
        }
        let line = std::str::from_utf8(&line).map_err(|_bytes| no_text())?;
        let mut longer = Text::new(String::with_capacity(text.len() + line.len()));
        longer.push_str(&text);
        longer.push_str(line);
        text = longer;
    }
}

fn no_text() -> Failure {
    Failure::usage("what was read is no text").help("paste a curl line in UTF-8")
}

#[cfg(test)]
mod tests {
    use super::paragraph;

    #[test]
    fn a_paragraph_ends_with_an_empty_line_or_with_the_input() {
        for (input, expected) in [
            ("curl a \\\n -v\n\nrest", "curl a \\\n -v\n"),
            ("\n \ncurl a\n", "\n \ncurl a\n"),
            ("", ""),
        ] {
            let read = paragraph(&mut input.as_bytes()).unwrap();
            assert_eq!(read.as_str(), expected);
        }
    }
}
