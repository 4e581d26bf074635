//! `keyward profile …`: control planes by name.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    args::{
        Confirm,
        profile::{ProfileCommand, SetProfile},
    },
    client,
    confirm::confirm,
    failure::Failure,
    output::Output,
    private_file,
    profile::{Name, Profile, Profiles},
};

pub(crate) fn run(command: ProfileCommand) -> Result<(), Failure> {
    match command {
        ProfileCommand::List { json } => list(json),
        ProfileCommand::Show { name, json } => show(name, json),
        ProfileCommand::Set(args) => set(args),
        ProfileCommand::Use { name, json } => put_to_use(&name, json),
        ProfileCommand::Remove {
            name,
            confirm,
            json,
        } => remove(&name, &confirm, json),
    }
}

fn list(json: bool) -> Result<(), Failure> {
    let profiles = Profiles::read()?;
    let is_current = |name: &Name| profiles.current.as_ref() == Some(name);
    let row = |(name, profile): (&Name, &Profile)| {
        vec![
            (if is_current(name) { "*" } else { " " }).to_owned(),
            name.to_string(),
            profile.control_url.clone(),
            told(profile.gateway.as_ref()),
            shown(profile.token_file.as_ref()),
        ]
    };
    let rows: Vec<_> = profiles.by_name.iter().map(row).collect();
    let items = profiles.by_name.iter();
    let items: Vec<_> = items
        .map(|(name, profile)| described(name, profile, is_current(name)))
        .collect();
    let columns = ["", "name", "control url", "gateway", "token file"];
    Output::new(json).list(&columns, &rows, &items)
}

fn show(name: Option<Name>, json: bool) -> Result<(), Failure> {
    let profiles = Profiles::read()?;
    let name = name.or_else(|| profiles.current.clone()).ok_or_else(|| {
        Failure::usage("no profile is in use")
            .help("name one, or put one to use with `keyward profile use NAME`")
    })?;
    let profile = profiles.find(&name)?;
    let is_current = profiles.current.as_ref() == Some(&name);
    let fields = [
        ("name", name.to_string()),
        ("in use", (if is_current { "yes" } else { "no" }).to_owned()),
        ("control url", profile.control_url.clone()),
        ("token file", shown(profile.token_file.as_ref())),
        ("gateway", told(profile.gateway.as_ref())),
        ("account", told(profile.account.as_ref())),
        ("ca file", shown(profile.ca_file.as_ref())),
    ];
    Output::new(json).fields(&fields, &described(&name, profile, is_current))
}

fn set(args: SetProfile) -> Result<(), Failure> {
    let mut profiles = Profiles::read()?;
    let known = profiles.by_name.get(&args.name).cloned();
    let is_new = known.is_none();
    let mut profile = known.unwrap_or_default();
    match args.control_url {
        Some(url) => {
            let url = client::check_url(&url)?;
            let is_moved = !is_new && url != profile.control_url;
            // A token goes to the control plane that it was named for, and to no other.
            if is_moved && profile.token_file.is_some() && args.token_file.is_none() {
                return Err(Failure::usage(format!(
                    "the token of profile `{}` is for {}",
                    args.name, profile.control_url
                ))
                .help(
                    "name the file with a token for the other control plane too: --token-file FILE",
                ));
            }
            profile.control_url = url;
        }
        None if is_new => {
            return Err(Failure::usage(format!(
                "a new profile needs the control plane's URL, and `{}` is new",
                args.name
            ))
            .help(format!(
                "keyward profile set {} --control-url https://keys.example.com",
                args.name
            )));
        }
        None => {}
    }
    if let Some(file) = args.token_file {
        check_token_file(&file)?;
        profile.token_file = Some(whole(&file)?);
    }
    if let Some(file) = args.ca_file {
        profile.ca_file = Some(whole(&file)?);
    }
    profile.gateway = args.gateway.or(profile.gateway);
    profile.account = args.account.or(profile.account);
    let is_first = profiles.current.is_none();
    if is_first {
        profiles.current = Some(args.name.clone());
    }
    let is_current = profiles.current.as_ref() == Some(&args.name);
    let result = described(&args.name, &profile, is_current);
    profiles.by_name.insert(args.name.clone(), profile);
    let path = profiles.write()?;
    let done = if is_new { "made" } else { "changed" };
    let used = if is_first { ", and put it to use" } else { "" };
    let sentence = format!(
        "{done} profile {} in {}{used}\nnext: keyward status --profile {}",
        args.name,
        path.display(),
        args.name
    );
    Output::new(args.json).done(sentence, &result)
}

fn put_to_use(name: &Name, json: bool) -> Result<(), Failure> {
    let mut profiles = Profiles::read()?;
    let profile = profiles.find(name)?.clone();
    profiles.current = Some(name.clone());
    profiles.write()?;
    let sentence = format!("profile {name} is in use: {}", profile.control_url);
    Output::new(json).done(sentence, &described(name, &profile, true))
}

fn remove(name: &Name, asked: &Confirm, json: bool) -> Result<(), Failure> {
    let mut profiles = Profiles::read()?;
    let profile = profiles.find(name)?.clone();
    let is_current = profiles.current.as_ref() == Some(name);
    let used = if is_current { ", which is in use" } else { "" };
    let what = format!("profile {name} for {}{used}", profile.control_url);
    if !confirm(asked, Output::new(json), &what, &name.to_string())? {
        return Ok(());
    }
    profiles.by_name.remove(name);
    if is_current {
        profiles.current = None;
    }
    profiles.write()?;
    Output::new(json).done(
        format_args!("removed profile {name}"),
        &described(name, &profile, false),
    )
}

fn described(name: &Name, profile: &Profile, is_current: bool) -> Value {
    json!({
        "name": name,
        "current": is_current,
        "control_url": profile.control_url,
        "token_file": profile.token_file,
        "gateway": profile.gateway.as_ref().map(ToString::to_string),
        "account": profile.account.as_ref().map(ToString::to_string),
        "ca_file": profile.ca_file,
    })
}

/// The profile is used from other directories too.
fn whole(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::usage("cannot use a path")
            .caused_by(&error)
            .help("name a file")
    })
}

fn check_token_file(path: &Path) -> Result<(), Failure> {
    if !path.is_file() {
        return Err(Failure::new("there is no such token file")
            .at(path.display().to_string())
            .help("name a file that holds an API token; `keyward tokens create NAME --api --permission … --out FILE` makes one"));
    }
    if private_file::is_open_to_others(path) {
        return Err(Failure::new("others may read the token file")
            .at(path.display().to_string())
            .help(format!("chmod 600 {}", path.display())));
    }
    Ok(())
}

fn told(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn shown(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}
