//! Comma-separated values, for spreadsheets.

/// A field of a CSV line (RFC 4180). One that a spreadsheet would take for a formula is written as text.
pub(crate) fn cell(value: &str) -> String {
    let is_number = value.parse::<f64>().is_ok();
    let quote = if !is_number && value.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    let value = format!("{quote}{value}");
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-1+1"), "'-1+1");
        assert_eq!(cell("-1"), "-1");
    }
}
