//! Header blocks (RFC 7541): written in the plainest form, read as far as a server may write them to a client that
//! allows no dynamic table.

use super::Fields;

/// A header block: every field literal, without index, without Huffman coding.
///
/// Nothing is checked: names and values are what a test wants to send.
#[must_use]
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            integer(text.len(), 7, 0, &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// Writes an integer behind `first`'s bits above the prefix of `bits` bits (RFC 7541 §5.1).
pub fn integer(value: usize, bits: u8, first: u8, into: &mut Vec<u8>) {
    let most = (1_usize << bits) - 1;
    let low = |value: usize| u8::try_from(value & 0xff).expect("eight bits");
    if value < most {
        into.push(first | low(value));
        return;
    }
    into.push(first | low(most));
    let mut rest = value - most;
    while rest >= 128 {
        into.push(low(rest & 127) | 128);
        rest >>= 7;
    }
    into.push(low(rest));
}

/// Reads a header block. `None` where it is none, or refers to a table that is not there.
pub(super) fn read(block: &[u8]) -> Option<Fields> {
    let mut from = block;
    let mut fields = Fields::new();
    while let Some(&first) = from.first() {
        if first & 0x80 != 0 {
            let (name, value) = STATIC.get(number(&mut from, 7)?.checked_sub(1)?)?;
            fields.push(((*name).to_owned(), value.as_bytes().to_vec()));
        } else if first & 0xe0 == 0x20 {
            number(&mut from, 5)?;
        } else {
            let bits = if first & 0x40 == 0 { 4 } else { 6 };
            let name = match number(&mut from, bits)? {
                0 => String::from_utf8(text(&mut from)?).ok()?,
                index => STATIC.get(index - 1)?.0.to_owned(),
            };
            fields.push((name, text(&mut from)?));
        }
    }
    Some(fields)
}

fn number(from: &mut &[u8], bits: u8) -> Option<usize> {
    let most = (1_usize << bits) - 1;
    let value = usize::from(take(from)?) & most;
    if value < most {
        return Some(value);
    }
    let mut value = value;
    for shift in (0..28).step_by(7) {
        let byte = take(from)?;
        value += usize::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(value);
        }
    }
    None
}

fn take(from: &mut &[u8]) -> Option<u8> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    Some(*first)
}

fn text(from: &mut &[u8]) -> Option<Vec<u8>> {
    let is_huffman = from.first()? & 0x80 != 0;
    let length = number(from, 7)?;
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    if is_huffman {
        decode(text)
    } else {
        Some(text.to_vec())
    }
}

/// The code is canonical: of two codes of one length the smaller symbol's is the smaller number, and a longer code
/// follows on the shorter ones.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut symbols: Vec<usize> = (0..LENGTHS.len()).collect();
    symbols.sort_by_key(|&symbol| (LENGTHS[symbol], symbol));
    let mut decoded = Vec::new();
    let (mut code, mut length) = (0_u32, 0_u8);
    let bits = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1));
    for bit in bits {
        code = (code << 1) | u32::from(bit);
        length += 1;
        if let Some(symbol) = find(&symbols, code, length) {
            decoded.push(u8::try_from(symbol).ok()?);
            (code, length) = (0, 0);
        }
    }
    // What is left is padding: less than a byte of ones.
    (length < 8 && code == (1 << length) - 1).then_some(decoded)
}

fn find(symbols: &[usize], code: u32, length: u8) -> Option<usize> {
    let (mut first, mut shift) = (0_u32, LENGTHS[symbols[0]]);
    for &symbol in symbols {
        first <<= LENGTHS[symbol] - shift;
        shift = LENGTHS[symbol];
        if shift == length && first == code {
            return Some(symbol);
        }
        if shift > length {
            return None;
        }
        first += 1;
    }
    None
}

/// RFC 7541, appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The lengths of the codes of RFC 7541, appendix B; the last is the end of a text.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6,
    6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6,
    6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
    20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23,
    22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22,
    23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22,
    25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

#[cfg(test)]
mod tests {
    use super::{block, read};

    #[test]
    fn what_is_written_reads_back() {
        let long = "x".repeat(300);
        let fields = [(":status", "200"), ("x-long", long.as_str()), ("empty", "")];
        let read = read(&block(&fields)).unwrap();
        let expected = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        assert_eq!(read, expected);
    }

    /// RFC 7541, appendix C.6.1.
    #[test]
    fn the_answer_of_the_standard_is_read() {
        let bytes = data_encoding::HEXLOWER.decode(
            b"488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        );
        let fields = read(&bytes.unwrap()).unwrap();
        let expected = [
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        assert_eq!(fields, expected);
    }
}
