//! Files that only their owner may read.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Makes a new file (mode 0600) and writes `bytes` to it, durably. An existing one is an error.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_empty(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_directory_of(path)
}

/// Makes a new empty file (mode 0600). An existing one is an error.
pub(crate) fn create_empty(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes `bytes` in the place of what is there, whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Left by a process that ended in between, or not there at all.
        Ok(()) | Err(_) => {}
    }
    create(&temporary, bytes)?;
    fs::rename(&temporary, path)?;
    sync_directory_of(path)
}

/// Makes a directory (mode 0700) and those above it, if they are not there.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether others than the owner may do anything with what is at `path`.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

/// Of these places, those with which others than the owner may do anything, each with the command that shuts them out.
pub(crate) fn open_ones(places: &[PathBuf]) -> impl Iterator<Item = (&Path, String)> {
    let open = places.iter().filter(|path| is_open_to_others(path));
    open.map(|path| {
        let mode = if path.is_dir() { "700" } else { "600" };
        (path.as_path(), format!("chmod {mode} {}", path.display()))
    })
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{fs, io, os::unix::fs::MetadataExt};

    use super::{create, create_directory, is_open_to_others, replace};

    #[test]
    fn files_are_private_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/file");
        create_directory(path.parent().unwrap()).unwrap();
        create(&path, b"one").unwrap();
        let again = create(&path, b"two").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!is_open_to_others(path.parent().unwrap()));
    }
}
