//! Reading secrets: from a prompt that does not show them, standard input, a file or a file descriptor.
//! Never from an argument or the environment, which others can read.

use std::{
    env, fmt,
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use keyward_secret::SecretBytes;
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    hidden::{self, Stopped},
};

/// Room for the longest provider key (64 KiB) with blanks around it.
const ROOM: usize = 128 * 1024;

/// Where a secret stands that the environment names as `…_FILE` or `…_FD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    variable: String,
    path: PathBuf,
}

impl Named {
    /// Looks for `{name}_FILE`, then for `{name}_FD`.
    pub(crate) fn find(name: &str) -> Result<Option<Self>, Failure> {
        let file = format!("{name}_FILE");
        if let Some(path) = env::var_os(&file).filter(|path| !path.is_empty()) {
            return Ok(Some(Self {
                variable: file,
                path: path.into(),
            }));
        }
        let variable = format!("{name}_FD");
        let Some(text) = env::var_os(&variable).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let number: Option<u32> = text.to_str().and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| {
            Failure::usage(format!("{variable} is not the number of a file descriptor"))
                .at(&variable)
                .help(format!(
                    "open the file as a descriptor and name its number, such as 3; or name the file in {name}_FILE"
                ))
        })?;
        let path = PathBuf::from(format!("/dev/fd/{number}"));
        Ok(Some(Self { variable, path }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, without line breaks at its end.
    pub(crate) fn read(&self) -> Result<SecretBytes, Failure> {
        let text = read_file(&self.path).map_err(|failure| {
            failure.at(self.to_string()).help(format!(
                "name a file that exists and may be read in {}",
                self.variable
            ))
        })?;
        Ok(without_line_break(&text))
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.path.display())
    }
}

/// Reads a file, without line breaks at its end.
pub(crate) fn read_line(path: &Path) -> Result<SecretBytes, Failure> {
    read_file(path).map(|text| without_line_break(&text))
}

/// Reads a value to store: from `file`, else from standard input, asking for it where that is a terminal.
pub(crate) fn read_value(prompt: &str, file: Option<&Path>) -> Result<SecretBytes, Failure> {
    if let Some(path) = file {
        return read_file(path);
    }
    if io::stdin().is_terminal() {
        return ask(prompt);
    }
    read_input()
}

/// Reads the whole standard input.
pub(crate) fn read_input() -> Result<SecretBytes, Failure> {
    read_to_end(&mut io::stdin().lock(), "standard input")
}

/// Asks on the terminal, without showing what is typed.
pub(crate) fn ask(prompt: &str) -> Result<SecretBytes, Failure> {
    let typed = hidden::ask(&format!("{prompt} (not shown): ")).map_err(|error| {
        if Stopped::is_it(&error) {
            return Failure::stopped();
        }
        Failure::new("cannot read from the terminal")
            .caused_by(&error)
            .help("name a file with the secret instead")
    })?;
    if typed.is_empty() {
        return Err(Failure::new("nothing was typed").help("type it or paste it: it is not shown"));
    }
    Ok(SecretBytes::new(typed.into_bytes()))
}

/// Reads a whole file.
pub(crate) fn read_file(path: &Path) -> Result<SecretBytes, Failure> {
    let name = path.display().to_string();
    let mut file = File::open(path).map_err(|error| {
        Failure::new(format!("cannot open {name}"))
            .caused_by(&error)
            .in_file(path)
            .help("name a file that exists and may be read")
    })?;
    read_to_end(&mut file, &name)
}

/// Reads into room that is never enlarged, so that no copy is left behind.
fn read_to_end(reader: &mut impl Read, name: &str) -> Result<SecretBytes, Failure> {
    let mut room = Zeroizing::new(vec![0; ROOM]);
    let mut filled = 0;
    while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => {
                let read = room.get(..filled).unwrap_or_default();
                return Ok(SecretBytes::copy_from(read));
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Failure::new(format!("cannot read {name}"))
                    .caused_by(&error)
                    .at(name)
                    .help("name a file that may be read"));
            }
        }
    }
    Err(Failure::new(format!(
        "{name} is longer than {ROOM} bytes; that is no secret"
    ))
    .at(name)
    .help("name a file that holds the secret and nothing else"))
}

/// Editors and `echo` end a text with a line break; nobody means it as a part of a secret.
pub(crate) fn without_line_break(text: &SecretBytes) -> SecretBytes {
    let bytes = text.expose();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    SecretBytes::copy_from(bytes.strip_suffix(b"\r").unwrap_or(bytes))
}

#[cfg(test)]
mod tests {
    use keyward_secret::SecretBytes;

    use super::{ROOM, read_to_end, without_line_break};

    #[test]
    fn one_line_break_at_the_end_is_cut_off() {
        for (text, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a \n\n", "a \n")] {
            let cut = without_line_break(&SecretBytes::copy_from(text.as_bytes()));
            assert_eq!(cut.expose(), expected.as_bytes());
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = vec![b'a'; ROOM];
        assert!(read_to_end(&mut long.as_slice(), "it").is_err());
        let most = vec![b'a'; ROOM - 1];
        assert_eq!(
            read_to_end(&mut most.as_slice(), "it").ok().unwrap().len(),
            ROOM - 1
        );
    }
}
