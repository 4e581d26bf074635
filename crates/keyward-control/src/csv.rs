//! Comma-separated values, for spreadsheets: what commands and pages export.

use serde_json::Value;

/// The columns of an exported log: fields of an entry as the control plane tells it.
pub const LOG_COLUMNS: [&str; 24] = [
    "id",
    "created_at",
    "provider",
    "model",
    "path",
    "status_code",
    "success",
    "cached",
    "duration",
    "step",
    "tokens_in",
    "tokens_out",
    "cost",
    "custom_cost",
    "error_code",
    "event_id",
    "provider_key_id",
    "token_id",
    "user_agent",
    "metadata",
    "feedback",
    "score",
    "request_size",
    "response_size",
];

/// The line of an entry, without its end.
#[must_use]
pub fn log_line(entry: &Value) -> String {
    let cells = LOG_COLUMNS.map(|name| match entry.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cell(text),
        Some(other) => cell(&other.to_string()),
    });
    cells.join(",")
}

/// A field of a CSV line (RFC 4180). One that a spreadsheet would take for a formula is written as text. So is a part of it
/// where a formula would begin: a spreadsheet may separate cells by semicolons or tabs instead, and sees no quotes then.
#[must_use]
pub fn cell(value: &str) -> String {
    let value = if value.parse::<f64>().is_ok() {
        value.to_owned()
    } else {
        without_formulas(value)
    };
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

/// With `'` before each character that begins a formula where a cell may begin, and before one that separates cells at the
/// very start.
fn without_formulas(value: &str) -> String {
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    const SEPARATORS: [char; 4] = [';', '\t', '\n', '\r'];
    let mut written = String::with_capacity(value.len() + 1);
    if value.starts_with(['\t', '\n', '\r']) {
        written.push('\'');
    }
    let mut may_begin = true;
    for character in value.chars() {
        if may_begin && FORMULA.contains(&character) {
            written.push('\'');
        }
        // Quotes at the start of a cell are not a part of it.
        may_begin = SEPARATORS.contains(&character) || may_begin && character == '"';
        written.push(character);
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{LOG_COLUMNS, cell, log_line};

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-1+1"), "'-1+1");
        assert_eq!(cell("-1"), "-1");
        assert_eq!(cell("\n=1"), "\"'\n'=1\"");
        assert_eq!(cell("\t1"), "'\t1");
        for sign in ["=", "+", "-", "@", "＝", "＋", "－", "＠"] {
            assert_eq!(cell(&format!("{sign}a")), format!("'{sign}a"));
        }
    }

    #[test]
    fn no_part_of_a_cell_is_a_formula_where_something_else_separates_cells() {
        assert_eq!(cell("x;=cmd|' /c';y"), "x;'=cmd|' /c';y");
        assert_eq!(cell("x\t＠sum"), "x\t'＠sum");
        assert_eq!(cell("x\r\n+1"), "\"x\r\n'+1\"");
        // Read by semicolons, this one is a cell of its own, and the quotes are its quotes.
        assert_eq!(cell("x;\"=1"), "\"x;\"\"'=1\"");
        assert_eq!(cell("Mozilla/5.0 (X11; a=b) -"), "Mozilla/5.0 (X11; a=b) -");
    }

    #[test]
    fn a_line_has_every_column_and_its_texts_are_no_formulas() {
        let entry = json!({
            "id": "0199c1f3", "model": "=cmd|'/c calc'!A1", "duration": 12, "cost": null, "success": true,
            "metadata": {"team": "a,b"}, "path": "v1/x",
        });
        let line = log_line(&entry);
        assert!(
            line.starts_with("0199c1f3,,,'=cmd|'/c calc'!A1,v1/x,,true,,12,"),
            "{line}"
        );
        assert!(line.contains(r#","{""team"":""a,b""}","#), "{line}");
        // The comma in the metadata is quoted.
        assert_eq!(line.matches(',').count(), LOG_COLUMNS.len());
    }
}
