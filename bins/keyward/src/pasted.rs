//! A key, a token, or a request with one, that was pasted as an argument: refused, and repeated nowhere.

use std::{ffi::OsString, path::Path};

use crate::{failure::Failure, import};

/// Keys are longer than the names of providers. A guess: the longest slug has 16 characters, the shortest keys
/// known have 32.
const SHORTEST_KEY: usize = 24;
/// What stands in the place of what may be a key.
const MASK: &str = "••••";

/// Refuses what begins as a key does, wherever it stands, and what looks like one where a key could be meant:
/// `keyward keys … KEY`, `keyward secrets … NAME KEY`, `keyward import KEY`, `--from-file KEY`; and
/// `keyward explain curl …`. `is_file` says whether there is such a file.
pub(crate) fn refuse(
    args: impl IntoIterator<Item = OsString>,
    is_file: impl Fn(&Path) -> bool,
) -> Result<(), Failure> {
    let args: Vec<_> = args.into_iter().collect();
    if holds_request(&args) {
        return Err(Failure::usage("an argument looks like a request").help(
            "others can see arguments, and a request holds a token: pipe the line in, or name a file with --file",
        ));
    }
    let args = own(args);
    let no_file = |text: &str| looks_like_key(text) && !is_file(Path::new(text));
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
        Some("import") => args.iter().skip(2).any(|arg| no_file(arg)),
        _ => false,
    };
    let is_for_file = args.windows(2).any(|pair| match pair {
        [option, arg] => option.starts_with("--") && option.ends_with("-file") && no_file(arg),
        _ => false,
    });
    let begins = args
        .iter()
        .map(|arg| value(arg))
        .any(|arg| import::begins_as_key(arg) && !is_file(Path::new(arg)));
    if is_refused || is_for_file || begins {
        return Err(Failure::usage("an argument looks like a provider key or a token").help(
            "a key is never an argument: leave it out, and it is asked for; or pipe it in, or name a file with --from-file",
        ));
    }
    Ok(())
}

/// The words that an error must not repeat, and what stands in their place: what is not understood is shown, and may be
/// a key that was pasted in the wrong place.
pub(crate) fn hide(failure: Failure, args: impl IntoIterator<Item = OsString>) -> Failure {
    let args = own(args);
    let words = args.iter().flat_map(|arg| value(arg).split_whitespace());
    words
        .filter(|word| may_be_key(word))
        .fold(failure, |failure, word| failure.replacing(word, MASK))
}

/// The words that are ours: what stands behind `--` is another program's.
fn own(args: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let args = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned());
    args.take_while(|arg| arg != "--").collect()
}

/// `VALUE` of `--option=VALUE`, else the whole word.
fn value(arg: &str) -> &str {
    match arg.split_once('=') {
        Some((option, value)) if option.starts_with("--") => value,
        _ => arg,
    }
}

/// Whether a line of curl's, or a part of one, is among the arguments of `explain`. Also behind `--`: the command takes
/// nothing there, and what is not understood is shown.
fn holds_request(args: &[OsString]) -> bool {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    if args.get(1).is_none_or(|command| command != "explain") {
        return false;
    }
    args.windows(2).skip(1).any(|pair| match pair {
        [before, arg] if !before.starts_with("--") || before == "--" || before == "--json" => {
            arg == "curl"
                || arg.contains("://") && !arg.starts_with("--")
                || arg.contains(char::is_whitespace)
                || looks_like_key(arg)
        }
        _ => false,
    })
}

fn looks_like_key(arg: &str) -> bool {
    may_be_key(arg) && !arg.contains(['.', ' '])
}

