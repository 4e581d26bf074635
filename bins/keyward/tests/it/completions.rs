//! Completion: what TAB offers, in bash itself and in the words that the scripts of the other shells read.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use keyward_testing::Canary;
use tempfile::TempDir;

use crate::support::{Dev, Done, OnTerminal, foreign, keyward, run, run_with};

/// A name that a shell would run.
const HOSTILE: &str = "$(touch x)`touch x`;touch x";

/// A server with something of each kind.
fn world() -> Dev {
    let dev = Dev::start();
    dev.run(&["gateways", "create", "production"]).ok();
    dev.run_line("tokens create my-app --gateway production --out app")
        .ok();
    dev.run(&["tokens", "create", HOSTILE, "--out", "hostile"])
        .ok();
    dev.run_line("providers create our-llm --base-url https://llm.example.com/v1")
        .ok();
    let graph = r#"[{"id":"start","type":"start","outputs":{"next":{"elementId":"end"}}},{"id":"end","type":"end"}]"#;
    fs::write(dev.path().join("graph.json"), graph).unwrap();
    dev.run_line("routes create support-bot --gateway production --from-file graph.json")
        .ok();
    let key = Canary::new("completed");
    let add = [
        "keys",
        "add",
        "openai",
        "--gateway",
        "production",
        "--alias",
        "team-a",
    ];
    dev.run_with(&add, key.text()).ok();
    dev.run_with(
        &["secrets", "create", "backup-value", "--comment", HOSTILE],
        key.text(),
    )
    .ok();
    for file in ["app", "graph.json", "hostile"] {
        fs::remove_file(dev.path().join(file)).unwrap();
    }
    dev
}

/// `keyward complete` as a script calls it: the words behind `keyward`, the last one being typed.
fn question(directory: &Path, shell: &str, words: &[&str]) -> Command {
    let at = words.len().to_string();
    keyward(
        directory,
        &[&["complete", shell, &at, "keyward"], words].concat(),
    )
}

#[track_caller]
fn silent(done: Done) -> Vec<String> {
    let done = done.ok();
    assert_eq!(done.err, "", "{done:?}");
    done.out.lines().map(str::to_owned).collect()
}

/// Asks until this comes: a machine that does much else may not answer in the time that a completion has.
#[track_caller]
fn comes(expected: &[&str], ask: impl Fn() -> Vec<String>) {
    const TRIES: usize = 20;
    let mut came = ask();
    for _ in 0..TRIES {
        if came == expected {
            return;
        }
        came = ask();
    }
    assert_eq!(came, expected);
}

/// The values that fish is told, without their descriptions.
#[track_caller]
fn values(dev: &Dev, line: &str) -> Vec<String> {
    let words: Vec<_> = line.split(' ').collect();
    let lines = silent(run_with(question(dev.path(), "fish", &words), ""));
    let values = lines.iter().map(|line| line.split('\t').next().unwrap());
    values.map(str::to_owned).collect()
}

#[test]
fn names_of_the_server_are_completed() {
    let dev = world();
    comes(&["default", "production"], || {
        values(&dev, "gateways show ")
    });
    comes(&["production"], || values(&dev, "keys list --gateway p"));
    comes(&["--gateway=production"], || {
        values(&dev, "keys list --gateway=p")
    });
    comes(&["custom-our-llm"], || values(&dev, "keys add custom-"));
    comes(&["our-llm"], || values(&dev, "providers delete "));
    comes(&["backup-value"], || values(&dev, "secrets show b"));
    comes(&["default_secrets_store"], || {
        values(&dev, "secrets list --store ")
    });
    // The gateway and the provider that stand before it count.
    comes(&["team-a"], || {
        values(&dev, "keys show openai --gateway production --alias ")
    });
    assert_eq!(
        values(&dev, "keys show openai --alias "),
        Vec::<String>::new()
    );
    comes(&["support-bot"], || {
        values(&dev, "routes show --gateway production s")
    });
    comes(&["support-bot"], || {
        values(&dev, "routes explain --gateway=production ")
    });
    assert_eq!(values(&dev, "routes delete "), Vec::<String>::new());
    let tokens = dev.run(&["tokens", "list"]).ok().out;
    let ids: Vec<_> = tokens
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    comes(&ids, || values(&dev, "tokens revoke "));
    // A token is shown with its name, and found by it where the shell replaces what was typed.
    let of_app = tokens.lines().find(|line| line.contains("my-app"));
    let id = of_app.unwrap().split('\t').next().unwrap();
    let ask =
        |shell: &str, words: &[&str]| silent(run_with(question(dev.path(), shell, words), ""));
    comes(&[&format!("{id}:my-app (gateway, active)")], || {
        ask("zsh", &["tokens", "show", &id[..6]])
    });
    comes(&[&format!("{id}\tmy-app (gateway, active)")], || {
        ask("powershell", &["tokens", "show", "my-a"])
    });
    dev.stop();
}

