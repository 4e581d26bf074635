//! Profiles: control planes by name, in a file of the user's, so that commands need no options.
//!
//! The file holds no token, only the paths of files that do. Still it is private: whoever could write it could send
//! a token elsewhere.

use std::{
    collections::BTreeMap,
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use keyward_registry::GatewayId;
use keyward_secret::AccountId;
use serde::{Deserialize, Serialize, de};

use crate::{failure::Failure, private_file};

/// A profile's name: 1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

impl Name {
    const RULE: &str =
        "a profile's name has 1 to 64 of a-z, 0-9, `-` and `_`, and begins with a letter or digit";

    /// Parses a name.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(is_fit);
        let goes_on = bytes.all(|byte| is_fit(byte) || matches!(byte, b'-' | b'_'));
        match begins && goes_on && text.len() <= 64 {
            true => Ok(Self(text.to_owned())),
            false => Err(Self::RULE),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One control plane, and who one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Where the control plane is. Checked where it is used: what may be used depends on options.
    pub(crate) control_url: String,
    /// The file with the API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// The gateway that commands mean where none is named.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "gateway",
        serialize_with = "text"
    )]
    pub(crate) gateway: Option<GatewayId>,
    /// The account; without one, the token's.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "account",
        serialize_with = "text"
    )]
    pub(crate) account: Option<AccountId>,
    /// Certificate authorities to trust for this control plane besides the system's, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Every profile of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The one that is used where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<Name>,
    #[serde(rename = "profile", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) by_name: BTreeMap<Name, Profile>,
}

impl Profiles {
    /// Reads the user's file; empty where there is none.
    pub(crate) fn read() -> Result<Self, Failure> {
        match path() {
            Some(path) => Self::read_file(&path),
            None => Ok(Self::default()),
        }
    }

    fn read_file(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::new("cannot read the profiles")
                    .caused_by(&error)
                    .at(path.display().to_string())
                    .help("correct the file's owner and mode, or name the control plane with --control-url"));
            }
        };
        if private_file::is_open_to_others(path) {
            return Err(
                Failure::new("the profiles are not used: others may read or write them")
                    .because("whoever could write them could send a token elsewhere")
                    .at(path.display().to_string())
                    .help(format!(
                        "look at what it says, then `chmod 600 {}`",
                        path.display()
                    )),
            );
        }
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or(&text);
                before.matches('\n').count() + 1
            });
            let place = line.map_or_else(String::new, |line| format!(":{line}"));
            Failure::new("cannot use the profiles")
                .because(error.message().replace('\n', ", "))
                .at(format!("{}{place}", path.display()))
                .help("correct the line, or remove the file and use `keyward profile set`")
        })
    }

    /// Writes the user's file whole (mode 0600), in the place of an older one.
    pub(crate) fn write(&self) -> Result<PathBuf, Failure> {
        let path = path().ok_or_else(|| {
            Failure::new("there is no place for profiles")
                .because("neither XDG_CONFIG_HOME nor HOME is set")
                .help("set HOME, or use KEYWARD_CONTROL_URL and KEYWARD_API_TOKEN_FILE instead")
        })?;
        let fail = |error: &dyn std::error::Error| {
            Failure::new("cannot write the profiles")
                .caused_by(error)
                .at(path.display().to_string())
                .help("make its directory writable, or name another in XDG_CONFIG_HOME")
        };
        let text = toml::to_string(self).map_err(|error| fail(&error))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        private_file::create_directory(directory).map_err(|error| fail(&error))?;
        private_file::replace(&path, text.as_bytes()).map_err(|error| fail(&error))?;
        Ok(path)
    }

    /// The profile of this name.
    pub(crate) fn find(&self, name: &Name) -> Result<&Profile, Failure> {
        self.by_name.get(name).ok_or_else(|| {
            let failure = Failure::usage(format!("there is no profile `{name}`"));
            let names: Vec<_> = self.by_name.keys().map(ToString::to_string).collect();
            match names.as_slice() {
                [] => failure.help("make one with `keyward profile set NAME --control-url URL`"),
                names => failure.help(format!(
                    "`keyward profile list` shows those there are: {}",
                    names.join(", ")
                )),
            }
        })
    }
}

/// Where the profiles are kept; `None` where the environment names no home.
pub(crate) fn path() -> Option<PathBuf> {
    let directory = |name: &str| {
        let path = env::var_os(name).map(PathBuf::from);
        // The specification has relative paths ignored (XDG Base Directory, "Basics").
        path.filter(|path| path.is_absolute())
    };
    let base = directory("XDG_CONFIG_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".config")))?;
    Some(base.join("keyward").join("profiles.toml"))
}

fn gateway<'de, D: de::Deserializer<'de>>(reader: D) -> Result<Option<GatewayId>, D::Error> {
    let text = String::deserialize(reader)?;
    GatewayId::parse(&text).map(Some).map_err(de::Error::custom)
}

fn account<'de, D: de::Deserializer<'de>>(reader: D) -> Result<Option<AccountId>, D::Error> {
    let text = String::deserialize(reader)?;
    AccountId::parse(&text).map(Some).map_err(de::Error::custom)
}

#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
fn text<T: fmt::Display, S: serde::Serializer>(
    value: &Option<T>,
    writer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => writer.collect_str(value),
        None => writer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Profiles};

    #[test]
    fn names_are_plain() {
        for name in ["a", "work", "0-eu_1"] {
            assert!(Name::parse(name).is_ok(), "{name}");
        }
        let long = "a".repeat(65);
        for name in ["", "-a", "_", "A", "a b", "a/b", "é", &long] {
            assert!(Name::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let text = "current = \"work\"\n\n[profile.work]\ncontrol_url = \"https://keys.example.com\"\ntoken_file = \"/run/token\"\ngateway = \"production\"\naccount = \"0123456789abcdef0123456789abcdef\"\n";
        let profiles: Profiles = toml::from_str(text).unwrap();
        assert_eq!(toml::to_string(&profiles).unwrap(), text);
        for wrong in [
            "current = \"Not\"",
            "[profile.a]\ncontrol_url = \"x\"\ntoken = \"kw_api_\"",
            "[profile.a]\ncontrol_url = \"x\"\ngateway = \"NO\"",
            "[profile.a]\n",
        ] {
            assert!(toml::from_str::<Profiles>(wrong).is_err(), "{wrong}");
        }
    }
}
