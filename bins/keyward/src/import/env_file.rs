//! `.env` files: `NAME=value` lines as shells and dotenv libraries read them. Nothing is expanded.

use keyward_secret::SecretBytes;

use super::Setting;

/// The settings of a file. Lines that are none are left out.
pub(crate) fn read(text: &[u8]) -> Vec<Setting> {
    // A byte order mark comes along with files that an editor saved.
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    text.split(|byte| *byte == b'\n')
        .enumerate()
        .filter_map(|(index, line)| setting(line, index + 1))
        .collect()
}

fn setting(line: &[u8], number: usize) -> Option<Setting> {
    let line = line.trim_ascii();
    let line = line.strip_prefix(b"export ").unwrap_or(line);
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (name, rest) = line.split_at_checked(equals)?;
    let name = std::str::from_utf8(name.trim_ascii()).ok()?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| Setting {
        name: name.to_owned(),
        line: number,
        value: SecretBytes::copy_from(value(rest.strip_prefix(b"=").unwrap_or_default())),
        provider: None,
        is_key: false,
    })
}

/// Without quotes, and without a remark behind it.
fn value(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    if let Some((quote @ (b'"' | b'\''), rest)) = text.split_first() {
        let end = rest.iter().position(|byte| byte == quote);
        return end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    }
    let remark = text
        .windows(2)
        .position(|pair| matches!(pair, [b' ' | b'\t', b'#']));
    match remark {
        Some(end) => text.get(..end).unwrap_or(text).trim_ascii(),
        None => text,
    }
}
