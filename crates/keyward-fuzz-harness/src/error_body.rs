//! Compressed error bodies: decoded within caps, or refused.

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use http::{HeaderMap, HeaderValue};
use keyward_forward::fuzzing;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

const CODINGS: [&str; 8] = [
    "gzip",
    "deflate",
    "br",
    "zstd",
    "identity",
    "gzip, zstd",
    "br, gzip",
    "zstd,deflate",
];

/// Reads `data`, behind a byte that chooses the coding, as the body of an error answer, and as a text that is
/// encoded and then decoded.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    if let Some(decoded) = decoded(CODINGS[usize::from(*choice) % CODINGS.len()], body) {
        let most = (body.len() * 20).clamp(16 * 1024, 1024 * 1024);
        assert!(
            decoded.len() <= most,
            "{} bytes became {}",
            body.len(),
            decoded.len()
        );
    }
    // Short enough for every cap.
    let text = &body[..body.len().min(16 * 1024)];
    let gzip = encode(GzEncoder::new(Vec::new(), Compression::fast()), text);
    assert_eq!(decoded("gzip", &gzip).as_deref(), Some(text));
    let zlib = encode(ZlibEncoder::new(Vec::new(), Compression::fast()), text);
    assert_eq!(decoded("deflate", &zlib).as_deref(), Some(text));
    let raw = encode(DeflateEncoder::new(Vec::new(), Compression::fast()), text);
    assert_eq!(decoded("deflate", &raw).as_deref(), Some(text));
    let zstd = compress_to_vec(text, CompressionLevel::Fastest);
    assert_eq!(decoded("zstd", &zstd).as_deref(), Some(text));
}

fn decoded(coding: &'static str, body: &[u8]) -> Option<Vec<u8>> {
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", HeaderValue::from_static(coding));
    fuzzing::decoded(&headers, body)
}

fn encode<E: Write + Finish>(mut encoder: E, text: &[u8]) -> Vec<u8> {
    encoder.write_all(text).expect("a vector takes it");
    encoder.end()
}

trait Finish {
    fn end(self) -> Vec<u8>;
}

macro_rules! finish {
    ($($encoder:ident),*) => {$(
        impl Finish for $encoder<Vec<u8>> {
            fn end(self) -> Vec<u8> {
                self.finish().expect("a vector takes it")
            }
        }
    )*};
}

finish!(GzEncoder, ZlibEncoder, DeflateEncoder);
