//! The codings of a body, and how they are undone. Pure.
//!
//! In pieces, so that what comes of a body need not be held; within a cap that the caller sets.

use std::io::{self, BufRead as _, BufReader, Read};

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header::CONTENT_ENCODING};
use ruzstd::decoding::StreamingDecoder;

use crate::headers::is_plain;

/// How many codings may lie over one another. None that is well meant has two.
const MOST_CODINGS: usize = 2;
/// RFC 9659: no encoder for HTTP uses a larger window.
const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
const BROTLI_BUFFER: usize = 4096;
/// How much is handed on at once.
const PIECE: usize = 8 * 1024;

/// A body cannot be decoded, or may not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A coding is not gzip, deflate, br or zstd, or there are more than two.
    #[error("its coding is none that is known")]
    Unknown,
    /// More comes of it than the cap allows.
    #[error("it is too long, or becomes too long by decoding")]
    TooLong,
    /// It is cut short, or not of its coding.
    #[error("it is damaged")]
    Damaged(#[source] io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// What `Content-Encoding` lists: gzip, deflate, br, zstd, at most two of them. `identity` is nothing.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use keyward_forward::Codings;
///
/// let mut headers = HeaderMap::new();
/// assert!(Codings::of(&headers)?.is_empty());
/// headers.insert("content-encoding", HeaderValue::from_static("gzip"));
/// assert!(!Codings::of(&headers)?.is_empty());
/// headers.insert("content-encoding", HeaderValue::from_static("compress"));
/// assert!(Codings::of(&headers).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Codings(Vec<Coding>);

impl Codings {
    /// Reads the header. Allocates nothing where it is absent.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Unknown`].
    pub fn of(headers: &HeaderMap) -> Result<Self, DecodeError> {
        let mut codings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.as_bytes().split(|byte| *byte == b',') {
                let name = name.trim_ascii();
                let is = |known: &[&str]| {
                    let mut known = known.iter();
                    known.any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
                };
                let coding = match name {
                    _ if is_plain(name) => continue,
                    _ if is(&["gzip", "x-gzip"]) => Coding::Gzip,
                    _ if is(&["deflate"]) => Coding::Deflate,
                    _ if is(&["br"]) => Coding::Brotli,
                    _ if is(&["zstd"]) => Coding::Zstd,
                    _ => return Err(DecodeError::Unknown),
                };
                codings.push(coding);
            }
        }
        if codings.len() > MOST_CODINGS {
            return Err(DecodeError::Unknown);
        }
        Ok(Self(codings))
    }

    /// Whether the body is as it is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands what comes of a body to `sink`, piece by piece. Of a body that is cut short, what comes of its start is handed
    /// over before that is told.
    ///
    /// # Errors
    ///
    /// When the body is damaged, or more than `most` bytes come of it, at one of the codings or in the end.
    pub fn undo(
        &self,
        body: &[u8],
        most: usize,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), DecodeError> {
        let mut reader: Box<dyn Read + '_> = Box::new(body);
        // The last one listed was applied last (RFC 9110 §8.4).
        for coding in self.0.iter().rev() {
            reader = coding.over(reader, most)?;
        }
        let mut reader = Capped { reader, left: most };
        let mut piece = [0; PIECE];
        loop {
            let read = match reader.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(told(error)),
            };
            sink(piece.get(..read).unwrap_or_default());
        }
    }
}

impl Coding {
    /// Undoes it over what is read, and nothing more than `most` bytes come of that.
    fn over<'a>(
        self,
        reader: Box<dyn Read + 'a>,
        most: usize,
    ) -> Result<Box<dyn Read + 'a>, DecodeError> {
        let mut reader = BufReader::new(reader);
        let start = reader.fill_buf().map_err(told)?;
        let decoded: Box<dyn Read + 'a> = match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Self::Deflate if begins_like_zlib(start) => Box::new(ZlibDecoder::new(reader)),
            Self::Deflate => Box::new(DeflateDecoder::new(reader)),
            Self::Brotli if begins_like_large_window(start) => return Err(DecodeError::TooLong),
            Self::Brotli => Box::new(Decompressor::new(reader, BROTLI_BUFFER)),
            Self::Zstd => Box::new(
                StreamingDecoder::new_with_max_window_size(reader, ZSTD_WINDOW)
                    .map_err(|error| DecodeError::Damaged(io::Error::other(error.to_string())))?,
            ),
        };
        Ok(Box::new(Capped {
            reader: decoded,
            left: most,
        }))
    }
}

/// Both forms of deflate are in use; RFC 9110 §8.4.1.2 means the one in a zlib frame, whose first two bytes are a multiple of
/// 31 (RFC 1950 §2.2).
fn begins_like_zlib(start: &[u8]) -> bool {
    start.first_chunk().is_some_and(|head: &[u8; 2]| {
        head[0] & 0x0f == 8 && u16::from_be_bytes(*head).is_multiple_of(31)
    })
}

/// Brotli's extension to windows beyond 16 MiB, which RFC 7932 §9.1 does not know and our decoder does.
fn begins_like_large_window(start: &[u8]) -> bool {
    start.first().is_some_and(|first| first & 0x7f == 0x11)
}

/// What no more than so many bytes come of.
struct Capped<R> {
    reader: R,
    left: usize,
}

/// More came than the cap allows.
#[derive(Debug, thiserror::Error)]
#[error("the cap is reached")]
struct CapReached;

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.checked_sub(read);
        self.left = left.ok_or_else(|| io::Error::other(CapReached))?;
        Ok(read)
    }
}

fn told(error: io::Error) -> DecodeError {
    let source = error.get_ref();
    match source.is_some_and(|source| source.is::<CapReached>()) {
        true => DecodeError::TooLong,
        false => DecodeError::Damaged(error),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_says_what_is_wrong() {
        use super::DecodeError;

        keyward_testing::assert_texts!("DecodeError", DecodeError {
            DecodeError::Unknown => DecodeError::Unknown,
            DecodeError::TooLong => DecodeError::TooLong,
            DecodeError::Damaged(_) => DecodeError::Damaged(std::io::Error::other("it is cut short")),
        }, |error| keyward_testing::told(&error));
    }
}
