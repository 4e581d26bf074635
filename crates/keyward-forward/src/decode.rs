//! Decompresses the body of an error answer, so that the credential can be found in it. Pure.
//!
//! Within caps: what a few bytes may unpack to is decided before they are unpacked. Bodies of successes are
//! never decoded on their way.

use http::HeaderMap;

use crate::coding::{Codings, DecodeError};

/// The longest body that is decoded. Every request may hold one while it is read.
pub(crate) const MOST_COMPRESSED: usize = 64 * 1024;
/// The longest that comes of one. The gateway's memory budget counts on it.
const MOST_BYTES: usize = 256 * 1024;
/// How much longer a body may become by decoding, above [`FREE_BYTES`].
const RATIO: usize = 20;
/// What may come of any body, however short: short texts repeat themselves.
const FREE_BYTES: usize = 16 * 1024;
/// Undoes every coding that `Content-Encoding` lists.
pub(crate) fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let codings = Codings::of(headers)?;
    let limit = body
        .len()
        .saturating_mul(RATIO)
        .clamp(FREE_BYTES, MOST_BYTES);
    let mut decoded = Vec::new();
    codings.undo(body, limit, |piece| decoded.extend_from_slice(piece))?;
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    use super::decode;
    use crate::coding::DecodeError;

    const TEXT: &[u8] = b"{\"error\":{\"message\":\"bad key\"}}";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
    }

    /// What Node's zlib made of `TEXT`.
    const BROTLI: &[u8] = b"\x0b\x0f\x80{\"error\":{\"message\":\"bad key\"}}\x03";

    fn decoded(coding: &str, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(coding).unwrap();
        headers.insert("content-encoding", value);
        decode(&headers, body)
    }

    #[test]
    fn every_coding_is_undone() {
        assert_eq!(decoded("gzip", &gzip(TEXT)).unwrap(), TEXT);
        assert_eq!(decoded("X-GZIP", &gzip(TEXT)).unwrap(), TEXT);
        assert_eq!(decoded("deflate", &zlib(TEXT)).unwrap(), TEXT);
        assert_eq!(decoded("deflate", &deflate(TEXT)).unwrap(), TEXT);
        assert_eq!(decoded("br", BROTLI).unwrap(), TEXT);
        assert_eq!(decoded("zstd", &zstd(TEXT)).unwrap(), TEXT);
        assert_eq!(decoded("identity", TEXT).unwrap(), TEXT);
        assert_eq!(decoded("deflate, gzip", &gzip(&zlib(TEXT))).unwrap(), TEXT);
    }

    #[test]
    fn what_is_unknown_or_damaged_is_told_apart() {
        for coding in ["compress", "gzip;q=1", "gzip, gzip, gzip", "aws-chunked"] {
            assert!(matches!(
                decoded(coding, &gzip(TEXT)),
                Err(DecodeError::Unknown)
            ));
        }
        for coding in ["gzip", "deflate", "br", "zstd"] {
            for body in [&b"plain text"[..], b"\x1f\x8b", b"\x28\xb5\x2f\xfd\xff"] {
                assert!(decoded(coding, body).is_err(), "{coding}");
            }
        }
        let mut cut = gzip(TEXT);
        cut.truncate(cut.len() - 9);
        assert!(matches!(
            decoded("gzip", &cut),
            Err(DecodeError::Damaged(_))
        ));
    }

    #[test]
    fn bombs_are_not_unpacked() {
        let zeros = vec![0; 64 * 1024 * 1024];
        for (coding, bomb) in [
            ("gzip", gzip(&zeros)),
            ("deflate", zlib(&zeros)),
            ("gzip, gzip", gzip(&gzip(&zeros))),
            ("zstd", zstd(&zeros)),
            // 20 times as long and more, and far below the cap on the whole.
            ("gzip", gzip(&[b'x'; 200_000])),
        ] {
            assert!(
                matches!(decoded(coding, &bomb), Err(DecodeError::TooLong)),
                "{coding}"
            );
        }
        // What is short anyway may repeat itself.
        assert!(decoded("gzip", &gzip(&[b'x'; 16_000])).is_ok());
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..200_000)
            .map(|_at| {
                // xorshift32.
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_be_bytes()[0]
            })
            .collect();
        assert_eq!(decoded("gzip", &gzip(&noise)).unwrap(), noise);
    }

    #[test]
    fn a_zstd_window_beyond_http_is_refused() {
        // A head that asks for a window of 128 MiB, as RFC 8878 §3.1.1.1.2 codes it.
        let body = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88];
        assert!(decoded("zstd", &body).is_err());
    }

    #[test]
    fn a_brotli_window_beyond_http_is_refused() {
        // The mark of a large window, 30 bits of it, and an empty last block.
        assert!(matches!(
            decoded("br", &[0x11, 0xde, 0x00]),
            Err(DecodeError::TooLong)
        ));
    }

    proptest! {
        #[test]
        fn nothing_panics(body: Vec<u8>, coding in "(gzip|deflate|br|zstd)(, (gzip|br))?") {
            let _whatever = decoded(&coding, &body);
        }
    }
}
