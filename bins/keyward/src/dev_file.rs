//! `dev.json`: what `dev` made, so that the next start and the other commands find it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::{failure::Failure, private_file};

const NAME: &str = "dev.json";

/// What `dev` made, with both tokens in clear: this file is for one's own machine.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct DevFile {
    pub(crate) account_id: String,
    pub(crate) gateway_id: String,
    pub(crate) gateway_token: String,
    pub(crate) api_token: String,
    pub(crate) control_url: String,
    pub(crate) gateway_url: String,
}

impl DevFile {
    /// Reads the file of a data directory; `None` where there is none.
    pub(crate) fn read(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let path = path(data_dir);
        let text = match fs::read_to_string(&path) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let what = format!("cannot read {}", path.display());
                return Err(Failure::new(what)
                    .caused_by(&error)
                    .in_file(&path)
                    .help("correct its owner and mode, or name the control plane with --control-url and the token with KEYWARD_API_TOKEN_FILE"));
            }
        };
        // The parser's message may quote a token; its place does not.
        let parsed = serde_json::from_str(&text).map_err(|error| {
            Failure::new(format!("{} cannot be understood", path.display()))
                .at(format!(
                    "{}:{}:{}",
                    path.display(),
                    error.line(),
                    error.column()
                ))
                .help("remove it; `keyward dev` makes a new one, with new tokens")
        })?;
        Ok(Some(parsed))
    }

    /// Writes the file whole, in the place of an older one.
    pub(crate) fn write(&self, data_dir: &Path) -> Result<(), Failure> {
        let path = path(data_dir);
        let fail = |error: &dyn std::error::Error| {
            Failure::new(format!("cannot write {}", path.display()))
                .caused_by(error)
                .in_file(&path)
                .help("make the data directory writable, or name another with --data-dir")
        };
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| fail(&error))?;
        text.push(b'\n');
        let written = private_file::replace(&path, &text);
        text.zeroize();
        written.map_err(|error| fail(&error))
    }
}

impl Drop for DevFile {
    fn drop(&mut self) {
        self.gateway_token.zeroize();
        self.api_token.zeroize();
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}
