//! Takes a credential out of what comes back: bodies, headers, trailers. Pure and incremental.
//!
//! Against accidental echo. Every byte that is part of an occurrence becomes a mask character (`*`, unless
//! the credential holds one), so lengths, chunks and event framing stay true. In bodies of answers below
//! 400 the raw credential is looked for; in headers, trailers and bodies from 400 up also its JSON-escaped,
//! percent-encoded and base64 forms. Compressed bodies are not looked into.

mod needle;

use std::{fmt, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::HeaderValue;
use keyward_secret::{BoundCredential, SecretBytes};

use self::needle::Needle;

/// Credentials and forms shorter than this are not looked for: they are words (`ollama`, `EMPTY`), and
/// masking them would damage answers.
const SHORTEST: usize = 8;

/// Finds a credential, or several, in what an upstream sends, and masks them.
///
/// Built once from a [`BoundCredential`] and shared as `Arc<Scrubber>`; a request clones the `Arc`. A
/// credential of fewer than 8 bytes is not looked for.
///
/// ```
/// use keyward_forward::Scrubber;
/// use keyward_secret::{BoundCredential, Destination, SecretBytes};
///
/// let credential = BoundCredential::build(
///     http::header::AUTHORIZATION,
///     "Bearer ",
///     SecretBytes::new(b"sk-example".to_vec()),
///     Destination::parse(["https://api.example.com"])?,
/// )?;
/// let scrubber = Scrubber::new(&credential);
/// assert_eq!(scrubber.scrub_text(b"bad key sk-example!"), b"bad key **********!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Scrubber {
    /// The raw credentials first, those that are long enough; then their other forms.
    needles: Box<[Needle]>,
    /// How many of these are raw.
    raw: usize,
    /// No value shorter than this holds any form.
    shortest: usize,
    mask: u8,
    /// Tells what it was built from: a credential's memory is shared by all its clones.
    credentials: Box<[BoundCredential]>,
}

/// Which forms of a credential are looked for in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller decides between these for every body"
)]
pub enum Forms {
    /// None: the body is compressed. Its trailers are scrubbed all the same.
    None,
    /// The credential as it is: bodies of answers below 400.
    Raw,
    /// Also JSON-escaped, percent-encoded and in base64: bodies from 400 up.
    All,
}

/// Scrubs one body, frame by frame.
///
/// What comes out depends on the bytes alone and not on where frames begin and end. Held back is at most
/// one byte less than the longest form that is looked for.
///
/// ```
/// # use std::sync::Arc;
/// # use keyward_forward::{Forms, ScrubStream, Scrubber};
/// # use keyward_secret::{BoundCredential, Destination, SecretBytes};
/// # let credential = BoundCredential::build(
/// #     http::header::AUTHORIZATION,
/// #     "Bearer ",
/// #     SecretBytes::new(b"sk-example".to_vec()),
/// #     Destination::parse(["https://api.example.com"])?,
/// # )?;
/// let scrubber = Arc::new(Scrubber::new(&credential));
/// let mut body = ScrubStream::new(scrubber, Forms::Raw);
/// assert_eq!(body.push("bad key sk-exa".into()), "bad key ");
/// assert_eq!(body.push("mple!".into()), "**********!");
/// assert_eq!(body.finish(), "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ScrubStream {
    scrubber: Arc<Scrubber>,
    forms: Forms,
    /// The end of what came, where it may be the beginning of an occurrence.
    held: SecretTail,
}

/// Bytes held back: as they came, and as they are shown (parts may be masked already).
#[derive(Default)]
struct SecretTail {
    came: Vec<u8>,
    shown: Vec<u8>,
}

impl Scrubber {
    /// Prepares the search for `credential` in all its forms.
    #[must_use]
    pub fn new(credential: &BoundCredential) -> Self {
        Self::for_all([credential.clone()])
    }

