//! How results are shown: tables on a terminal, one record per line in a pipe, JSON where it is asked for.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::failure::{Failure, OneLine};

/// Where and how results go. Errors and remarks go to standard error, whatever this says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people: tables that fit the terminal.
    Table,
    /// For pipes: fields separated by tabs, without head, colour or truncation.
    Records,
    /// For programs: one JSON document.
    Json,
}

impl Output {
    /// What suits standard output.
    pub(crate) fn new(json: bool) -> Self {
        if json {
            Self::Json
        } else if io::stdout().is_terminal() {
            Self::Table
        } else {
            Self::Records
        }
    }

    /// A list. In JSON it is an array, also of one.
    pub(crate) fn list(
        self,
        columns: &[&str],
        rows: &[Vec<String>],
        json: &[Value],
    ) -> Result<(), Failure> {
        match self {
            Self::Table if rows.is_empty() => print(format_args!("none")),
            Self::Table => print(table(columns, rows)),
            Self::Records => print_all(rows.iter().map(|row| record(row))),
            Self::Json => print(Value::from(json.to_vec())),
        }
    }

    /// One thing with many fields.
    pub(crate) fn fields(self, fields: &[(&str, String)], json: &Value) -> Result<(), Failure> {
        match self {
            Self::Table => {
                let width = fields.iter().map(|(name, _)| name.len()).max();
                let width = width.unwrap_or_default();
                let line =
                    |(name, value): &(&str, String)| format!("{name:width$}  {}", OneLine(value));
                print_all(fields.iter().map(line))
            }
            Self::Records => print_all(
                fields
                    .iter()
                    .map(|(name, value)| format!("{name}\t{}", OneLine(value))),
            ),
            Self::Json => print(json),
        }
    }

    /// What was done, in a sentence for people and as an object for programs.
    pub(crate) fn done(self, sentence: impl Display, json: &Value) -> Result<(), Failure> {
        match self {
            Self::Table | Self::Records => print(sentence),
            Self::Json => print(json),
        }
    }
}

/// Narrower tables are columns of single letters.
const LEAST_WIDTH: u16 = 40;

fn table(columns: &[&str], rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns.iter().map(|name| Cell::new(name.to_uppercase())));
    // Some terminals do not tell how wide they are: then lines are as long as they need.
    if table.width().is_none_or(|width| width < LEAST_WIDTH) {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| Cell::new(OneLine(cell))));
    }
    table
}

/// Fields separated by tabs, on one line.
pub(crate) fn record(row: &[String]) -> String {
    let cells: Vec<_> = row.iter().map(|cell| OneLine(cell).to_string()).collect();
    cells.join("\t")
}

/// Prints to standard output, without colour where it is no terminal.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    print_all([text])
}

/// As [`print()`], for what has no end: whether somebody still reads.
pub(crate) fn print_on(text: impl Display) -> Result<bool, Failure> {
    write_all([text])
}

fn print_all<T: Display>(lines: impl IntoIterator<Item = T>) -> Result<(), Failure> {
    write_all(lines).map(drop)
}

fn write_all<T: Display>(lines: impl IntoIterator<Item = T>) -> Result<bool, Failure> {
    let mut out = anstream::stdout().lock();
    let write = || -> io::Result<()> {
        for line in lines {
            writeln!(out, "{line}")?;
        }
        out.flush()
    };
    match { write }() {
        // Whoever reads has read enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new("cannot write to standard output").caused_by(&error)),
        Ok(()) => Ok(true),
    }
}

/// A remark for people, beside the result. Where standard error is closed, nobody wants it.
pub(crate) fn remark(text: impl Display) {
    let _nobody_listens = writeln!(anstream::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::{record, table};

    #[test]
    fn a_record_is_one_line_whatever_its_cells_hold() {
        let row = ["a".to_owned(), "b\nc\td".to_owned(), String::new()];
        assert_eq!(record(&row), "a\tb c d\t");
    }

    #[test]
    fn a_table_has_a_head_and_no_frame() {
        let text = table(
            &["provider", "alias"],
            &[vec!["openai".into(), "default".into()]],
        );
        let lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("PROVIDER") && lines[1].starts_with("openai"));
    }
}
