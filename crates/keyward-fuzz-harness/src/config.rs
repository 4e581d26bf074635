//! The configuration: refused with a place and a reason, or usable.

use std::{ffi::OsString, os::unix::ffi::OsStrExt, path::Path};

/// Reads `data` as a configuration file; behind a NUL byte come variables, `NAME=VALUE` a line.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (text, variables) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let find = |name: &str| -> Option<OsString> {
        variables.split(|byte| *byte == b'\n').find_map(|line| {
            let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(std::ffi::OsStr::from_bytes(value).to_owned())
        })
    };
    let Err(told) = keyward::check_config(text, Path::new("keyward.toml"), find) else {
        return;
    };
    let mut lines = told.lines();
    assert!(
        lines.next().is_some_and(|line| line.starts_with("error: ")),
        "{told}"
    );
    for line in lines {
        let known = ["  cause: ", "  at: ", "  help: "]
            .iter()
            .any(|start| line.starts_with(start));
        assert!(known, "a line of its own: {line:?}");
    }
    let plain = told.chars().all(|c| c == '\n' || !c.is_control());
    assert!(plain, "a control character reaches the terminal");
}