    /// Prepares the search for each of `credentials` in all its forms.
    #[must_use]
    pub fn for_all(credentials: impl IntoIterator<Item = BoundCredential>) -> Self {
        let credentials: Box<[BoundCredential]> = credentials.into_iter().collect();
        let long = || {
            let raw = credentials.iter().map(|bound| bound.raw().expose());
            raw.filter(|raw| raw.len() >= SHORTEST)
        };
        let mut forms: Vec<SecretBytes> = Vec::new();
        let mut raw = 0;
        for (text, is_raw) in long()
            .map(|raw| (SecretBytes::copy_from(raw), true))
            .chain(long().flat_map(other_forms).map(|form| (form, false)))
        {
            if text.len() >= SHORTEST && !forms.iter().any(|known| known.ct_eq(&text)) {
                forms.push(text);
                raw += usize::from(is_raw);
            }
        }
        // No form is empty, so none is left out here.
        let needles: Box<[Needle]> = forms.into_iter().filter_map(Needle::new).collect();
        let mask = (b"*#.x".iter().copied())
            .chain(b'0'..=b'z')
            .find(|mask| *mask != b'\\' && !long().any(|raw| raw.contains(mask)))
            .unwrap_or(b'*');
        Self {
            shortest: needles.iter().map(Needle::len).min().unwrap_or(usize::MAX),
            needles,
            raw,
            mask,
            credentials,
        }
    }

    /// Whether this is the scrubber of `credential` or of a clone of it, among others or alone.
    #[must_use]
    pub fn is_for(&self, credential: &BoundCredential) -> bool {
        self.credentials
            .iter()
            .any(|known| std::ptr::eq(known.raw(), credential.raw()))
    }

