//! From the path a client sent to the path upstream: which prefix goes before it.

use crate::pattern::Canonical;

/// How the paths of one provider are joined. The text a client sent is never cut or changed; only what goes
/// before it is chosen.
#[derive(Debug)]
pub(crate) struct Paths {
    /// The base path with both slashes: `/` or `/openai/`.
    base: Box<str>,
    /// The base path and the version that clients may leave out: `/openai/v1/`.
    versioned: Option<Box<str>>,
    /// First segments that need no version before them.
    known: Box<[Box<str>]>,
    /// The whole path that a WebSocket on the bare provider is for.
    websocket: Option<Box<str>>,
}

impl Paths {
    /// `base` has no closing slash; `insert` and `websocket` have no leading one.
    pub(crate) fn build(
        base: &str,
        known: &[String],
        insert: Option<&str>,
        websocket: Option<&str>,
    ) -> Self {
        Self {
            base: format!("{base}/").into(),
            versioned: insert.map(|insert| format!("{base}/{insert}/").into()),
            known: known.iter().map(|known| known.as_str().into()).collect(),
            websocket: websocket.map(|path| format!("{base}/{path}").into()),
        }
    }

    /// Chooses the prefix for `rest`, and says what the path is below the base. Allocates nothing.
    pub(crate) fn join<'a, 'r>(&'a self, rest: &'r str) -> (&'a str, Canonical<'r>) {
        let sent = |rest| Canonical {
            rest,
            inserted: false,
        };
        let Some(versioned) = &self.versioned else {
            return (&self.base, sent(rest));
        };
        if self.begins_with_version(rest) {
            return (&self.base, sent(rest));
        }
        // Clients that cut the host alone off a provider's URL send the base path too.
        if let Some(("/", base)) = self.base.split_at_checked(1)
            && !base.is_empty()
            && let Some(below) = rest.strip_prefix(base)
            && self.begins_with_version(below)
        {
            return ("/", sent(below));
        }
        let inserted = Canonical {
            rest,
            inserted: true,
        };
        (versioned, inserted)
    }

    /// Where a WebSocket on the bare provider goes, where that is known.
    pub(crate) fn websocket(&self) -> Option<(&str, Canonical<'_>)> {
        let path = self.websocket.as_deref()?;
        let rest = path.strip_prefix(self.base.as_ref())?;
        let inserted = false;
        Some((path, Canonical { rest, inserted }))
    }

    /// The path below the base that leads back to `path` through [`join`](Self::join).
    pub(crate) fn cut<'a>(&self, path_and_query: &'a str) -> Option<&'a str> {
        let rest = path_and_query.strip_prefix(self.base.as_ref())?;
        let path = rest.split_once('?').map_or(rest, |(path, _query)| path);
        let (prefix, _) = self.join(path);
        (prefix == self.base.as_ref()).then_some(rest)
    }

    fn begins_with_version(&self, rest: &str) -> bool {
        let first = rest.split_once('/').map_or(rest, |(first, _)| first);
        self.known.iter().any(|known| known.as_ref() == first)
    }
}

#[cfg(test)]
mod tests {
    use super::Paths;

    fn groq() -> Paths {
        Paths::build("/openai", &["v1".to_owned()], Some("v1"), None)
    }

    #[track_caller]
    fn check(rest: &str, prefix: &str) {
        assert_eq!(groq().join(rest).0, prefix);
    }

    #[test]
    fn the_version_and_the_base_may_be_sent_or_left_out() {
        check("chat/completions", "/openai/v1/");
        check("v1/chat/completions", "/openai/");
        check("openai/v1/chat/completions", "/");
        check("openai/chat", "/openai/v1/");
        check("openaiv1", "/openai/v1/");
        check("v1", "/openai/");
        check("v1x/chat", "/openai/v1/");
        check("V1/chat", "/openai/v1/");
        check("", "/openai/v1/");
    }

    #[test]
    fn cutting_undoes_joining() {
        assert_eq!(
            groq().cut("/openai/v1/files?after=x/y"),
            Some("v1/files?after=x/y")
        );
        assert_eq!(groq().cut("/openai/v2/files"), None);
        assert_eq!(groq().cut("/openai"), None);
        assert_eq!(groq().cut("/v1/files"), None);
        let odd = Paths::build("/api", &["v1".to_owned()], Some("v1"), None);
        assert_eq!(odd.cut("/api/api/v1/x"), None);
    }
}
