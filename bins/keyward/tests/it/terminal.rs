//! What the binary does on a terminal: tables, questions, and a token that is shown.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
    process::{Child, Command},
    sync::mpsc::{Receiver, channel},
    thread,
};

use keyward_testing::{outputs, register_named_canary};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::support::{DEADLINE, Dev, keyward, run};

/// A command on a terminal of its own.
struct OnTerminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn spawn(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let child = command
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        // The command holds the other end: it must close when the child ends.
        drop(command);
        let mut master = File::from(master);
        let keyboard = master.try_clone().unwrap();
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux answers EIO once nobody has the other end.
            while let Ok(count) = master.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            keyboard,
            screen,
            seen: String::new(),
        }
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let more = self.screen.recv_timeout(DEADLINE);
            let more = more.unwrap_or_else(|error| panic!("{error}: {}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    fn type_line(&mut self, text: &str) {
        self.keyboard
            .write_all(format!("{text}\n").as_bytes())
            .unwrap();
    }

    /// The exit code, and everything that stood on the screen.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        while let Ok(more) = self.screen.recv_timeout(DEADLINE) {
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        outputs("terminal", self.seen.as_bytes());
        (code, self.seen)
    }
}

fn on_terminal(directory: &Path, args: &[&str]) -> OnTerminal {
    OnTerminal::spawn(keyward(directory, args))
}

#[test]
fn a_list_is_a_table_with_a_head() {
    let dev = Dev::start();
    let (code, screen) = on_terminal(dev.path(), &["keys", "list"]).end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("PROVIDER") && screen.contains("echo"),
        "{screen}"
    );
    let (code, screen) = on_terminal(dev.path(), &["keys", "list", "--provider", "openai"]).end();
    assert_eq!((code, screen.trim()), (Some(0), "none"));
    dev.stop();
}

#[test]
fn deleting_wants_the_alias_typed() {
    let dev = Dev::start();
    let delete = ["keys", "delete", "echo"];
    for (typed, code, left) in [("echo", 1, 1), ("", 1, 1), ("echo/default", 0, 0)] {
        let mut terminal = on_terminal(dev.path(), &delete);
        terminal.wait_for("Type echo/default to go on: ");
        assert!(
            terminal
                .seen
                .contains("This takes away key echo/default in gateway default")
        );
        terminal.type_line(typed);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, Some(code), "{screen}");
        let keys = dev.run(&["keys", "list"]).ok().out;
        assert_eq!(keys.lines().count(), left, "{typed}");
    }
    dev.stop();
}

#[test]
fn vault_init_shows_the_token_on_a_terminal() {
    let directory = TempDir::new().unwrap();
    let init = ["vault", "init", "--data-dir", "data", "--key-file", "key"];
    let (code, screen) = {
        let mut terminal = on_terminal(directory.path(), &init);
        terminal.wait_for("Make one? [y/N] ");
        terminal.type_line("");
        terminal.wait_for("kw_api_");
        // Not kept for the sweep: this is the one place where the token stands.
        let code = terminal.child.wait().unwrap().code();
        (code, terminal.seen)
    };
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        !screen.contains("recovery key, shown this once"),
        "{screen}"
    );
    let token = screen
        .split_whitespace()
        .find(|word| word.starts_with("kw_api_"))
        .unwrap();
    register_named_canary("token on a terminal", token);
    run(directory.path(), &["vault", "status", "--data-dir", "data"]).ok();
}

/// Waits until the recovery key stands on the screen, and returns it.
fn shown_recovery_key(terminal: &mut OnTerminal) -> String {
    terminal.wait_for("Its last four characters: ");
    let (_, rest) = terminal
        .seen
        .split_once("recovery key, shown this once: ")
        .unwrap();
    let key = rest.lines().next().unwrap().trim().to_owned();
    register_named_canary("recovery key on a terminal", &key);
    key
}

#[test]
fn a_recovery_key_is_shown_once_and_its_end_asked_back() {
    let directory = TempDir::new().unwrap();
    let init = [
        "vault",
        "init",
        "--data-dir",
        "data",
        "--key-file",
        "key",
        "--token-out",
        "token",
    ];
    // Not kept for the sweep: this is the one place where the recovery key stands.
    let mut terminal = on_terminal(directory.path(), &init);
    terminal.wait_for("Make one? [y/N] ");
    terminal.type_line("y");
    let key = shown_recovery_key(&mut terminal);
    terminal.type_line("nope");
    terminal.wait_for("That is not how it ends.");
    terminal.type_line(&key[key.len() - 4..].to_lowercase());
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));

    std::fs::write(directory.path().join("typed"), key.to_lowercase()).unwrap();
    let test = [
        "vault",
        "slots",
        "test",
        "--data-dir",
        "data",
        "--open-with",
        "recovery-key",
    ];
    let mut command = keyward(directory.path(), &test);
    command.env("KEYWARD_RECOVERY_KEY_FILE", "typed");
    let (code, screen) = OnTerminal::spawn(command).end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("slot 2 (recovery key) opens the vault"),
        "{screen}"
    );
}

#[test]
fn a_recovery_key_that_nobody_took_down_opens_nothing() {
    let directory = TempDir::new().unwrap();
    let init = [
        "vault",
        "init",
        "--data-dir",
        "data",
        "--key-file",
        "key",
        "--token-out",
        "token",
        "--recovery",
    ];
    let mut terminal = on_terminal(directory.path(), &init);
    shown_recovery_key(&mut terminal);
    for _ in 0..3 {
        terminal.type_line("xxxx");
    }
    assert_eq!(terminal.child.wait().unwrap().code(), Some(1));
    assert!(!directory.path().join("data").exists() && !directory.path().join("token").exists());
}

#[test]
fn removing_a_slot_wants_its_number_typed() {
    let directory = TempDir::new().unwrap();
    let init = [
        "vault",
        "init",
        "--data-dir",
        "data",
        "--key-file",
        "key",
        "--token-out",
        "token",
        "--recovery-out",
        "recovery",
    ];
    run(directory.path(), &init).ok();
    let remove = [
        "vault",
        "slots",
        "remove",
        "2",
        "--data-dir",
        "data",
        "--open-key-file",
        "key",
    ];
    for (typed, code) in [("2", 1), ("slot 2", 0)] {
        let mut terminal = on_terminal(directory.path(), &remove);
        terminal.wait_for("Type slot 2 to go on: ");
        terminal.type_line(typed);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, Some(code), "{screen}");
    }
}
