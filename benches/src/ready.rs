//! The one line that a process under measurement prints when it can be used.

use std::io::{self, Write};

/// Prints `line` as one line on standard output and flushes it, so that a waiting parent sees it at once.
///
/// # Errors
///
/// When standard output is closed.
pub fn announce(line: &serde_json::Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