    pub(crate) fn is_for_all<'a>(
        &self,
        mut credentials: impl Iterator<Item = &'a BoundCredential>,
    ) -> bool {
        credentials.all(|credential| self.is_for(credential))
    }

    /// Masks every form of the credential in a text that is there as a whole.
    #[must_use]
    pub fn scrub_text(&self, text: &[u8]) -> Vec<u8> {
        let mut masked = text.to_vec();
        self.mask(text, &mut masked, Forms::All);
        masked
    }

    /// The header value without the credential, where it held it. Usual values cost a comparison.
    pub(crate) fn scrub_value(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let text = value.as_bytes();
        if text.len() < self.shortest || !self.is_in(text, Forms::All) {
            return None;
        }
        let scrubbed = HeaderValue::from_bytes(&self.scrub_text(text));
        Some(scrubbed.unwrap_or(HeaderValue::from_static("*")))
    }

    fn needles(&self, forms: Forms) -> &[Needle] {
        match forms {
            Forms::None => &[],
            Forms::Raw => self.needles.get(..self.raw).unwrap_or_default(),
            Forms::All => &self.needles,
        }
    }

    fn is_in(&self, text: &[u8], forms: Forms) -> bool {
        let mut needles = self.needles(forms).iter();
        needles.any(|needle| needle.find(text, 0).is_some())
    }

    /// Masks in `masked` every byte that is part of an occurrence in `text`, which is as long.
    fn mask(&self, text: &[u8], masked: &mut [u8], forms: Forms) {
        for needle in self.needles(forms) {
            let mut from = 0;
            // Occurrences may overlap: each is masked, so that the result depends on the text alone and
            // not on where frames begin.
            while let Some(at) = needle.find(text, from) {
                if let Some(found) = masked.get_mut(at..at + needle.len()) {
                    found.fill(self.mask);
                }
                from = at + 1;
            }
        }
    }

    /// How many bytes at the end of `text` may be the beginning of an occurrence.
    fn open_end(&self, text: &[u8], forms: Forms) -> usize {
        let ends = self.needles(forms).iter();
        ends.map(|needle| needle.open_end(text)).max().unwrap_or(0)
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl ScrubStream {
    /// Scrubs a body of which nothing came yet.
    #[must_use]
    pub fn new(scrubber: Arc<Scrubber>, forms: Forms) -> Self {
        Self {
            scrubber,
            forms,
            held: SecretTail::default(),
        }
    }

    pub(crate) fn scrubber(&self) -> &Scrubber {
        &self.scrubber
    }

    /// How many bytes are held back.
    pub(crate) fn held(&self) -> usize {
        self.held.came.len()
    }

    /// Whether [`push`](Self::push) would give `frame` out as it is and hold nothing back.
    pub(crate) fn passes_untouched(&self, frame: &[u8]) -> bool {
        self.held.came.is_empty()
            && self.scrubber.open_end(frame, self.forms) == 0
            && !self.scrubber.is_in(frame, self.forms)
    }

    /// Takes a frame in, and gives out what can be said of it so far; that may be nothing.
    ///
    /// The frame itself comes out, uncopied, unless it holds an occurrence or bytes were held back.
    pub fn push(&mut self, frame: Bytes) -> Bytes {
        if !self.held.came.is_empty() {
            return self.push_behind_held(&frame);
        }
        let open = self.scrubber.open_end(&frame, self.forms);
        if self.scrubber.is_in(&frame, self.forms) {
            let mut shown = frame.to_vec();
            self.scrubber.mask(&frame, &mut shown, self.forms);
            return self.hold(&frame, shown, open);
        }
        if open == 0 {
            return frame;
        }
        let (passes, held) = frame.split_at(frame.len() - open);
        self.held.came.extend_from_slice(held);
        self.held.shown.extend_from_slice(held);
        frame.slice(..passes.len())
    }

    /// Gives out what was held back: nothing more comes.
    pub fn finish(&mut self) -> Bytes {
        let held = std::mem::take(&mut self.held);
        Bytes::from(held.shown)
    }

    fn push_behind_held(&mut self, frame: &[u8]) -> Bytes {
        let SecretTail {
            mut came,
            mut shown,
        } = std::mem::take(&mut self.held);
        came.extend_from_slice(frame);
        shown.extend_from_slice(frame);
        self.scrubber.mask(&came, &mut shown, self.forms);
        let open = self.scrubber.open_end(&came, self.forms);
        self.hold(&came, shown, open)
    }

    /// Holds the last `open` bytes back and gives out the rest.
    fn hold(&mut self, came: &[u8], mut shown: Vec<u8>, open: usize) -> Bytes {
        let passes = came.len() - open;
        self.held.shown = shown.split_off(passes);
        self.held.came = came.get(passes..).unwrap_or_default().to_vec();
        Bytes::from(shown)
    }
}

impl fmt::Debug for ScrubStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrubStream")
            .field("scrubber", &self.scrubber)
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

/// JSON-escaped, percent-encoded and base64 forms.
fn other_forms(raw: &[u8]) -> impl Iterator<Item = SecretBytes> {
    let json = [false, true].map(|slashes| json_escaped(raw, slashes));
    let percent = [*b"0123456789ABCDEF", *b"0123456789abcdef"].map(|digits| percent(raw, &digits));
    let base64 = [0, 1, 2].map(|before| {
        [
            base64_within(raw, before, &STANDARD_NO_PAD),
            base64_within(raw, before, &URL_SAFE_NO_PAD),
        ]
    });
    (json.into_iter().chain(percent)).chain(base64.into_iter().flatten().flatten())
}

fn json_escaped(raw: &[u8], slashes: bool) -> SecretBytes {
    // Reserved in full first: a vector that grows leaves a copy behind.
    let mut text = Vec::with_capacity(raw.len() * 2);
    for byte in raw {
        if matches!(byte, b'"' | b'\\') || (slashes && *byte == b'/') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    SecretBytes::new(text)
}

fn percent(raw: &[u8], digits: &[u8; 16]) -> SecretBytes {
    let digit = |nibble: u8| digits.get(usize::from(nibble)).copied().unwrap_or(b'0');
    let mut text = Vec::with_capacity(raw.len() * 3);
    for byte in raw {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) => text.push(*byte),
            byte => text.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    SecretBytes::new(text)
}

/// The part of the base64 text that `raw` alone decides when `before` bytes stand before it, modulo 3, and
/// anything behind it.
fn base64_within(raw: &[u8], before: usize, engine: &impl Engine) -> Option<SecretBytes> {
    let mut input = Vec::with_capacity(before + raw.len());
    input.resize(before, 0);
    input.extend_from_slice(raw);
    let input = SecretBytes::new(input);
    let mut output = vec![0; input.len().div_ceil(3) * 4];
    let written = engine.encode_slice(input.expose(), &mut output);
    let output = SecretBytes::new(output);
    // The first characters mix in what stands before, the last one what follows.
    let first = [0, 2, 3].get(before).copied()?;
    let whole = input.len() * 8 / 6;
    let text = output.expose().get(first..whole.min(written.ok()?))?;
    Some(SecretBytes::copy_from(text))
}

#[cfg(test)]
mod tests;
