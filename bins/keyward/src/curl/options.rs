//! curl's options, as far as they say what is sent.

use super::Text;
use crate::failure::Failure;

/// What an option is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Method,
    Header,
    Url,
    UserAgent,
    Referer,
    Cookie,
    Bearer,
    Data,
    /// `@` is no file there.
    RawData,
    EncodedData,
    Json,
    Form,
    Upload,
    Compressed,
    Get,
    Head,
    /// It changes nothing of what is sent.
    Nothing,
    /// The same, with a value.
    Skipped,
    Refused(&'static str),
}

/// Long name, short name, use.
type Line = (&'static str, Option<char>, Use);

const BY_HEADER: &str =
    "send the gateway token in a header: `-H 'cf-aig-authorization: Bearer TOKEN'`";
const ONE: &str = "ask about one request at a time";

const OPTIONS: &[Line] = &[
    ("request", Some('X'), Use::Method),
    ("header", Some('H'), Use::Header),
    ("url", None, Use::Url),
    ("user-agent", Some('A'), Use::UserAgent),
    ("referer", Some('e'), Use::Referer),
    ("cookie", Some('b'), Use::Cookie),
    ("oauth2-bearer", None, Use::Bearer),
    ("data", Some('d'), Use::Data),
    ("data-ascii", None, Use::Data),
    ("data-binary", None, Use::Data),
    ("data-raw", None, Use::RawData),
    ("data-urlencode", None, Use::EncodedData),
    ("json", None, Use::Json),
    ("form", Some('F'), Use::Form),
    ("form-string", None, Use::Form),
    ("upload-file", Some('T'), Use::Upload),
    ("compressed", None, Use::Compressed),
    ("get", Some('G'), Use::Get),
    ("head", Some('I'), Use::Head),
    ("user", Some('u'), Use::Refused(BY_HEADER)),
    ("basic", None, Use::Refused(BY_HEADER)),
    ("digest", None, Use::Refused(BY_HEADER)),
    ("ntlm", None, Use::Refused(BY_HEADER)),
    ("negotiate", None, Use::Refused(BY_HEADER)),
    ("anyauth", None, Use::Refused(BY_HEADER)),
    ("netrc", Some('n'), Use::Refused(BY_HEADER)),
    ("aws-sigv4", None, Use::Refused(BY_HEADER)),
    (
        "config",
        Some('K'),
        Use::Refused("write its options into the line"),
    ),
    ("next", Some(':'), Use::Refused(ONE)),
    ("silent", Some('s'), Use::Nothing),
    ("show-error", Some('S'), Use::Nothing),
    ("no-buffer", Some('N'), Use::Nothing),
    ("include", Some('i'), Use::Nothing),
    ("show-headers", None, Use::Nothing),
    ("verbose", Some('v'), Use::Nothing),
    ("insecure", Some('k'), Use::Nothing),
    ("location", Some('L'), Use::Nothing),
    ("fail", Some('f'), Use::Nothing),
    ("fail-with-body", None, Use::Nothing),
    ("fail-early", None, Use::Nothing),
    ("progress-bar", Some('#'), Use::Nothing),
    ("no-progress-meter", None, Use::Nothing),
    ("globoff", Some('g'), Use::Nothing),
    ("ipv4", Some('4'), Use::Nothing),
    ("ipv6", Some('6'), Use::Nothing),
    ("http1.1", None, Use::Nothing),
    ("http2", None, Use::Nothing),
    ("http2-prior-knowledge", None, Use::Nothing),
    ("http3", None, Use::Nothing),
    ("tlsv1.2", None, Use::Nothing),
    ("tlsv1.3", None, Use::Nothing),
    ("tcp-nodelay", None, Use::Nothing),
    ("path-as-is", None, Use::Nothing),
    ("parallel", Some('Z'), Use::Nothing),
    ("disable", Some('q'), Use::Nothing),
    ("remote-name", Some('O'), Use::Nothing),
    ("remote-header-name", Some('J'), Use::Nothing),
    ("output", Some('o'), Use::Skipped),
    ("max-time", Some('m'), Use::Skipped),
    ("connect-timeout", None, Use::Skipped),
    ("retry", None, Use::Skipped),
    ("retry-delay", None, Use::Skipped),
    ("retry-max-time", None, Use::Skipped),
    ("retry-all-errors", None, Use::Nothing),
    ("write-out", Some('w'), Use::Skipped),
    ("dump-header", Some('D'), Use::Skipped),
    ("cookie-jar", Some('c'), Use::Skipped),
    ("cacert", None, Use::Skipped),
    ("capath", None, Use::Skipped),
    ("cert", Some('E'), Use::Skipped),
    ("key", None, Use::Skipped),
    ("resolve", None, Use::Skipped),
    ("connect-to", None, Use::Skipped),
    ("interface", None, Use::Skipped),
    ("limit-rate", None, Use::Skipped),
    ("max-redirs", None, Use::Skipped),
    ("proxy", Some('x'), Use::Skipped),
    ("noproxy", None, Use::Skipped),
    ("stderr", None, Use::Skipped),
    ("trace", None, Use::Skipped),
    ("trace-ascii", None, Use::Skipped),
    ("unix-socket", None, Use::Skipped),
];

impl Use {
    pub(super) const fn takes_value(self) -> bool {
        !matches!(
            self,
            Self::Compressed | Self::Get | Self::Head | Self::Nothing | Self::Refused(_)
        )
    }

    fn check(self, name: &str) -> Result<Self, Failure> {
        match self {
            Self::Refused(help) => Err(Failure::usage(format!(
                "curl's option `{name}` cannot be explained"
            ))
            .help(help)),
            other => Ok(other),
        }
    }
}

/// An option, and the value that is attached to it.
type Read = (Use, Option<Text>);

/// The options that one word holds; none where it is no option.
pub(super) fn read(word: &str) -> Result<Option<Vec<Read>>, Failure> {
    if let Some(name) = word.strip_prefix("--") {
        return long(name).map(|used| Some(vec![(used, None)]));
    }
    match word.strip_prefix('-') {
        Some(letters) if !letters.is_empty() => short(letters).map(Some),
        _ => Ok(None),
    }
}

fn long(name: &str) -> Result<Use, Failure> {
    let find = |name: &str| OPTIONS.iter().find(|(long, ..)| *long == name);
    if let Some((long, _, used)) = find(name) {
        return used.check(&format!("--{long}"));
    }
    // Every switch can be switched off.
    let off = name.strip_prefix("no-").and_then(find);
    if off.is_some_and(|(.., used)| !used.takes_value()) {
        return Ok(Use::Nothing);
    }
    // What is no option's name may be anything.
    let is_name = name.len() <= 32
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    Err(unknown(&match is_name {
        true => format!("--{name}"),
        false => "--…".to_owned(),
    }))
}

fn short(letters: &str) -> Result<Vec<Read>, Failure> {
    let mut read = Vec::new();
    for (at, letter) in letters.char_indices() {
        let found = OPTIONS.iter().find(|(_, short, _)| *short == Some(letter));
        let Some((.., used)) = found else {
            return Err(unknown(&format!("-{}", letter.escape_default())));
        };
        let used = used.check(&format!("-{letter}"))?;
        if used.takes_value() {
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let attached = (!rest.is_empty()).then(|| Text::new(rest.to_owned()));
            read.push((used, attached));
            break;
        }
        read.push((used, None));
    }
    Ok(read)
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!("curl's option `{name}` is not known here"))
        .help("leave it out, if it changes nothing of what is sent")
}
