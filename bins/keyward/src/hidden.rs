//! A question on the terminal whose answer is not shown.
//!
//! `rpassword` reads the line, with the keys that mend it. The terminal is silenced here: before the question stands
//! there, so that nobody answers aloud, and until the answer is read or Ctrl-C was pressed, of which `rpassword` dies
//! without giving the terminal back.

use std::{
    error::Error,
    fmt,
    fs::File,
    io::{self, Read, Write},
};

use rpassword::{ConfigBuilder, read_password_with_config};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// The terminal that the command was started from, wherever standard input and output go.
const TERMINAL: &str = "/dev/tty";
const CTRL_C: u8 = 3;

/// Ctrl-C was pressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ctrl-C was pressed")
    }
}

impl Error for Stopped {}

impl Stopped {
    pub(crate) fn is_it(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// Asks, and reads one line; empty at Ctrl-D. Ctrl-C is an error that is [`Stopped`].
pub(crate) fn ask(question: &str) -> io::Result<String> {
    let terminal = || File::options().read(true).write(true).open(TERMINAL);
    let mut silent = Silent::begin(terminal()?)?;
    write!(silent.terminal, "{question}")?;
    let config = ConfigBuilder::new()
        .input_reader(Keys(terminal()?))
        .output_discard()
        .build();
    let typed = read_password_with_config(config);
    // The one that was typed is not shown either.
    writeln!(silent.terminal)?;
    match typed {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(String::new()),
        typed => typed,
    }
}

/// A terminal that shows nothing and sends no signals; as it was before when this is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn begin(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut modes = before.clone();
        modes
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _may_be_gone = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// What is typed, up to Ctrl-C.
struct Keys(File);

impl Read for Keys {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(room)?;
        let typed = room.get(..count).unwrap_or_default();
        match typed.contains(&CTRL_C) {
            true => Err(io::Error::other(Stopped)),
            false => Ok(count),
        }
    }
}
