//! The files of TLS: their contents, and whether they have changed.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    os::unix::fs::MetadataExt,
    path::Path,
};

use zeroize::Zeroizing;

use super::{TlsError, TlsFiles};

/// What the files hold.
pub(super) struct Contents {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) client_authorities: Option<Vec<u8>>,
}

/// What was seen of the files when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    stamps: Vec<Option<Stamp>>,
    /// A file may change again without a new stamp, within one tick of the file system's clock: after a change
    /// it is read twice.
    is_fresh: bool,
    hasher: RandomState,
    contents: u64,
}

/// What of a file changes when it is written or replaced.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |what, file: &Path| {
            fs::read(file).map_err(|error| TlsError::new(what, file).caused_by(error))
        };
        Ok(Self {
            certificate: read("cannot read the certificate file", &files.certificate)?,
            key: Zeroizing::new(read("cannot read the key file", &files.key)?),
            client_authorities: files
                .client_authorities
                .as_deref()
                .map(|file| read("cannot read the file of client authorities", file))
                .transpose()?,
        })
    }
}

impl Seen {
    /// Looks at the files. Whether they are to be read.
    pub(super) fn look(&mut self, files: &TlsFiles) -> bool {
        let stamps = [Some(&files.certificate), Some(&files.key)]
            .into_iter()
            .chain([files.client_authorities.as_ref()])
            .map(|file| Stamp::of(file?))
            .collect();
        let is_changed = self.stamps != stamps;
        let is_due = is_changed || self.is_fresh;
        self.stamps = stamps;
        self.is_fresh = is_changed;
        is_due
    }

    /// Notes what was read. Whether it is something else than before.
    pub(super) fn note(&mut self, contents: &Contents) -> bool {
        self.replace(self.hasher.hash_one((
            &contents.certificate,
            &*contents.key,
            &contents.client_authorities,
        )))
    }

    /// Notes that reading failed. Whether it did not just before.
    pub(super) fn note_failure(&mut self, error: &TlsError) -> bool {
        self.replace(self.hasher.hash_one(error.file()))
    }

    fn replace(&mut self, contents: u64) -> bool {
        std::mem::replace(&mut self.contents, contents) != contents
    }
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self {
            place: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