#[test]
fn what_is_named_before_the_cursor_says_which_server() {
    let (dev, other) = (world(), TempDir::new().unwrap());
    fs::create_dir_all(other.path().join(".config/keyward")).unwrap();
    fs::write(other.path().join("token"), dev.text("api_token")).unwrap();
    let (url, token) = (dev.text("control_url"), other.path().join("token"));
    let text = format!(
        "[profile.work]\ncontrol_url = \"{url}\"\ntoken_file = \"{}\"\ngateway = \"production\"\n",
        token.display()
    );
    let file = other.path().join(".config/keyward/profiles.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let ask = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = question(other.path(), "fish", words);
        command
            .env("HOME", other.path())
            .envs(variables.iter().copied());
        let lines = silent(run_with(command, ""));
        lines
            .iter()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    assert_eq!(ask(&["gateways", "show", ""], &[]), none);
    comes(&["work"], || {
        ask(&["gateways", "show", "--profile", "w"], &[])
    });
    comes(&["work"], || ask(&["profile", "use", ""], &[]));
    comes(&["production"], || {
        ask(&["gateways", "show", "--profile", "work", "p"], &[])
    });
    // The profile's gateway.
    let aliases = ["keys", "show", "--profile=work", "openai", "--alias", ""];
    comes(&["team-a"], || ask(&aliases, &[]));
    let named = [("KEYWARD_API_TOKEN_FILE", token.to_str().unwrap())];
    comes(&["production"], || {
        ask(&["gateways", "show", "--control-url", url, "p"], &named)
    });
    let dev_json = dev.path().join(".keyward");
    let of_dev = [
        "gateways",
        "show",
        "--data-dir",
        dev_json.to_str().unwrap(),
        "p",
    ];
    comes(&["production"], || ask(&of_dev, &[]));
    fs::remove_file(token).unwrap();
    dev.stop();
}

#[test]
fn without_a_server_nothing_is_completed_in_silence_and_within_a_second() {
    let directory = TempDir::new().unwrap();
    fs::write(
        directory.path().join("token"),
        "kw_api_AAAAAAAAAAAA_nothing",
    )
    .unwrap();
    // One that takes connections and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("http://{}", mute.local_addr().unwrap());
    for url in [mute.as_str(), "http://127.0.0.1:1", "not a URL"] {
        let took = (0..3).map(|_| {
            let asked = ["complete", "bash", " =:", "keyward gateways show "];
            let mut command = keyward(directory.path(), &asked);
            command
                .env("KEYWARD_API_TOKEN_FILE", "token")
                .env("KEYWARD_CONTROL_URL", url);
            let start = Instant::now();
            assert_eq!(silent(run_with(command, "")), Vec::<String>::new(), "{url}");
            start.elapsed()
        });
        // The quickest, since the machine may do much else.
        let took = took.min().unwrap();
        assert!(took < Duration::from_secs(1), "{url}: {took:?}");
    }
    // What needs no server is completed all the same.
    let mut command = question(directory.path(), "fish", &["keys", "add", "anth"]);
    command.env("KEYWARD_CONTROL_URL", "http://127.0.0.1:1");
    assert_eq!(silent(run_with(command, "")), ["anthropic\tAnthropic"]);
}

#[test]
fn nobody_is_asked_and_no_pipe_is_emptied() {
    let dev = Dev::start();
    // On a terminal, without a token.
    let mut command = question(dev.path(), "zsh", &["gateways", "show", ""]);
    command.env("KEYWARD_CONTROL_URL", "https://127.0.0.1:1");
    let (code, screen) = OnTerminal::controlled(&command).end();
    assert_eq!((code, screen.as_str()), (Some(0), ""));
    // Standard input holds the token of the next command.
    let script = format!(
        "'{0}' complete zsh 3 keyward gateways show; '{0}' status --json",
        env!("CARGO_BIN_EXE_keyward")
    );
    let mut shell = foreign("sh", dev.path());
    shell.args(["-c", &script]);
    shell
        .env("KEYWARD_API_TOKEN_FD", "0")
        .env("KEYWARD_CONTROL_URL", dev.text("control_url"));
    let done = run_with(shell, dev.text("api_token")).ok();
    assert_eq!(done.json()["token"]["name"], "made by keyward dev");
    dev.stop();
}

/// bash with the binary as `keyward`, in the directory of a server.
fn bash(dev: &Dev) -> Command {
    let mut bash = foreign("bash", dev.path());
    let own = Path::new(env!("CARGO_BIN_EXE_keyward")).parent().unwrap();
    let path = env::var_os("PATH").unwrap();
    let path = [own.to_owned()].into_iter().chain(env::split_paths(&path));
    bash.env("PATH", env::join_paths(path).unwrap());
    bash
}

/// What bash makes of a line, by its own variables.
#[track_caller]
fn in_bash(dev: &Dev, line: &str) -> Vec<String> {
    const SCRIPT: &str = r#"
        source <(keyward completions bash)
        COMP_WORDBREAKS=$' \t\n"\'><=;|&(:' COMP_LINE=$1 COMP_POINT=${#1}
        read -ra COMP_WORDS <<<"$1"
        _keyward keyward "${1##*[ =]}" ''
        (( ${#COMPREPLY[@]} )) && printf '%s\n' "${COMPREPLY[@]}"
        exit 0"#;
    let mut bash = bash(dev);
    bash.args(["--norc", "--noprofile", "-c", SCRIPT, "bash", line]);
    silent(run_with(bash, ""))
}

#[test]
fn bash_completes_and_runs_nothing() {
    let dev = world();
    comes(&["disable"], || in_bash(&dev, "keyward keys dis"));
    comes(&["default", "production"], || {
        in_bash(&dev, "keyward gateways show ")
    });
    comes(&["production"], || {
        in_bash(&dev, "keyward keys list --gateway=prod")
    });
    comes(&["production"], || {
        in_bash(&dev, "keyward keys list --gateway 'prod")
    });
    fs::write(dev.path().join("a key"), "").unwrap();
    comes(&["a key"], || {
        in_bash(&dev, "keyward keys add openai --from-file a")
    });
    comes(&["a key"], || {
        in_bash(&dev, "keyward keys add openai --from-file=a")
    });
    let tokens = dev.run(&["tokens", "list"]).ok().out;
    let hostile = tokens.lines().find(|line| line.contains("touch")).unwrap();
    let id = hostile.split('\t').next().unwrap();
    // The name is typed, and the id takes its place.
    comes(&[id], || in_bash(&dev, "keyward tokens revoke '$(tou"));
    for line in [
        "keyward tokens revoke $(touch x)",
        "keyward tokens revoke `touch x` --profile ",
        "keyward keys show \"$(touch x)\" --gateway ",
        "keyward --$(touch x)=",
    ] {
        in_bash(&dev, line);
    }
    assert!(!dev.path().join("x").exists());
    dev.stop();
}

#[test]
fn tab_completes_in_a_bash_that_somebody_types_in() {
    let dev = world();
    let mut command = bash(&dev);
    command
        .args(["--norc", "--noprofile", "-i"])
        .env("TERM", "dumb")
        .env("PS1", "> ");
    let mut terminal = OnTerminal::controlled(&command);
    terminal.wait_for("> ");
    terminal.type_line("source <(keyward completions bash); echo rea''dy");
    terminal.wait_for("ready");
    terminal.type_keys("keyward gateways show pro");
    terminal.press_until("\t", "keyward gateways show production ");
    terminal.type_line("--json");
    terminal.wait_for("\"id\":\"production\"");
    // Everything that there is, hostile names too.
    terminal.type_keys("keyward tokens show ");
    let tokens = dev.run(&["tokens", "list"]).ok().out;
    for line in tokens.lines() {
        terminal.press_until("\t", line.split('\t').next().unwrap());
    }
    terminal.type_keys("\u{15}exit\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!dev.path().join("x").exists(), "{screen}");
    dev.stop();
}

#[test]
fn scripts_ask_the_binary() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(Path::new("."), &["completions", shell]).ok().out;
        assert!(
            script.contains(&format!("keyward complete {shell}")),
            "{script}"
        );
    }
    let elvish = run(Path::new("."), &["completions", "elvish"]).ok().out;
    assert!(elvish.contains("rotate"));
}
