//! wrangler's `secrets-store` commands against the control plane, by its variable for the base URL. What it tells is
//! compared with `wrangler.txt`; `KEYWARD_BLESS=1` writes that anew.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use crate::support::{Dev, Done, foreign, prepared, run_within, send};

const DEADLINE: Duration = Duration::from_secs(120);

/// wrangler in a directory of its own, and what it told so far.
struct Wrangler<'a> {
    dev: &'a Dev,
    ids: Vec<String>,
    transcript: String,
}

impl Wrangler<'_> {
    /// Runs a command, with `input` on its standard input.
    fn run(&mut self, command: &str, input: &str) -> Done {
        let wrangler =
            prepared("KEYWARD_TEST_NODE_DIR").join("node_modules/wrangler/bin/wrangler.js");
        let mut node = foreign("node", self.dev.path());
        node.arg(wrangler)
            .args(command.split(' '))
            .env(
                "CLOUDFLARE_API_BASE_URL",
                format!("{}/client/v4", self.dev.text("control_url")),
            )
            .env("CLOUDFLARE_API_TOKEN", self.dev.text("api_token"))
            .env("CLOUDFLARE_ACCOUNT_ID", self.dev.text("account_id"))
            // Nothing but the control plane is asked.
            .env("WRANGLER_SEND_METRICS", "false")
            .env("WRANGLER_SEND_ERROR_REPORTS", "false")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("CI", "1")
            .env("NO_COLOR", "1")
            .env("TZ", "UTC");
        let done = run_within(DEADLINE, node, input);
        let told = format!("$ wrangler {command}\n{}{}", done.out, done.err);
        let told = self.plain(&told);
        writeln!(self.transcript, "{told}").unwrap();
        done
    }

    /// The id that a command told last, in the words before it.
    fn made(&mut self, command: &str, input: &str) -> String {
        let done = self.run(command, input).ok();
        let (_, rest) = done.out.rsplit_once("ID: ").expect(&done.out);
        rest.split(')').next().unwrap().to_owned()
    }

    /// Without what differs from run to run: ids are counted, times and the widths of columns left out.
    fn plain(&mut self, told: &str) -> String {
        let mut plain = String::new();
        let told = without_colours(told);
        let says = |line: &&str| {
            line.chars().any(char::is_alphanumeric) && !line.contains("Logs were written")
        };
        for line in told.lines().filter(says) {
            let words: Vec<String> = line
                .split_whitespace()
                .map(|word| self.word(word))
                .collect();
            writeln!(plain, "{}", words.join(" ")).unwrap();
        }
        plain
    }

    fn word(&mut self, word: &str) -> String {
        let mut word = word.to_owned();
        let parts: Vec<String> = word
            .split(|sign: char| !sign.is_ascii_alphanumeric())
            .filter(|part| part.len() == 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map(str::to_owned)
            .collect();
        for id in parts {
            let known = self.ids.iter().position(|known| *known == id);
            let number = known.unwrap_or_else(|| {
                self.ids.push(id.clone());
                self.ids.len() - 1
            });
            word = word.replace(&id, &format!("<id {}>", number + 1));
        }
        let core = word.trim_matches(|sign: char| !sign.is_ascii_alphanumeric());
        let is_date = core.split('/').count() == 3 && core.replace('/', "").parse::<u32>().is_ok();
        let is_time = core.split(':').count() == 3 && core.replace(':', "").parse::<u32>().is_ok();
        match (is_date, is_time) {
            (true, _) => word.replace(core, "<date>"),
            (_, true) => word.replace(core, "<time>"),
            _ if ["AM", "PM"].contains(&core) => word.replace(core, "<half>"),
            _ => word,
        }
    }
}

/// Some of wrangler's messages are coloured whatever the environment says.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    for (at, part) in text.split("\u{1b}[").enumerate() {
        plain.push_str(if at == 0 {
            part
        } else {
            part.split_once('m').map_or("", |(_, rest)| rest)
        });
    }
    plain
}

/// Deletes the account's store, of which it may have one: wrangler deletes none that is not empty.
fn without_stores(dev: &Dev) {
    let account = format!(
        "{}/client/v4/accounts/{}",
        dev.text("control_url"),
        dev.text("account_id")
    );
    let bearer = format!("Bearer {}", dev.text("api_token"));
    let headers = [("authorization", bearer.as_str())];
    let stores = format!("{account}/secrets_store/stores");
    for store in send("GET", &stores, &headers, "").json()["result"]
        .as_array()
        .unwrap()
    {
        let id = store["id"].as_str().unwrap();
        let deleted = send("DELETE", &format!("{stores}/{id}?force=true"), &headers, "");
        assert_eq!(deleted.status, 200, "{deleted:?}");
    }
}

#[test]
fn every_command_of_the_secrets_store_works() {
    const SECRET: &str = "sk-given-by-a-provider-4711";
    let dev = Dev::start();
    let mut wrangler = Wrangler {
        dev: &dev,
        ids: Vec::new(),
        transcript: String::new(),
    };
    without_stores(&dev);
    let store = wrangler.made("secrets-store store create team --remote", "");
    wrangler.run("secrets-store store list --remote", "").ok();
    let create = "--scopes workers,ai_gateway --comment mine --remote";
    let secret = wrangler.made(
        &format!("secrets-store secret create {store} --name default_openai_default {create}"),
        SECRET,
    );
    let on = format!("{store} --secret-id {secret}");
    wrangler
        .run(&format!("secrets-store secret list {store} --remote"), "")
        .ok();
    wrangler
        .run(&format!("secrets-store secret get {on} --remote"), "")
        .ok();
    let update = "--scopes ai_gateway --comment ours --remote";
    wrangler
        .run(
            &format!("secrets-store secret update {on} --value {SECRET}-2 {update}"),
            "",
        )
        .ok();
    let duplicate = "--name copied --scopes workers --remote";
    let copy = wrangler.made(
        &format!("secrets-store secret duplicate {on} {duplicate}"),
        "",
    );
    wrangler
        .run(&format!("secrets-store secret delete {on} --remote"), "")
        .ok();
    // What is gone, and a store that is not empty, are told in our words.
    let gone = wrangler.run(&format!("secrets-store secret get {on} --remote"), "");
    assert_ne!(gone.code, Some(0), "{gone:?}");
    let full = wrangler.run(&format!("secrets-store store delete {store} --remote"), "");
    assert_ne!(full.code, Some(0), "{full:?}");
    wrangler
        .run(
            &format!("secrets-store secret delete {store} --secret-id {copy} --remote"),
            "",
        )
        .ok();
    wrangler
        .run(&format!("secrets-store store delete {store} --remote"), "")
        .ok();

    let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/wrangler.txt");
    let transcript = wrangler.transcript.replace(SECRET, "VALUE");
    if std::env::var_os("KEYWARD_BLESS").is_some() {
        fs::write(&given, &transcript).unwrap();
    }
    let expected = fs::read_to_string(&given).unwrap_or_default();
    assert!(transcript == expected, "{transcript}");
    dev.stop();
}
