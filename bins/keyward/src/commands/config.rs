//! `keyward config …`: what a configuration says, without using it.

use std::{
    env,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    args::config::ConfigCommand,
    config::{self, Config, Origin},
    failure::Failure,
    output::{Output, print, remark},
};

/// The file that is meant where none is named.
const DEFAULT_FILE: &str = "keyward.toml";

pub(crate) fn run(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { file, json } => check(file, json),
        ConfigCommand::Show {
            file,
            effective,
            json,
        } => show(file, effective, json),
        ConfigCommand::Schema { json } => schema(json),
    }
}

fn check(file: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let file = named_or_default(file);
    let text = file.as_deref().map(config::read_text).transpose()?;
    let place = file.as_deref().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    match Config::parse(text.as_deref().unwrap_or_default(), place, |name| {
        env::var_os(name)
    }) {
        Ok(parsed) => findings.extend(parsed.in_file(file.as_deref()).findings()),
        Err(failure) => findings.push(failure),
    }
    for stray in config::strays(env::vars_os().map(|(name, _)| name)) {
        let (what, help) = stray.told();
        findings.push(Failure::found(what).help(help));
    }
    let told = match &file {
        Some(file) => file.display().to_string(),
        None => "the environment".to_owned(),
    };
    if json {
        let findings: Vec<_> = findings
            .iter()
            .filter_map(|finding| finding.to_json().get_mut("error").map(Value::take))
            .collect();
        print(json!({ "file": file, "usable": findings.is_empty(), "findings": findings }))?;
    } else {
        for finding in &findings {
            remark(finding);
        }
    }
    match findings.len() {
        0 if json => Ok(()),
        0 => print(format_args!("{told} can be used")),
        count => Err(Failure::found(match count {
            1 => format!("{told} cannot be used as it is"),
            count => format!("{told} cannot be used as it is, for {count} reasons"),
        })
        .at(told)
        .help("correct what is named above; `keyward config schema` says what each field takes")),
    }
}

fn show(file: Option<PathBuf>, effective: bool, json: bool) -> Result<(), Failure> {
    let file = named_or_default(file);
    let text = file.as_deref().map(config::read_text).transpose()?;
    let place = file.as_deref().unwrap_or(Path::new(""));
    let text = text.as_deref().unwrap_or_default();
    let mut fields = config::effective(text, place, |name| env::var_os(name))?;
    if !effective {
        fields.retain(|field| field.origin != Origin::Default);
    }
    let rows: Vec<_> = fields
        .iter()
        .map(|field| {
            vec![
                field.name.clone(),
                field.value.clone(),
                field.origin.to_string(),
            ]
        })
        .collect();
    let items: Vec<_> = fields
        .iter()
        .map(|field| json!({ "name": field.name, "value": field.value, "origin": origin(&field.origin) }))
        .collect();
    Output::new(json).list(&["field", "value", "origin"], &rows, &items)
}

fn origin(origin: &Origin) -> Value {
    match origin {
        Origin::Default => json!({ "kind": "default" }),
        Origin::File(place) => json!({ "kind": "file", "at": place }),
        Origin::Environment(name) => json!({ "kind": "environment", "variable": name }),
    }
}

fn schema(json: bool) -> Result<(), Failure> {
    let schema = config::schema();
    match json {
        true => print(schema),
        false => print(format_args!("{schema:#}")),
    }
}

fn named_or_default(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| {
        let default = PathBuf::from(DEFAULT_FILE);
        default.exists().then_some(default)
    })
}
