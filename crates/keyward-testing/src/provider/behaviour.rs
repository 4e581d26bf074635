//! How the fake provider behaves.

use std::time::Duration;

use super::answer::{Answer, AnswerBody};
use crate::Form;

/// How the fake provider behaves; see [`FakeProvider::behave`](super::FakeProvider::behave).
///
/// Unless a variant says otherwise, the request is read, recorded and its key checked first: a bad key is
/// refused as ever. What closes or resets a connection resets the stream over HTTP/2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Answers as a provider that is well.
    #[default]
    Normal,
    /// Reads the request and is silent until released. Checks no key before.
    StallBeforeHead,
    /// Sends the head and half of the body, and the rest when released.
    StallMidBody,
    /// Sends the head and half of the body, and closes the connection (over TLS, without a close alert).
    CutMidBody,
    /// Reads the request and closes the connection without a byte. Checks no key.
    CutBeforeHead,
    /// Closes each new connection unread. Nothing is recorded.
    CloseOnAccept,
    /// Reads the request and resets the connection. Checks no key.
    Reset,
    /// Over HTTP/2, refuses the stream unread: nothing is recorded, no key checked. Over HTTP/1.1, as
    /// [`CutBeforeHead`](Self::CutBeforeHead).
    RefuseStream,
    /// Answers with the key it was given.
    EchoCredential {
        /// The answer's status.
        status: u16,
        /// Where in the answer.
        place: EchoPlace,
        /// In which form.
        form: Form,
    },
    /// Redirects (307) to this location.
    Redirect(String),
    /// Answers this status with this body, as JSON. Checks no key.
    Status(u16, String),
    /// Answers this many bytes.
    LargeBody(u64),
    /// As well, but waits this long before each piece of a streamed body after the first.
    SlowSse(Duration),
    /// As well, but each piece of a streamed body after the first waits for a release.
    GatedSse,
    /// Answers this status before it reads the body, then ends the connection. The body is not recorded;
    /// checks no key.
    EarlyAnswer(u16),
    /// As well, with these header fields besides.
    SetHeaders(Vec<(String, String)>),
}

/// Where an echoed credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EchoPlace {
    /// In the header `x-provider-debug`.
    Header,
    /// In a JSON body.
    Body,
    /// In a JSON body of two chunks, the first of which ends within the credential.
    SplitBody,
    /// In the trailer `x-provider-debug`.
    Trailer,
}

/// Where a body is interrupted, and what lies between its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Even,
    Gap(Duration),
    Gated,
    StallHalfway,
    CutHalfway,
}

impl Behaviour {
    pub(super) const fn pace(&self) -> Pace {
        match self {
            Self::StallMidBody => Pace::StallHalfway,
            Self::CutMidBody => Pace::CutHalfway,
            Self::SlowSse(gap) => Pace::Gap(*gap),
            Self::GatedSse => Pace::Gated,
            _ => Pace::Even,
        }
    }

    /// What is said instead of `usual`, to a request that carried `key`.
    pub(super) fn apply(&self, usual: Answer, key: &str) -> Answer {
        match self {
            Self::EchoCredential {
                status,
                place,
                form,
            } => place
                .echo(&form.encode(key.as_bytes()))
                .with_status(*status),
            Self::Redirect(location) => Answer::json(307, &serde_json::Value::Null)
                .with_header("location", location.as_str()),
            Self::LargeBody(length) => Answer::filler(*length),
            Self::SetHeaders(headers) => headers.iter().fold(usual, |answer, (name, value)| {
                answer.with_header(name, value.as_str())
            }),
            _ => usual,
        }
    }
}

impl EchoPlace {
    fn echo(self, credential: &[u8]) -> Answer {
        const NAME: &str = "x-provider-debug";
        let body = [br#"{"debug":""#, credential, br#""}"#].concat();
        let plain = Answer::whole(200, "application/json", br#"{"debug":null}"#.to_vec());
        match self {
            Self::Header => plain.with_header(NAME, credential),
            Self::Trailer => plain.with_trailer(NAME, credential.to_vec()),
            Self::Body => Answer::whole(200, "application/json", body),
            Self::SplitBody => {
                let mut first = body;
                let second = first.split_off(first.len() / 2);
                let pieces = vec![first, second];
                let mut answer = plain;
                answer.body = AnswerBody::Pieces {
                    pieces,
                    trailers: Vec::new(),
                };
                answer
            }
        }
    }
}
