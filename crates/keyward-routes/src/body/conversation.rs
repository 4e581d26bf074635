//! How a conversation begins: what all its requests have in common.

use std::ops::Range;

use super::scan::{Scanner, Value};

/// Of each part, as many bytes count.
const LONGEST_PART: usize = 16 * 1024;
/// Turns looked at before the first of a user.
const MOST_TURNS: usize = 8;

/// The beginning of a conversation: the system's text and the turns up to the user's first one, as they were sent.
///
/// A client repeats them in every later request, so that what is chosen by them stays the same as the conversation grows.
/// Two conversations that begin alike are one. At most 16 KiB of each part and 9 parts of the turns count: what follows
/// does not tell conversations apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationStart<'a> {
    parts: Vec<&'a [u8]>,
}

impl<'a> ConversationStart<'a> {
    pub(super) fn find(
        text: &'a str,
        system: Option<Range<usize>>,
        turns: Range<usize>,
    ) -> Option<Self> {
        let part = |span: Range<usize>| {
            let bytes = text.as_bytes().get(span).unwrap_or_default();
            bytes.get(..LONGEST_PART).unwrap_or(bytes)
        };
        let mut parts: Vec<_> = system.into_iter().map(part).collect();
        let before = parts.len();
        let mut scanner = Scanner::new(text, turns.start);
        match scanner.peek() {
            Some(b'[') => {
                let mut count = 0;
                let scanned = scanner.array(0, &mut |turn| {
                    parts.push(part(turn.span().clone()));
                    count += 1;
                    count <= MOST_TURNS && !is_users(text, turn)
                });
                scanned.ok()?;
            }
            Some(b'"') => parts.push(part(turns)),
            _ => {}
        }
        (parts.len() > before).then_some(Self { parts })
    }

    /// The parts in order.
    pub fn parts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.parts.iter().copied()
    }
}

/// Whether a turn is a user's. One that is no object is (OpenAI's `input` may be a list of texts), as is one that says no
/// role (Gemini's `contents` need none).
fn is_users(text: &str, turn: &Value) -> bool {
    let mut scanner = Scanner::new(text, turn.span().start);
    if scanner.peek() != Some(b'{') {
        return true;
    }
    let mut role = None;
    let scanned = scanner.object(0, &mut |key, value| {
        if text.get(key.span) == Some("\"role\"") {
            role = text.get(value.span().clone());
        }
        Ok(())
    });
    scanned.is_err() || role.is_none_or(|role| role == "\"user\"")
}
