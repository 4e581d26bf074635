//! `keyward help TOPIC`: what is true of all commands.

use std::fmt::Write;

use clap::ValueEnum;

use crate::config;

/// What can be read about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topic {
    /// The variables of the environment
    Environment,
    /// What a script learns from the exit code
    ExitCodes,
    /// Tables, records, JSON, and how errors are told
    Output,
    /// Where secrets come from, and where they never go
    Security,
}

impl Topic {
    /// The page.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Environment => environment(),
            Self::ExitCodes => EXIT_CODES.to_owned(),
            Self::Output => OUTPUT.to_owned(),
            Self::Security => SECURITY.to_owned(),
        }
    }
}

fn environment() -> String {
    let mut text = String::from(ENVIRONMENT);
    let variables = config::COMMANDS;
    let width = variables.iter().map(|variable| variable.name.len()).max();
    let width = width.unwrap_or_default();
    for variable in variables {
        // Writing to a text does not fail.
        let _infallible = writeln!(text, "  {:width$}  {}", variable.name, variable.meaning);
    }
    text.push_str(ENVIRONMENT_END);
    text
}

const ENVIRONMENT: &str = "\
Every field of the configuration file is a variable as well: KEYWARD_, the table, the field, in capitals. The
variable stands above the file, an option above both. `keyward config show --effective` says which one is in force.

  KEYWARD_GATEWAY_LISTEN             [gateway] listen
  KEYWARD_PROVIDERS_OPENAI_BASE_URL  [providers.openai] base_url
  KEYWARD_LOG                        [log] filter
  KEYWARD_DATA_DIR                   data_dir; for commands, where dev.json is

Commands read these as well. _FILE names a file, _FD the number of an open file descriptor:

";

const ENVIRONMENT_END: &str = "
An option comes first, then the environment, then a profile, then dev.json of `keyward dev`. A variable that begins
with KEYWARD_ and is none of these is told by `keyward serve` and `dev` and found by `keyward config check`.
Profiles are kept in $XDG_CONFIG_HOME/keyward/profiles.toml, else in ~/.config/keyward/profiles.toml.

Examples:
  keyward config show --effective
  KEYWARD_PROFILE=work keyward status
";

const EXIT_CODES: &str = "\
  0  done
  1  failed
  2  the command was not understood
  3  the vault is sealed, or the control plane cannot be reached
  4  not authorised: no token, one that is not accepted, or one that may not do this
  5  a check found something: `keyward doctor`, `config check`, `routes check`, `audit verify`, `explain`
  130  stopped by Ctrl-C at a question

A server that is stopped by one SIGINT or SIGTERM ends with 0; a second signal ends it at once, with 1.

Examples:
  keyward status || echo \"ended with $?\"
  keyward config check keyward.toml && keyward serve --config keyward.toml
";

const OUTPUT: &str = "\
Results go to standard output, errors and remarks to standard error.

  on a terminal      tables that fit it, names and values in columns
  in a pipe or file  one record per line, fields separated by tabs; no head, no colour, nothing cut off
  with --json        one JSON document; lists are arrays, also of one

An error says what failed, why, where, and what to do:

  error: cannot use the configuration file keyward.toml
    cause: `gatway` is not a known key
    at: keyward.toml:2:2
    help: did you mean `gateway`?

With --json it is one line on standard error:

  {\"error\":{\"what\":…,\"cause\":[…],\"at\":…,\"help\":…},\"exit_code\":1}

Examples:
  keyward keys list --json
  keyward tokens list | cut -f 1,2
";

const SECURITY: &str = "\
A secret is never an argument and never the value of a variable: other users and programs can read those. It comes
from a prompt that does not show it, from standard input, from a file, or from a file descriptor.

  provider keys      a prompt, standard input, or --from-file FILE; sealed when stored, shown never again
  API tokens         KEYWARD_API_TOKEN_FILE, KEYWARD_API_TOKEN_FD, a profile's token file, or a prompt
  gateway tokens     --token-file FILE, KEYWARD_GATEWAY_TOKEN_FILE, KEYWARD_GATEWAY_TOKEN_FD
  passphrases        KEYWARD_PASSPHRASE_FILE, KEYWARD_PASSPHRASE_FD, or a prompt
  what is made new   shown once on a terminal, or written to a new file of mode 0600

`keyward run` alone gives its program a secret in variables, the gateway token, and takes those away that name others.

A token goes to the control plane that it was named for: a profile's to the profile's URL, the one in dev.json to the
URL that stands beside it. Without TLS, commands talk to this machine only, unless --danger-plain-http is given. What
deletes says what it will hit, and wants the name typed or --yes. With --dry-run, what changes something is checked and
told, and nothing is changed.

Examples:
  KEYWARD_API_TOKEN_FILE=admin-token keyward status
  keyward keys add openai --from-file openai-key
";