fn may_be_key(arg: &str) -> bool {
    arg.len() >= SHORTEST_KEY
        && !arg.starts_with('-')
        && !arg.contains('/')
        && arg.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{hide, refuse};
    use crate::typed;

    fn words(line: &str) -> impl Iterator<Item = std::ffi::OsString> {
        line.split(' ').map(Into::into)
    }

    #[track_caller]
    fn check(line: &str, is_refused: bool) {
        let refused = refuse(words(line), |path| {
            path.ends_with("a-file-0123456789abcdefghij")
        });
        assert_eq!(refused.is_err(), is_refused, "{line}");
        if let Err(failure) = refused {
            assert!(!format!("{failure:?}").contains("0123456789"), "{line}");
        }
    }

    #[test]
    fn a_pasted_key_is_refused_and_not_repeated() {
        check("keyward keys add sk-proj-0123456789abcdefghij", true);
        check("keyward keys add openai sk-proj-0123456789abcdefghij", true);
        check("keyward keys rotate openai 0123456789abcdefghijklmn", true);
        check("keyward keys add google-ai-studio", false);
        check(
            "keyward keys add openai --alias team-0123456789abcdefghij",
            false,
        );
        check("keyward secrets create team-0123456789abcdefghij", false);
        check("keyward secrets create name 0123456789abcdefghijklmn", true);
        check("keyward tokens revoke 0123456789abcdefghijklmnop", false);
        for line in [
            "keyward explain curl -v",
            "keyward explain -- curl",
            "keyward explain --json curl",
            "keyward explain https://h/?key=0123456789",
            "keyward explain sk-proj-0123456789abcdefghij",
        ] {
            check(line, true);
        }
        for line in [
            "keyward explain --control-url http://127.0.0.1:8788 --json",
            "keyward explain --control-url=http://127.0.0.1:8788",
            "keyward explain --file a-file-0123456789abcdefghij",
            "keyward explain --provider openai --path v1/models",
        ] {
            check(line, false);
        }
        let whole = ["keyward", "explain", "curl -H 'x: sk-0123456789'"];
        assert!(refuse(whole.map(Into::into), |_path| false).is_err());
    }

    #[test]
    fn what_begins_as_a_key_is_refused_wherever_it_stands() {
        for key in [
            "sk-0123456789abcdefghij",
            "sk-ant-0123456789abcdefghij",
            "gsk_0123456789abcdefghij",
            "AIza0123456789abcdefghij",
            "kw_gw_4pHFIHbBrKxd_0123456789",
        ] {
            for line in [
                "keyward KEY",
                "keyward import KEY",
                "keyward snippet KEY",
                "keyward help KEY",
                "keyward status KEY",
                "keyward tokens create KEY",
                "keyward tokens revoke KEY",
                "keyward keys list --gateway KEY",
                "keyward keys list --gateway=KEY",
                "keyward keys add openai --from-file KEY",
                "keyward run --token-file KEY -- program",
                "keyward vault slots add KEY",
                "keyward config check KEY",
            ] {
                check(&line.replace("KEY", key), true);
            }
            check(&format!("keyward run -- program {key}"), false);
        }
    }

    #[test]
    fn a_key_in_the_place_of_a_file_is_refused_unless_there_is_the_file() {
        check("keyward import 0123456789abcdefghijklmn", true);
        check("keyward import --env .env", false);
        check("keyward import a-file-0123456789abcdefghij", false);
        check(
            "keyward keys add openai --from-file 0123456789abcdefghijklmn",
            true,
        );
        check(
            "keyward keys add openai --from-file a-file-0123456789abcdefghij",
            false,
        );
        check("keyward snippet openai", false);
    }

    #[test]
    fn what_is_not_understood_is_told_without_what_may_be_a_key() {
        let key = "0123456789.abcdef=ghijklmn";
        for line in [
            "keyward KEY",
            "keyward snippet KEY",
            "keyward status KEY",
            "keyward tokens revoke KEY",
            "keyward tokens list KEY",
            "keyward keys list --gateway KEY",
            "keyward keys list --gateway=KEY",
            "keyward keys KEY",
            "keyward vault slots remove KEY",
            "keyward completions KEY",
            "keyward audit tail -n KEY",
            "keyward dev --listen KEY",
        ] {
            let line = line.replace("KEY", key);
            let Err(failure) = typed::read(words(&line)) else {
                panic!("{line} is understood");
            };
            let told = hide(failure, words(&line)).to_string();
            assert!(!told.contains("0123456789"), "{told}");
        }
    }
}
