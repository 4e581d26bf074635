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

/// A field of a CSV line (RFC 4180). One that a spreadsheet would take for a formula is written as text.
#[must_use]
pub fn cell(value: &str) -> String {
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
    use serde_json::json;

    use super::{LOG_COLUMNS, cell, log_line};

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("-1+1"), "'-1+1");
        assert_eq!(cell("-1"), "-1");
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
