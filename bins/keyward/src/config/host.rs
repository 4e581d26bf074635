//! `allowed_hosts`: names by which the control plane may be addressed.

use keyward_secret::Origin;
use serde::Deserialize;

/// A host name with or without a port, that was checked where it was read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostName(String);

impl HostName {
    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refuse = |why: &str| Err(format!("`{text}` is no host name: {why}"));
        if text.contains("://") {
            return refuse("leave out the scheme, such as `keys.example.com`");
        }
        if text.contains('*') {
            return refuse("there are no patterns; name each host");
        }
        if text.contains(['/', '@', '?', '#', ' ']) {
            return refuse("it holds more than a host and a port");
        }
        match Origin::parse(&format!("https://{text}")) {
            Ok(_) => Ok(Self(text)),
            Err(error) => refuse(&error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HostName;

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "keys.example.com",
            "keys.example.com:8788",
            "10.0.0.1",
            "[2001:db8::1]",
            "[2001:db8::1]:443",
            "keyward",
        ] {
            assert!(HostName::try_from(text.to_owned()).is_ok(), "{text}");
        }
        for text in [
            "",
            " ",
            "https://keys.example.com",
            "keys.example.com/x",
            "*.example.com",
            "user@keys.example.com",
            "keys example",
            "keys.example.com:port",
            "keys.example.com:99999",
            "a..b",
            "2001:db8::1",
        ] {
            assert!(HostName::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
