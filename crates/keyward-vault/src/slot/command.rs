//! What a command gives: a secret of any form, such as a data key that a key management service decrypted.
//!
//! Which command, and how it is run, is not this crate's: the stored slot says that *a* command opens it, and
//! the operator's configuration says which.

use keyward_secret::SecretBytes;

/// What a command wrote, fit to wrap a root key.
#[expect(
    missing_debug_implementations,
    reason = "a secret has no printable form"
)]
pub struct CommandOutput(SecretBytes);

/// A command's output cannot be used. Nothing of it is told but its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the output is {length} bytes long; it may be {} to {}",
    CommandOutput::MIN_BYTES,
    CommandOutput::MAX_BYTES
)]
pub struct CommandOutputError {
    length: usize,
}

impl CommandOutput {
    /// Shorter outputs are refused: an empty one, `null` or `ok` is what a helper that failed writes.
    pub const MIN_BYTES: usize = 16;
    /// Longer outputs are refused; so is reading on.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Takes an output over. One line break at its end, `\n` or `\r\n`, does not count: most programs write one.
    ///
    /// # Errors
    ///
    /// When what is left is shorter than [`MIN_BYTES`](Self::MIN_BYTES) or longer than
    /// [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(output: &[u8]) -> Result<Self, CommandOutputError> {
        let text = output.strip_suffix(b"\n").unwrap_or(output);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let length = text.len();
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&length) {
            return Err(CommandOutputError { length });
        }
        Ok(Self(SecretBytes::copy_from(text)))
    }

    pub(super) const fn bytes(&self) -> &SecretBytes {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::CommandOutput;

    #[track_caller]
    fn check(output: &[u8], expected: Option<&[u8]>) {
        let taken = CommandOutput::new(output);
        assert_eq!(
            taken.as_ref().ok().map(|output| output.0.len()),
            expected.map(<[u8]>::len)
        );
        if let (Ok(taken), Some(expected)) = (taken, expected) {
            assert!(
                taken
                    .0
                    .ct_eq(&keyward_secret::SecretBytes::copy_from(expected))
            );
        }
    }

    #[test]
    fn one_line_break_does_not_count() {
        let text = b"0123456789abcdef";
        check(text, Some(text));
        check(b"0123456789abcdef\n", Some(text));
        check(b"0123456789abcdef\r\n", Some(text));
        check(b"0123456789abcdef\n\n", Some(b"0123456789abcdef\n"));
    }

    #[test]
    fn lengths_outside_the_bounds_are_refused() {
        check(b"", None);
        check(b"0123456789abcde\n", None);
        check(&[7; 64 * 1024], Some(&[7; 64 * 1024]));
        check(&[7; 64 * 1024 + 1], None);
    }

    #[test]
    fn every_text_says_what_is_wrong() {
        use super::CommandOutput;

        keyward_testing::assert_texts!("CommandOutputError", [
            "too short" => CommandOutput::new(b"short").err().unwrap(),
        ]);
    }
}
