//! A provider key that was pasted as an argument: refused, and repeated nowhere.

use std::ffi::OsString;

use crate::failure::Failure;

/// Keys are longer than the names of providers. A guess: the longest slug has 16 characters, the shortest keys
/// known have 32.
const SHORTEST_KEY: usize = 24;

/// Refuses `keyward keys … KEY` and `keyward secrets … NAME KEY`. What stands behind an option is that option's affair.
pub(crate) fn refuse(args: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let args: Vec<String> = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let pasted = |names: usize| {
        args.windows(2).skip(2 + names).any(|pair| match pair {
            [before, arg] => !before.starts_with("--") && looks_like_key(arg),
            _ => false,
        })
    };
    // The name of a secret may look like a key: it is what stands first.
    let is_refused = match args.get(1).map(String::as_str) {
        Some("keys") => pasted(0),
        Some("secrets") => pasted(1),
        _ => false,
    };
    if is_refused {
        return Err(Failure::usage("an argument looks like a provider key").help(
            "a key is never an argument: leave it out, and it is asked for; or pipe it in, or name a file with --from-file",
        ));
    }
    Ok(())
}

fn looks_like_key(arg: &str) -> bool {
    arg.len() >= SHORTEST_KEY
        && !arg.starts_with('-')
        && !arg.contains(['/', '.', ' '])
        && arg.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::refuse;

    #[track_caller]
    fn check(line: &str, is_refused: bool) {
        let refused = refuse(line.split(' ').map(Into::into));
        assert_eq!(refused.is_err(), is_refused, "{line}");
        if let Err(failure) = refused {
            assert!(!format!("{failure:?}").contains("0123456789"), "{line}");
        }
    }

    #[test]
    fn a_pasted_key_is_refused_and_not_repeated() {
        check("keyward keys add sk-proj-0123456789abcdefghij", true);
        check("keyward keys add openai sk-proj-0123456789abcdefghij", true);
        check(
            "keyward keys rotate openai sk-proj-0123456789abcdefghij",
            true,
        );
        check("keyward keys add google-ai-studio", false);
        check(
            "keyward keys add openai --alias team-0123456789abcdefghij",
            false,
        );
        check("keyward secrets create team-0123456789abcdefghij", false);
        check(
            "keyward secrets create name sk-proj-0123456789abcdefghij",
            true,
        );
        check("keyward tokens revoke 0123456789abcdefghijklmnop", false);
    }
}
