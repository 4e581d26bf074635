//! `keyward audit …`.

use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::Method;
use keyward_control::csv::cell;
use keyward_store::{AuditEvidence, AuditPublicKey, AuditReport, DatabaseCopy, check_audit_export};
use keyward_vault::Vault;
use serde_json::{Value, json};

use crate::{
    args::{
        Connect,
        audit::{AuditCommand, Filter, Format},
    },
    client::{Client, escaped, text},
    failure::Failure,
    open::{self, Key},
    output::{self, Output},
};

/// The path of the log, below the account.
const LOG: &str = "/logs/audit";
/// How often `--follow` looks for more.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Lines in an answer, the most that there may be.
const MOST: usize = 1_000;
/// What a file of SQLite begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

pub(crate) async fn run(command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Tail {
            lines,
            follow,
            filter,
            connect,
        } => tail(lines, follow, &filter, &connect).await,
        AuditCommand::Verify {
            copy: None,
            connect,
            ..
        } => verify_at_server(&connect).await,
        AuditCommand::Verify {
            copy: Some(copy),
            public_key,
            checkpoints,
            key_file,
            connect,
        } => {
            let evidence = public_key.zip(checkpoints);
            let report = verify_copy(&copy, evidence, key_file.as_deref()).await?;
            tell_report(&copy, &report, Output::new(connect.json))
        }
        AuditCommand::Export {
            format,
            filter,
            connect,
        } => export(format, &filter, &connect).await,
        AuditCommand::Key { connect } => key(&connect).await,
    }
}

impl Filter {
    /// As the query of a request, without its beginning.
    fn query(&self) -> String {
        let fields = [
            ("since", &self.since),
            ("before", &self.before),
            ("actor_id", &self.actor),
            ("action", &self.action),
            ("action_result", &self.result),
            ("resource_id", &self.resource),
        ];
        let fields = fields.iter().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some(format!("&{name}={}", escaped(value)))
        });
        fields.collect()
    }
}

async fn list(client: &Client, query: &str) -> Result<Vec<Value>, Failure> {
    let answer = client
        .send(Method::GET, &format!("{LOG}?{query}"), None)
        .await?;
    match answer {
        Value::Array(lines) => Ok(lines),
        _ => Err(Failure::new("the control plane's answer is no list")
            .help("`keyward status` says which server it is, and of which version")),
    }
}

const COLUMNS: [&str; 7] = [
    "line", "time", "result", "action", "record", "actor", "from",
];

fn row(line: &Value) -> Vec<String> {
    let at = |pointer| match line.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    let record = format!("{} {}", at("/resource/type"), at("/resource/id"));
    let times = match line.pointer("/keyward/times").and_then(Value::as_u64) {
        Some(times) if times > 1 => format!(" ×{times}"),
        _ => String::new(),
    };
    vec![
        at("/id"),
        at("/action/time"),
        format!("{}{times}", at("/keyward/result")),
        at("/action/description"),
        record.trim_end().to_owned(),
        at("/keyward/actor"),
        at("/actor/ip_address"),
    ]
}

