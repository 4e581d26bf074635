//! docs/cli.md against the command line itself: what is added to one and not to the other fails here.

use std::{collections::BTreeSet, fs, path::Path};

use clap::{Command, CommandFactory};

use super::Args;

/// A part of the page, from one heading to the next.
struct Section {
    is_top: bool,
    title: String,
    text: String,
}

fn sections() -> Vec<Section> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = fs::read_to_string(page).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    for line in page.lines() {
        let top = line.strip_prefix("## ");
        if let Some(title) = top.or_else(|| line.strip_prefix("### ")) {
            sections.push(Section {
                is_top: top.is_some(),
                title: title.to_owned(),
                text: String::new(),
            });
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    sections
}

/// Every `--option` in a text.
fn options(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(|c: char| !is_part(c));
    let options = words.filter(|word| word.starts_with("--") && word.len() > 3);
    options
        .map(|word| word.trim_end_matches('-').to_owned())
        .collect()
}

/// The commands that can be run, by their words.
fn leaves(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let mut is_leaf = true;
    for sub in subs {
        is_leaf = false;
        leaves(sub, format!("{words} {}", sub.get_name()).trim(), found);
    }
    if is_leaf {
        found.push((words.to_owned(), command.clone()));
    }
}

fn commands() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    leaves(&Args::command(), "", &mut found);
    found
}

fn longs(command: &Command) -> BTreeSet<String> {
    let longs = command.get_arguments().filter_map(|arg| arg.get_long());
    longs.map(|long| format!("--{long}")).collect()
}

#[test]
fn the_page_names_every_option_of_every_command_and_no_other() {
    let sections = sections();
    let commands = commands();
    let known: BTreeSet<_> = commands
        .iter()
        .flat_map(|(_, command)| longs(command))
        .collect();
    let by_title = |title: &str| {
        let mut all = sections.iter();
        all.find(|section| section.title.split(", ").any(|one| one == title))
    };
    let told_in = |titles: &[&str]| -> BTreeSet<String> {
        let parts = titles.iter().map(|title| by_title(title).unwrap());
        parts.flat_map(|part| options(&part.text)).collect()
    };
    let common = told_in(&["What is printed", "--dry-run"]);
    let connecting = told_in(&["How commands find the control plane"]);
    let mut missing = Vec::new();
    for (words, command) in &commands {
        let group = words.split(' ').next().unwrap();
        // Where the options of all commands of a group stand: before the first of them, or in a part of their own.
        let shared = sections.iter().filter(|section| {
            section.title == group || words.starts_with(&format!("{} ", section.title))
        });
        let own = by_title(words);
        let top = sections
            .iter()
            .any(|section| section.is_top && section.title == group);
        assert!(
            own.is_some() || top,
            "docs/cli.md says nothing of `{words}`"
        );
        let mut told: BTreeSet<String> = own
            .into_iter()
            .chain(shared)
            .flat_map(|part| options(&part.text))
            .chain(common.iter().cloned())
            .collect();
        if command
            .get_arguments()
            .any(|arg| arg.get_long() == Some("control-url"))
        {
            told.extend(connecting.iter().cloned());
        }
        let longs = longs(command);
        missing.extend(
            longs
                .difference(&told)
                .map(|long| format!("{words} {long}")),
        );
    }
    assert!(
        missing.is_empty(),
        "docs/cli.md does not name: {missing:#?}"
    );
    for section in &sections {
        let told = options(&section.text);
        let foreign = ["--help", "--version"].map(str::to_owned).into();
        let unknown: Vec<_> = told
            .difference(&known)
            .filter(|one| !BTreeSet::contains(&foreign, *one))
            .collect();
        assert!(
            unknown.is_empty(),
            "{}: no command has {unknown:?}",
            section.title
        );
    }
}

#[test]
fn every_command_ends_its_help_with_two_examples() {
    for (words, command) in commands() {
        let help = command
            .get_after_help()
            .unwrap_or_else(|| panic!("{words}"))
            .to_string();
        let (_, examples) = help
            .split_once("Examples:\n")
            .unwrap_or_else(|| panic!("{words}"));
        let examples: Vec<_> = examples.lines().collect();
        assert_eq!(examples.len(), 2, "{words}");
        for example in examples {
            assert!(
                example.contains(&format!("keyward {words}")),
                "{words}: {example}"
            );
        }
    }
}

/// A heading holds for what stands behind it, also for what is no option.
#[test]
fn what_has_no_dashes_stands_under_no_heading() {
    for (words, command) in commands() {
        for arg in command.get_positionals() {
            assert_eq!(arg.get_help_heading(), None, "{words} {arg}");
        }
    }
}
