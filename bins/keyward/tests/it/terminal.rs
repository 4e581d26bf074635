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
        terminal.wait_for("kw_api_");
        // Not kept for the sweep: this is the one place where the token stands.
        let code = terminal.child.wait().unwrap().code();
        (code, terminal.seen)
    };
    assert_eq!(code, Some(0), "{screen}");
    let token = screen
        .split_whitespace()
        .find(|word| word.starts_with("kw_api_"))
        .unwrap();
    register_named_canary("token on a terminal", token);
    run(directory.path(), &["vault", "status", "--data-dir", "data"]).ok();
}
