//! Where a Redis is.

use std::{fmt, str::FromStr};

use http::Uri;

/// Where a Redis is: `redis://[USER@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. Port 6379 and database 0 where
/// none is named.
///
/// It never holds a password, so it may be printed.
///
/// ```
/// use keyward_limits_redis::RedisUrl;
///
/// let url: RedisUrl = "rediss://keyward@redis.example.com/2".parse()?;
/// assert_eq!(url.to_string(), "rediss://keyward@redis.example.com:6379/2");
/// assert!("redis://keyward:password@redis.example.com".parse::<RedisUrl>().is_err());
/// # Ok::<(), keyward_limits_redis::ParseRedisUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    has_tls: bool,
    user: Option<String>,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    database: u16,
}

/// Why a text is not the URL of a Redis. Quotes nothing of it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseRedisUrlError {
    /// It is not such a URL at all.
    #[error("not of the form redis://[USER@]HOST[:PORT][/DATABASE]")]
    Form,
    /// Its scheme is another.
    #[error("the scheme is neither redis:// nor rediss:// (with TLS)")]
    Scheme,
    /// It holds a password.
    #[error("a password stands in it; keep that in a file of its own")]
    Password,
    /// The user holds other characters than letters, digits, `-`, `_` and `.`.
    #[error("the user holds other characters than letters, digits, `-`, `_` and `.`")]
    User,
    /// The database is not a number.
    #[error("the database is not a number of 0 to 65535")]
    Database,
}

impl RedisUrl {
    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        self.has_tls
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn database(&self) -> u16 {
        self.database
    }
}

impl FromStr for RedisUrl {
    type Err = ParseRedisUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_syntax| ParseRedisUrlError::Form)?;
        let has_tls = match uri.scheme_str() {
            Some("redis") => false,
            Some("rediss") => true,
            _ => return Err(ParseRedisUrlError::Scheme),
        };
        let authority = uri.authority().ok_or(ParseRedisUrlError::Form)?;
        let user = match authority.as_str().rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(ParseRedisUrlError::Password),
            Some((user, _)) => Some(user),
            None => None,
        };
        let is_plain = |user: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !user.is_empty() && user.bytes().all(is_plain)
        };
        if user.is_some_and(|user| !is_plain(user)) {
            return Err(ParseRedisUrlError::User);
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        // `http` does not look at the port's digits before it is asked for it.
        let has_port = authority.as_str().len()
            > authority.host().len() + user.map_or(0, |user| user.len() + 1);
        if host.is_empty() || (has_port && authority.port_u16().is_none()) {
            return Err(ParseRedisUrlError::Form);
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(ParseRedisUrlError::Form);
        }
        let database = match uri.path() {
            "" | "/" => 0,
            path => path
                .strip_prefix('/')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .ok_or(ParseRedisUrlError::Database)?,
        };
        Ok(Self {
            has_tls,
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(6379),
            database,
        })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.has_tls { "rediss" } else { "redis" };
        write!(f, "{scheme}://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => write!(f, "{}", self.host)?,
        }
        write!(f, ":{}/{}", self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::{ParseRedisUrlError, RedisUrl};

    #[test]
    fn urls_are_read_and_written() {
        for (text, written) in [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379/0"),
            ("redis://localhost:7000/", "redis://localhost:7000/0"),
            ("rediss://kw@[::1]:7000/15", "rediss://kw@[::1]:7000/15"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), written);
            assert_eq!(written.parse::<RedisUrl>().unwrap(), url);
        }
    }

    #[test]
    fn what_is_not_one_is_refused_without_a_word_of_it() {
        use ParseRedisUrlError as E;
        for (text, error) in [
            ("", E::Form),
            ("redis://", E::Form),
            ("redis://host:port", E::Form),
            ("redis://host:99999", E::Form),
            ("redis://host/0?protocol=3", E::Form),
            ("rediss://host/#insecure", E::Form),
            ("localhost:6379", E::Scheme),
            ("http://host", E::Scheme),
            ("redis+unix:///tmp/redis", E::Form),
            ("redis://:hunter2@host", E::Password),
            ("redis://user:hunter2@host", E::Password),
            ("redis://user%3Ahunter2@host", E::User),
            ("redis://@host", E::User),
            ("redis://host/x", E::Database),
            ("redis://host/-1", E::Database),
            ("redis://host/65536", E::Database),
            ("redis://host/1/2", E::Database),
        ] {
            assert_eq!(text.parse::<RedisUrl>(), Err(error), "{text}");
        }
        keyward_testing::assert_texts!("ParseRedisUrlError", ParseRedisUrlError {
            E::Form => E::Form,
            E::Scheme => E::Scheme,
            E::Password => E::Password,
            E::User => E::User,
            E::Database => E::Database,
        }, |error| keyward_testing::told(&error));
    }
}