async fn tail(lines: u16, follow: bool, filter: &Filter, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let output = Output::new(connect.json);
    let filter = filter.query();
    let mut found = list(&client, &format!("limit={lines}&direction=desc{filter}")).await?;
    found.reverse();
    if !follow {
        let rows: Vec<_> = found.iter().map(row).collect();
        return output.list(&COLUMNS, &rows, &found);
    }
    let mut last = String::from("0");
    loop {
        for line in &found {
            last = text(line, "id");
            let is_read = match output {
                Output::Json => output::print_on(line)?,
                Output::Table | Output::Records => output::print_on(output::record(&row(line)))?,
            };
            if !is_read {
                return Ok(());
            }
        }
        if found.len() < MOST {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let query = format!("limit={MOST}&direction=asc&cursor={last}{filter}");
        found = list(&client, &query).await?;
    }
}

async fn export(format: Format, filter: &Filter, connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let filter = filter.query();
    if format == Format::Csv {
        output::print(CSV.join(","))?;
    }
    let mut last = String::from("0");
    loop {
        let query = format!("limit={MOST}&direction=asc&cursor={last}{filter}");
        let found = list(&client, &query).await?;
        for line in &found {
            last = text(line, "id");
            let stored = line.get("keyward").unwrap_or(&Value::Null);
            let is_read = match format {
                Format::Jsonl => output::print_on(stored)?,
                Format::Csv => {
                    let time = line.pointer("/action/time").and_then(Value::as_str);
                    output::print_on(csv(stored, time.unwrap_or_default()))?
                }
            };
            if !is_read {
                return Ok(());
            }
        }
        if found.len() < MOST {
            return Ok(());
        }
    }
}

const CSV: [&str; 11] = [
    "seq",
    "time",
    "actor",
    "source",
    "action",
    "result",
    "times",
    "subject_kind",
    "subject_account",
    "subject_id",
    "hash",
];

fn csv(line: &Value, time: &str) -> String {
    let fields = CSV.map(|name| match name {
        "time" => cell(time),
        name => cell(&text(line, name)),
    });
    fields.join(",")
}

async fn key(connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let state = client
        .send(Method::GET, &format!("{LOG}/state"), None)
        .await?;
    let key = text(&state, "public_key");
    if key.is_empty() {
        return Err(Failure::new("the server has no key for checkpoints yet")
            .help("it makes one when it starts; its log says why it did not"));
    }
    let json = json!({"public_key": key});
    Output::new(connect.json).done(key, &json)
}

async fn verify_at_server(connect: &Connect) -> Result<(), Failure> {
    let client = Client::connect(connect).await?;
    let state = client
        .send(Method::POST, &format!("{LOG}/verify"), None)
        .await?;
    let to = text(&state, "verified_to");
    let output = Output::new(connect.json);
    let findings = state.get("findings").and_then(Value::as_array);
    let told: Vec<_> = findings
        .into_iter()
        .flatten()
        .map(
            |finding| match finding.get("line").and_then(Value::as_u64) {
                None | Some(0) => text(finding, "what"),
                Some(line) => format!("line {line}: {}", text(finding, "what")),
            },
        )
        .collect();
    if told.is_empty() {
        let checkpoints = match state.get("checkpoints") {
            None | Some(Value::Null) => {
                "\nno checkpoints are configured: a log that was put back whole to an earlier state looks whole"
            }
            Some(_) => "",
        };
        let sentence = format!("the audit log is whole: verified up to line {to}{checkpoints}");
        return output.done(sentence, &state);
    }
    if output == Output::Json {
        output::print(&state)?;
    }
    Err(broken(told))
}

fn broken(findings: Vec<String>) -> Failure {
    let failure = Failure::found("the audit log is not as it was written");
    let failure = findings.into_iter().fold(failure, Failure::because);
    failure.help("compare it with a backup, and find out who can write to the database; `docs/audit.md` says what each finding means")
}

async fn verify_copy(
    copy: &Path,
    evidence: Option<(AuditPublicKey, PathBuf)>,
    key_file: Option<&Path>,
) -> Result<AuditReport, Failure> {
    let text = match &evidence {
        Some((_, path)) => Some(read(path)?),
        None => None,
    };
    let text = text.as_deref().map(String::from_utf8_lossy);
    let checkpoints = evidence.as_ref().map(|(key, _)| *key);
    let mut evidence = AuditEvidence {
        checkpoints: text.as_deref().zip(checkpoints),
        vault: None,
    };
    if !is_database(copy)? {
        if key_file.is_some() {
            return Err(Failure::usage("an export cannot be opened with a key file")
                .because("what the key file opens is in the database")
                .at("--key-file")
                .help("name a copy of the database, or leave out --key-file"));
        }
        let file = File::open(copy).map_err(|error| cannot_read(copy, &error))?;
        let report = check_audit_export(BufReader::new(file), &evidence);
        return report.map_err(|error| cannot_read(copy, &error));
    }
    let mut database = DatabaseCopy::open(copy)
        .await
        .map_err(|error| {
            Failure::new(error.to_string())
                .because_of_sources(&error)
                .in_file(copy)
                .help("make the copy with `sqlite3 keyward.db \".backup COPY\"`; `docs/audit.md` says how")
        })?;
    let fail = |error: keyward_registry::StoreError| cannot_read(copy, &error);
    if let Some(path) = key_file {
        let state = database.load_seal().await.map_err(fail)?;
        let state = state.ok_or_else(|| open::no_vault(copy))?;
        let vault: Vault = open::unseal(&state, &Key::read(path)?)?;
        evidence.vault = Some(Arc::new(vault));
    }
    database.check_audit(&evidence).await.map_err(fail)
}

fn is_database(path: &Path) -> Result<bool, Failure> {
    let mut begin = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(SQLITE.len() as u64).read_to_end(&mut begin));
    read.map_err(|error| cannot_read(path, &error))?;
    Ok(begin == SQLITE)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("cannot read {}", path.display()))
        .caused_by(error)
        .in_file(path)
        .help("name a file that exists and may be read; `docs/audit.md` says what the checks take")
}

fn tell_report(copy: &Path, report: &AuditReport, output: Output) -> Result<(), Failure> {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| json!({"line": finding.seq, "what": finding.what}))
        .collect();
    let json = json!({
        "state": if findings.is_empty() { "whole" } else { "broken" },
        "lines": report.lines,
        "rows": report.rows,
        "rows_not_covered": report.uncovered,
        "checkpoints": report.checkpoints,
        "keyed_codes": report.has_codes,
        "findings": findings,
        "notes": report.notes,
    });
    if output == Output::Json {
        output::print(&json)?;
    } else {
        for note in &report.notes {
            output::remark(format_args!("note: {note}"));
        }
    }
    if !report.findings.is_empty() {
        let findings = report.findings.iter().map(ToString::to_string);
        return Err(broken(findings.collect()).at(copy.display().to_string()));
    }
    if output == Output::Json {
        return Ok(());
    }
    let codes = if report.has_codes {
        ", with their keyed codes"
    } else {
        ""
    };
    output::print(format_args!(
        "the audit log is whole: {} lines{codes}, {} rows, {} checkpoints",
        report.lines, report.rows, report.checkpoints
    ))?;
    if report.uncovered > 0 {
        output::print(format_args!(
            "{} rows are older than the log's digests of rows, and were not compared",
            report.uncovered
        ))?;
    }
    Ok(())
}
