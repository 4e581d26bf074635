//! The texts of a request and its answer that the log keeps, in one buffer.

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{CONTENT_TYPE, USER_AGENT},
};
use keyward_auth::TokenId;
use keyward_routes::Metadata;

/// What the client says of its request (wire-spec §2.1).
const METADATA: HeaderName = HeaderName::from_static("cf-aig-metadata");
const COLLECT: HeaderName = HeaderName::from_static("cf-aig-collect-log");
const CUSTOM_COST: HeaderName = HeaderName::from_static("cf-aig-custom-cost");
const COLLECT_BODIES: HeaderName = HeaderName::from_static("cf-aig-collect-log-payload");
const TRACE: HeaderName = HeaderName::from_static("cf-aig-otel-trace-id");
const PARENT_SPAN: HeaderName = HeaderName::from_static("cf-aig-otel-parent-span-id");

/// What the client says of its request in `cf-aig-metadata`; nothing where that is absent or cannot be read.
pub(crate) fn metadata(headers: &HeaderMap) -> Metadata {
    let value = headers.get(METADATA);
    let metadata = value.map(|value| Metadata::parse(value.as_bytes()));
    metadata.unwrap_or_default()
}

/// One of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Text {
    /// The request's path, whole and without its query.
    Path,
    UserAgent,
    RequestType,
    Metadata,
    CustomCost,
    Event,
    ResponseType,
    /// The trace that the client wants it in, and the span that it is a part of.
    Trace,
    ParentSpan,
}

impl Text {
    /// How much of it is taken along, in bytes. The log keeps less; of what is masked there, it looks a little further.
    const fn most(self) -> usize {
        match self {
            Self::Path | Self::UserAgent | Self::RequestType | Self::ResponseType => 512,
            Self::Event => 256,
            Self::Trace | Self::ParentSpan => 64,
            // Five entries of the longest names and texts that the log keeps.
            Self::Metadata | Self::CustomCost => 8 * 1024,
        }
    }
}

/// Whether a request is told of, as its gateway and its head say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// Whether the gateway has its requests told of.
    pub(crate) by_gateway: bool,
    /// Who sends it.
    pub(crate) token: Option<TokenId>,
    /// Whether the client says something for the log. Asked of the head, so that its headers are looked for seldom.
    pub(crate) has_said: bool,
}

impl Noted {
    /// Whether a request with these headers is told of: the client's word counts more than the gateway's.
    pub(crate) fn is_told(self, headers: &HeaderMap) -> bool {
        let asked = self.has_said.then(|| headers.get(COLLECT)).flatten();
        match asked.map(HeaderValue::as_bytes) {
            Some(b"true") => true,
            Some(b"false") => false,
            _ => self.by_gateway,
        }
    }

    /// Whether the bodies of a request with these headers may be kept: where its gateway has its requests told of, and its
    /// client does not object.
    pub(crate) fn may_keep_bodies(self, headers: &HeaderMap) -> bool {
        let mut asked = headers.get_all(COLLECT_BODIES).iter();
        // Whatever else it says is not taken for consent.
        let is_let = asked.all(|asked| asked.as_bytes() == b"true");
        self.by_gateway && self.is_told(headers) && is_let
    }
}

/// Whether a header of this name says something for the log.
pub(crate) fn is_said(name: &HeaderName) -> bool {
    [
        METADATA,
        COLLECT,
        CUSTOM_COST,
        COLLECT_BODIES,
        TRACE,
        PARENT_SPAN,
    ]
    .contains(name)
}

/// Texts, one after the other: each with its kind and its length before it.
#[derive(Debug)]
pub(crate) struct Texts(Vec<u8>);

impl Texts {
    /// Of a request, before its headers are rewritten.
    pub(crate) fn of(
        headers: &HeaderMap,
        uri: &Uri,
        event: Option<&HeaderValue>,
        noted: Noted,
    ) -> Self {
        let said = |name: &HeaderName| headers.get(name).filter(|_| noted.has_said);
        let values = [
            (Text::UserAgent, headers.get(USER_AGENT)),
            (Text::RequestType, headers.get(CONTENT_TYPE)),
            (Text::Event, event),
            (Text::Metadata, said(&METADATA)),
            (Text::CustomCost, said(&CUSTOM_COST)),
            (Text::Trace, said(&TRACE)),
            (Text::ParentSpan, said(&PARENT_SPAN)),
        ];
        // One allocation for all of it, and for the type of an answer.
        const ANSWER: usize = 64;
        let length = values
            .iter()
            .filter_map(|(_, value)| Some(value.as_ref()?.len() + 3));
        let length = length.sum::<usize>() + uri.path().len() + ANSWER;
        let mut texts = Self(Vec::with_capacity(length));
        texts.push(Text::Path, uri.path().as_bytes());
        for (text, value) in values {
            if let Some(value) = value {
                texts.push(text, value.as_bytes());
            }
        }
        texts
    }

    /// Of a request of which nothing else is to be kept.
    pub(crate) fn of_path(uri: &Uri) -> Self {
        let mut texts = Self(Vec::with_capacity(uri.path().len() + 3));
        texts.push(Text::Path, uri.path().as_bytes());
        texts
    }

    /// Takes one more along. Of one that is too long the start, but of what is read by a parser nothing: half of it means
    /// something else.
    pub(crate) fn push(&mut self, text: Text, bytes: &[u8]) {
        let most = text.most();
        let bytes = match text {
            Text::Metadata | Text::CustomCost | Text::Event | Text::Trace | Text::ParentSpan
                if bytes.len() > most =>
            {
                return;
            }
            _ => bytes.get(..most).unwrap_or(bytes),
        };
        let Ok(length) = u16::try_from(bytes.len()) else {
            return;
        };
        self.0.push(text as u8);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// The text of a kind.
    pub(crate) fn get(&self, text: Text) -> Option<&[u8]> {
        let mut rest = self.0.as_slice();
        while let Some(([kind, low, high], behind)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            let (bytes, behind) = behind.split_at_checked(length)?;
            if *kind == text as u8 {
                return Some(bytes);
            }
            rest = behind;
        }
        None
    }

    /// What they take in memory, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.0.capacity()
    }
}
