//! The cookies of the dashboard: their names, and reading and writing them.

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, InvalidHeaderValue},
};

use super::nonce::{Digest, Nonce, digest};

/// The names of both cookies, and whether the browser may send them without TLS.
///
/// Under TLS the prefix `__Host-` makes the browser refuse a cookie of that name from any other host or from plain
/// HTTP. On loopback there is none such, and every port shares its cookies, so the name is one that no other program
/// can know beforehand. A program that the same browser visits on another port receives the cookie all the same.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    session: String,
    before: String,
    is_secure: bool,
}

impl Cookies {
    pub(crate) fn new(has_tls: bool, suffix: &str) -> Self {
        if has_tls {
            return Self {
                session: "__Host-keyward".to_owned(),
                before: "__Host-keyward-before".to_owned(),
                is_secure: true,
            };
        }
        Self {
            session: format!("keyward-{suffix}"),
            before: format!("keyward-before-{suffix}"),
            is_secure: false,
        }
    }

    /// The digest of what the session's cookie holds.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<Digest> {
        find(headers, &self.session).map(digest)
    }

    /// What the cookie from before the sign-in holds.
    pub(crate) fn before<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        find(headers, &self.before)
    }

    pub(crate) fn set_session(&self, value: &Nonce) -> Result<HeaderValue, InvalidHeaderValue> {
        self.set(&self.session, value)
    }

    pub(crate) fn set_before(&self, value: &Nonce) -> Result<HeaderValue, InvalidHeaderValue> {
        self.set(&self.before, value)
    }

    pub(crate) fn forget_session(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        self.forget(&self.session)
    }

    pub(crate) fn forget_before(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        self.forget(&self.before)
    }

    /// Without an end of its own: it goes with the browser's session, and ours ends earlier.
    fn set(&self, name: &str, value: &Nonce) -> Result<HeaderValue, InvalidHeaderValue> {
        let (value, secure) = (value.expose(), self.secure());
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}");
        let mut header = HeaderValue::try_from(text)?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn forget(&self, name: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        let secure = self.secure();
        HeaderValue::try_from(format!(
            "{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{secure}"
        ))
    }

    const fn secure(&self) -> &'static str {
        if self.is_secure { "; Secure" } else { "" }
    }
}

/// The value of a cookie that the request carries once. Twice is none: who could set another one must not choose.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let all = headers.get_all(COOKIE).iter();
    let pairs = all.flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    });
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::COOKIE};

    use super::{Cookies, find};
    use crate::dashboard::nonce::Nonce;

    #[track_caller]
    fn check(cookies: &[&'static str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        assert_eq!(
            find(&headers, "keyward-1"),
            expected.map(str::as_bytes),
            "{cookies:?}"
        );
    }

    #[test]
    fn one_cookie_of_the_name_is_found_and_two_are_none() {
        check(&["keyward-1=abc"], Some("abc"));
        check(&["a=b; keyward-1=abc;c=d"], Some("abc"));
        check(&["a=b", "keyward-1=abc"], Some("abc"));
        check(&["keyward-1=abc; keyward-1=abd"], None);
        check(&["keyward-1=abc", "keyward-1=abc"], None);
        check(&["keyward-12=abc; xkeyward-1=abc; keyward-1="], None);
        check(&[], None);
    }

    #[test]
    fn cookies_say_where_they_may_go() {
        let value = Nonce::generate().unwrap();
        let plain = Cookies::new(false, "0a1b2c3d").set_session(&value).unwrap();
        assert!(plain.is_sensitive());
        let plain = plain.to_str().unwrap();
        assert!(plain.starts_with("keyward-0a1b2c3d="), "{plain}");
        assert!(plain.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
        let secure = Cookies::new(true, "0a1b2c3d").set_session(&value).unwrap();
        let secure = secure.to_str().unwrap();
        assert!(secure.starts_with("__Host-keyward="), "{secure}");
        assert!(secure.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"));
        assert!(!secure.contains("Domain"));
    }
}
