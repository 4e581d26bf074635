//! What `Content-Encoding` says of a body.

use http::{HeaderMap, header::CONTENT_ENCODING};

use super::has;

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it was written, whatever servers call that.
    Plain,
    /// By a compression: nothing can be found in it.
    Compressed,
    /// By something else. Of a success it may be as good as plain; of an error nobody can tell.
    Unknown,
}

/// How a body with these headers is coded.
pub(crate) fn coding(headers: &HeaderMap) -> Coding {
    let mut coding = Coding::Plain;
    if !has(headers, &CONTENT_ENCODING) {
        return coding;
    }
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii();
            if is_compression(name) {
                return Coding::Compressed;
            }
            if !is_plain(name) {
                coding = Coding::Unknown;
            }
        }
    }
    coding
}

/// Names that stand for no coding at all: what servers write that take the field for one about characters, or
/// spell out that there is none.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    const PLAIN: [&str; 9] = [
        "",
        "identity",
        "none",
        "utf-8",
        "utf8",
        "us-ascii",
        "iso-8859-1",
        "binary",
        "8bit",
    ];
    is_one_of(name, &PLAIN)
}

fn is_compression(name: &[u8]) -> bool {
    const COMPRESSIONS: [&str; 7] = [
        "gzip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "x-compress",
    ];
    is_one_of(name, &COMPRESSIONS)
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    let mut names = names.iter();
    names.any(|listed| name.eq_ignore_ascii_case(listed.as_bytes()))
}
