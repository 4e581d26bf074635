//! The file that checkpoints go to: appended to and synced, one line after another, never rewritten.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::checkpoint::Checkpoint;

/// A file for checkpoints. It is opened anew for each, so that one that was moved away by a log rotation is
/// followed by a new one.
#[derive(Clone, Debug)]
pub struct CheckpointFile(PathBuf);

impl CheckpointFile {
    /// Makes sure that the file can be appended to; makes it (mode 0600) if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot, or is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = Self(path.to_owned());
        file.open_for_append()?;
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Appends a line. It is durable when the call returns.
    pub(crate) fn append(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut file = self.open_for_append()?;
        let mut line = checkpoint.to_line();
        line.push('\n');
        if !ends_a_line(&mut file)? {
            // Whoever wrote the last line was cut off; it must not swallow this one.
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes())?;
        file.sync_all()
    }

    /// Every line of the file; none where it is not there.
    pub(crate) fn read(&self) -> io::Result<String> {
        match std::fs::read(&self.0) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    fn open_for_append(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let file = match options.clone().create_new(true).mode(0o600).open(&self.0) {
            Ok(file) => {
                // The name must last as long as the lines.
                let directory = match self.0.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent,
                    _ => Path::new("."),
                };
                File::open(directory)?.sync_all()?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !std::fs::metadata(&self.0)?.is_file() {
                    return Err(io::Error::other("it is no regular file"));
                }
                options.open(&self.0)?
            }
            Err(error) => return Err(error),
        };
        Ok(file)
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt, time::SystemTime};

    use keyward_vault::Vault;

    use super::CheckpointFile;
    use crate::audit::checkpoint::{Checkpoint, NONE_BEFORE, Signer};

    fn checkpoint(seq: i64) -> Checkpoint {
        let (vault, _root) = Vault::create().unwrap();
        let signer = Signer::derive(&vault, vault.newest_key()).unwrap().unwrap();
        signer.sign(
            vault.id(),
            (seq, [1; 32]),
            NONE_BEFORE,
            SystemTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn lines_are_appended_to_a_private_file_also_after_a_cut_line_and_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints");
        let file = CheckpointFile::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let (one, two, three) = (checkpoint(1), checkpoint(2), checkpoint(3));
        file.append(&one).unwrap();
        fs::write(&path, format!("{}\nkeyward-aud", one.to_line())).unwrap();
        file.append(&two).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected = format!("{}\nkeyward-aud\n{}\n", one.to_line(), two.to_line());
        assert_eq!(text, expected);

        fs::rename(&path, directory.path().join("checkpoints.1")).unwrap();
        file.append(&three).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", three.to_line()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(CheckpointFile::open(directory.path()).is_err());
        assert!(CheckpointFile::open(&directory.path().join("none/file")).is_err());
    }
}
