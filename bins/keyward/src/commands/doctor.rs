//! `keyward doctor`: what is wrong on this machine, check by check, with the command that mends it. Changes nothing,
//! and asks no resolver unless `--online` says so.

pub(crate) mod machine;
mod network;
pub(super) mod stored;

use serde_json::json;

use crate::{
    args::DoctorArgs,
    config::{self, Config},
    failure::Failure,
    output::{Output, print},
};

/// What a check came to.
pub(crate) enum Outcome {
    Passed(String),
    /// Boxed words of what is wrong: what, where and what to do.
    Failed(Failure),
    /// It was not made, and why.
    Skipped(String),
}

impl Outcome {
    const fn word(&self) -> &'static str {
        match self {
            Self::Passed(_) => "PASSED",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "SKIPPED",
        }
    }
}

impl From<Result<String, Failure>> for Outcome {
    fn from(result: Result<String, Failure>) -> Self {
        match result {
            Ok(told) => Self::Passed(told),
            Err(failure) => Self::Failed(failure),
        }
    }
}

/// A check by its name.
struct Check {
    name: &'static str,
    outcome: Outcome,
}

pub(crate) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let checks = examine(&args).await;
    show(&checks, args.connect.json)?;
    let failed = checks
        .iter()
        .filter(|check| matches!(check.outcome, Outcome::Failed(_)))
        .count();
    match failed {
        0 => Ok(()),
        failed => Err(
            Failure::found(format!("{failed} of {} checks failed", checks.len()))
                .help("each FAILED above says what to do; then run `keyward doctor` again"),
        ),
    }
}

/// Makes every check, in order. One that failed keeps those from being made that need what it looked at.
async fn examine(args: &DoctorArgs) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |name, outcome| checks.push(Check { name, outcome });
    let (config, outcome) = configuration(args);
    add("configuration", outcome);
    // A configuration that cannot be used names nothing; what it does not name can be checked all the same.
    let is_usable = config.is_some();
    let unusable = || Outcome::Skipped("the configuration cannot be used".to_owned());
    let config = config.unwrap_or_default();
    let data_dir = config.data_dir(args.connect.data_dir.as_deref());
    let database = config.database(&data_dir);
    add("folders", machine::folders(&config, &data_dir, &database));
    add("clock", machine::clock(&database, crate::clock::now()));
    add(
        "roots",
        if is_usable {
            network::roots(&config)
        } else {
            unusable()
        },
    );
    add(
        "certificates",
        if is_usable {
            network::certificates(&config)
        } else {
            unusable()
        },
    );
    let store = stored::store(&database);
    let is_readable = matches!(store, Outcome::Passed(_));
    add("store", store);
    add(
        "seal",
        match (is_usable, is_readable) {
            (true, true) => stored::seal(&config, &data_dir, &database).await,
            (true, false) => Outcome::Skipped("the store cannot be read".to_owned()),
            (false, _) => unusable(),
        },
    );
    add(
        "ports",
        if is_usable {
            network::ports(&config, args).await
        } else {
            unusable()
        },
    );
    add("disk", machine::disk(&data_dir));
    add(
        "limits",
        if is_usable {
            machine::limits(&config)
        } else {
            unusable()
        },
    );
    let (token, providers) = network::token(args).await;
    add("token", token);
    add(
        "providers",
        match (is_usable, args.online) {
            (false, _) => unusable(),
            (true, false) => {
                Outcome::Skipped("--online asks the resolver and connects to them".to_owned())
            }
            (true, true) => network::providers(&config, providers).await,
        },
    );
    checks
}

fn configuration(args: &DoctorArgs) -> (Option<Config>, Outcome) {
    let config = match Config::load(args.config.as_deref()) {
        Ok(config) => config,
        Err(failure) => return (None, Outcome::Failed(failure)),
    };
    let stray = config::strays(std::env::vars_os().map(|(name, _)| name))
        .into_iter()
        .next();
    let finding = config.findings().into_iter().next().or_else(|| {
        stray.map(|stray| {
            let (what, help) = stray.told();
            Failure::found(what).help(help)
        })
    });
    let told = match &args.config {
        Some(file) => format!("{} can be used", file.display()),
        None => "no file is named: the defaults and the environment can be used".to_owned(),
    };
    match finding {
        Some(failure) => (Some(config), Outcome::Failed(failure)),
        None => (Some(config), Outcome::Passed(told)),
    }
}

fn show(checks: &[Check], json: bool) -> Result<(), Failure> {
    if Output::new(json) == Output::Json {
        let checks: Vec<_> = checks.iter().map(value).collect();
        return print(json!(checks));
    }
    for check in checks {
        let (word, name) = (check.outcome.word(), check.name);
        match &check.outcome {
            Outcome::Passed(told) | Outcome::Skipped(told) => {
                print(format_args!("{word:7}  {name:13}  {told}"))?;
            }
            Outcome::Failed(failure) => {
                print(format_args!("{word:7}  {name:13}  {}", failure.what()))?;
                for cause in failure.causes() {
                    print(format_args!("           cause: {cause}"))?;
                }
                if let Some(place) = failure.place() {
                    print(format_args!("           at: {place}"))?;
                }
                print(format_args!("           help: {}", failure.remedy()))?;
            }
        }
    }
    Ok(())
}

fn value(check: &Check) -> serde_json::Value {
    let (name, result) = (check.name, check.outcome.word().to_ascii_lowercase());
    match &check.outcome {
        Outcome::Passed(told) | Outcome::Skipped(told) => {
            json!({ "check": name, "result": result, "told": told })
        }
        Outcome::Failed(failure) => {
            let mut value = failure.to_json();
            let error = value.get_mut("error").map(serde_json::Value::take);
            json!({ "check": name, "result": result, "told": failure.what(), "error": error })
        }
    }
}
