//! The field `model` of a form (`multipart/form-data`, RFC 7578), such as audio to be transcribed comes in.
//!
//! Only read, never replaced. Stricter than the standard asks readers to be: what no HTTP library sends and some server could
//! read in another way is refused.

use memchr::memmem;

use super::{
    check_model,
    error::{BodyError, Fault, fault},
};

/// The longest boundary (RFC 2046 §5.1.1).
const LONGEST_BOUNDARY: usize = 70;
/// The longest header of a part.
const LONGEST_HEADER: usize = 8 * 1024;
const MOST_PARTS: usize = 256;

/// Reads the one field `model` of a form.
///
/// # Errors
///
/// When `content_type` is not `multipart/form-data` with one boundary; the boundary stands anywhere but where a part begins
/// or the form ends (some servers would split there); something goes before the first part or follows the last; a part's
/// `Content-Disposition` is missing, doubled or not of the plain form `form-data; name="…"`; `model` is there twice, in
/// another case, as a file or encoded; or it is missing ([`BodyError::is_missing`]), empty, longer than 256 bytes, not UTF-8
/// or holds a control character.
///
/// ```
/// let form = b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n";
/// let model = keyward_routes::multipart_model(b"multipart/form-data; boundary=x", form)?;
/// assert_eq!(model, "whisper-1");
/// # Ok::<(), keyward_routes::BodyError>(())
/// ```
pub fn multipart_model<'a>(content_type: &[u8], body: &'a [u8]) -> Result<&'a str, BodyError> {
    let boundary = boundary(content_type).ok_or(fault(Fault::Boundary))?;
    let delimiter = ["--", boundary].concat();
    let mut model = None;
    let mut begins = None;
    let mut ended = false;
    for (count, at) in memmem::find_iter(body, delimiter.as_bytes()).enumerate() {
        let broken = fault(Fault::Form(at));
        if count > MOST_PARTS {
            return Err(fault(Fault::Parts));
        }
        let behind = at + delimiter.len();
        let (before, rest) = (body.get(..at), body.get(behind..));
        let (before, rest) = (before.unwrap_or_default(), rest.unwrap_or_default());
        match begins {
            None if matches!(before, b"" | b"\r\n") => {}
            // Of a part that is no longer than its header's last line, the end would be taken out of the header.
            Some(from) if before.ends_with(b"\r\n") && before.len() >= from + 2 && !ended => {
                let part = body.get(from..at - 2).unwrap_or_default();
                let value = Part::read(part).ok_or(broken)?.model().ok_or(broken)?;
                if value.is_some() && model.is_some() {
                    return Err(fault(Fault::ModelTwice(from)));
                }
                model = model.or(value);
            }
            _ => return Err(broken),
        }
        match rest {
            [b'\r', b'\n', ..] => begins = Some(behind + 2),
            [b'-', b'-', rest @ ..] if begins.is_some() && matches!(rest, b"" | b"\r\n") => {
                ended = true;
            }
            _ => return Err(broken),
        }
    }
    if !ended {
        return Err(fault(Fault::Form(body.len())));
    }
    let model = model.ok_or(fault(Fault::ModelMissing))?;
    let model = std::str::from_utf8(model).map_err(|_| fault(Fault::ModelControl))?;
    check_model(model)?;
    Ok(model)
}

/// The boundary of `multipart/form-data`, if it is there once and of the characters that libraries use.
fn boundary(content_type: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(content_type).ok()?;
    let mut pieces = text.split(';').map(str::trim);
    let is_form = pieces.next()?.eq_ignore_ascii_case("multipart/form-data");
    let mut found = None;
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=')?;
        if !name.eq_ignore_ascii_case("boundary") {
            // `boundary*` and its kind (RFC 2231) are read by some.
            let is_known = name.eq_ignore_ascii_case("charset");
            is_known.then_some(())?;
            continue;
        }
        let value = match value.strip_prefix('"') {
            Some(value) => value.strip_suffix('"')?,
            None => value,
        };
        if found.replace(value).is_some() {
            return None;
        }
    }
    // RFC 2046's, without space.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    found.filter(|value| {
        is_form && (1..=LONGEST_BOUNDARY).contains(&value.len()) && value.bytes().all(is_plain)
    })
}

/// One part: what its header says, and its value.
struct Part<'a> {
    name: &'a str,
    is_file: bool,
    is_encoded: bool,
    value: &'a [u8],
}

impl<'a> Part<'a> {
    /// `None` where the header could be read in two ways.
    fn read(part: &'a [u8]) -> Option<Self> {
        let window = part.get(..LONGEST_HEADER).unwrap_or(part);
        let end = memmem::find(window, b"\r\n\r\n")?;
        let header = std::str::from_utf8(part.get(..end)?).ok()?;
        let value = part.get(end + 4..)?;
        let mut disposition = None;
        let mut is_encoded = false;
        for line in header.split("\r\n") {
            let (name, value) = line.split_once(':')?;
            // Folded lines, spaces before the colon, and lines that end in one character alone.
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let is_plain = !name.is_empty() && name.bytes().all(is_token);
            (is_plain && !value.contains(['\r', '\n', '\0'])).then_some(())?;
            if name.eq_ignore_ascii_case("content-disposition") {
                disposition.replace(value.trim()).is_none().then_some(())?;
            }
            is_encoded |= name.eq_ignore_ascii_case("content-transfer-encoding");
        }
        let (name, is_file) = read_disposition(disposition?)?;
        Some(Self {
            name,
            is_file,
            is_encoded,
            value,
        })
    }

    /// The value, if the part is the model. `None` around it where that could be read in two ways.
    fn model(&self) -> Option<Option<&'a [u8]>> {
        match self.name {
            "model" => (!self.is_file && !self.is_encoded).then_some(Some(self.value)),
            // Case, and what some frameworks read as the same field (`model[]`).
            name if is_like_model(name) => None,
            _ => Some(None),
        }
    }
}

fn is_like_model(name: &str) -> bool {
    let name = name.trim();
    let name = name.split_once('[').map_or(name, |(name, _)| name.trim());
    name.eq_ignore_ascii_case("model")
}

/// Name and whether it is a file, of `form-data; name="…"; filename="…"`.
fn read_disposition(value: &str) -> Option<(&str, bool)> {
    let rest = value.get(.."form-data".len())?;
    rest.eq_ignore_ascii_case("form-data").then_some(())?;
    let mut rest = value.get("form-data".len()..)?.trim_start();
    let mut name = None;
    let mut is_file = false;
    while !rest.is_empty() {
        let (key, behind) = rest.strip_prefix(';')?.split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => behind.split_at(behind.find(';').unwrap_or(behind.len())),
        };
        // Where an escaped quote ends, readers differ.
        let is_clear = !value.ends_with('\\') && !value.contains('"');
        is_clear.then_some(())?;
        let key = key.trim();
        if key.eq_ignore_ascii_case("name") {
            // A backslash escapes in one reading and stands for itself in another.
            let is_plain = !value.is_empty() && !value.contains(['\\', '\'']);
            is_plain.then_some(())?;
            name.replace(value).is_none().then_some(())?;
        } else if key.eq_ignore_ascii_case("filename") || key.eq_ignore_ascii_case("filename*") {
            is_file = true;
        } else {
            return None;
        }
        rest = behind.trim_start();
    }
    Some((name?, is_file))
}
