//! Commands on a terminal.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
    process::{Child, Command},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use keyward_testing::outputs;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

use super::{DEADLINE, foreign};

/// A command on a terminal of its own.
pub(crate) struct OnTerminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    pub(crate) seen: String,
}

impl OnTerminal {
    pub(crate) fn spawn(mut command: Command) -> Self {
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

    /// With the terminal as the one that controls it: `/dev/tty` and Ctrl-C are this terminal's.
    pub(crate) fn controlled(command: &Command) -> Self {
        let directory = command.get_current_dir().unwrap_or(Path::new("."));
        let mut setsid = foreign("setsid", directory);
        setsid.args(["--ctty", "--wait"]).arg(command.get_program());
        setsid.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => setsid.env(name, value),
                None => setsid.env_remove(name),
            };
        }
        Self::spawn(setsid)
    }

    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let start = Instant::now();
        while !self.seen.contains(text) {
            // As a whole: a screen that is drawn again and again never falls silent.
            let rest = DEADLINE.saturating_sub(start.elapsed());
            let more = self.screen.recv_timeout(rest);
            let more = more.unwrap_or_else(|error| panic!("no `{text}`: {error}: {}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Presses keys again and again until this stands on the screen: what they ask for may come too late.
    #[track_caller]
    pub(crate) fn press_until(&mut self, keys: &str, text: &str) {
        let start = Instant::now();
        while !self.seen.contains(text) {
            assert!(start.elapsed() < DEADLINE, "no `{text}`: {}", self.seen);
            self.type_keys(keys);
            let pressed = Instant::now();
            while let Some(rest) = Duration::from_secs(1).checked_sub(pressed.elapsed()) {
                let Ok(more) = self.screen.recv_timeout(rest) else {
                    break;
                };
                self.seen.push_str(&String::from_utf8_lossy(&more));
            }
        }
    }

    pub(crate) fn type_line(&mut self, text: &str) {
        self.type_keys(&format!("{text}\n"));
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown.
    pub(crate) fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// The exit code, and everything that stood on the screen.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        while let Ok(more) = self.screen.recv_timeout(DEADLINE) {
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        outputs("terminal", self.seen.as_bytes());
        (code, self.seen)
    }

    /// As [`Self::end`], where a secret is meant to stand on the screen.
    pub(crate) fn end_unswept(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.seen)
    }
}
