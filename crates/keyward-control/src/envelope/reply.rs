//! A successful answer, and the envelope that every answer has.

use std::borrow::Cow;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header::CONTENT_TYPE};
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::ToSchema;

use super::{AUTHENTICATION, Problem, ROUTE, Told, VERIFICATION};
use crate::erased::Buffer;

/// A successful answer, ready to be sent.
pub(crate) struct Reply {
    content: Buffer,
    kind: &'static str,
}

/// The content type of the envelope, and of what else is JSON.
const JSON: &str = "application/json";
/// Of what is to be saved and not shown.
const BYTES: &str = "application/octet-stream";

/// How a list is cut into pages.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct ResultInfo {
    /// Which page this is, from 1.
    pub(crate) page: usize,
    /// How many items a full page has.
    pub(crate) per_page: usize,
    /// How many items this page has.
    pub(crate) count: usize,
    /// How many items all pages have.
    pub(crate) total_count: usize,
    /// How many pages there are.
    pub(crate) total_pages: usize,
}

/// How a list goes on that is read by cursor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CursorInfo {
    /// How many items this answer has.
    pub(crate) count: usize,
    /// Where the next answer goes on; null: there is nothing more.
    pub(crate) cursor: Option<String>,
}

/// A remark beside a result.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message {
    code: u32,
    #[schema(value_type = String)]
    message: Cow<'static, str>,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
}

pub(super) struct Envelope<'a, T, I> {
    pub(super) success: bool,
    pub(super) errors: &'a [Told<'a>],
    pub(super) messages: &'a [Message],
    /// Where the result stands.
    pub(super) place: &'static str,
    pub(super) result: Option<T>,
    pub(super) result_info: Option<I>,
}

impl<T: Serialize, I: Serialize> Serialize for Envelope<'_, T, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("success", &self.success)?;
        map.serialize_entry("errors", self.errors)?;
        map.serialize_entry("messages", self.messages)?;
        if let Some(result) = &self.result {
            map.serialize_entry(self.place, result)?;
        }
        if let Some(info) = &self.result_info {
            map.serialize_entry("result_info", info)?;
        }
        map.end()
    }
}

/// Where a result stands, but for what the reference answers otherwise.
pub(super) const RESULT: &str = "result";

impl Reply {
    /// One result.
    pub(crate) fn new(result: &impl Serialize) -> Result<Self, Problem> {
        Self::build(RESULT, Some(result), &[], None::<ResultInfo>)
    }

    /// One page of a list.
    pub(crate) fn page(result: &impl Serialize, info: ResultInfo) -> Result<Self, Problem> {
        Self::build(RESULT, Some(result), &[], Some(info))
    }

    /// One page of the log of requests.
    pub(crate) fn page_of_logs(
        result: &impl Serialize,
        info: &impl Serialize,
    ) -> Result<Self, Problem> {
        Self::build(RESULT, Some(result), &[], Some(info))
    }

    /// That it was done, where the reference has no result.
    pub(crate) fn without_result() -> Result<Self, Problem> {
        Self::build(RESULT, None::<()>, &[], None::<ResultInfo>)
    }

    /// Bytes that somebody else wrote, without the envelope: as JSON where they are that, else to be saved.
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        let mut content = Buffer::with_capacity(bytes.len());
        content.extend(bytes);
        Self {
            content,
            kind: if is_json { JSON } else { BYTES },
        }
    }

    /// A part of a list that is read by cursor.
    pub(crate) fn by_cursor(result: &impl Serialize, info: CursorInfo) -> Result<Self, Problem> {
        Self::build(RESULT, Some(result), &[], Some(info))
    }

    /// The result of a token's verification.
    pub(crate) fn verified(
        result: &impl Serialize,
        message: &'static str,
    ) -> Result<Self, Problem> {
        let message = Message {
            code: AUTHENTICATION,
            message: message.into(),
            kind: None,
        };
        Self::build(RESULT, Some(result), &[message], None::<ResultInfo>)
    }

    /// A result, with what a provider said of the key that it is about.
    pub(crate) fn with_verification(
        result: &impl Serialize,
        message: impl Into<Cow<'static, str>>,
    ) -> Result<Self, Problem> {
        let message = Message {
            code: VERIFICATION,
            message: message.into(),
            kind: None,
        };
        Self::build(RESULT, Some(result), &[message], None::<ResultInfo>)
    }

    /// The whole envelope, for a page that takes it apart.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.content.as_slice()
    }

    /// One result, with remarks on the route that it is about.
    pub(crate) fn with_remarks(
        result: &impl Serialize,
        remarks: impl IntoIterator<Item = String>,
    ) -> Result<Self, Problem> {
        let message = |remark: String| Message {
            code: ROUTE,
            message: remark.into(),
            kind: None,
        };
        let messages: Vec<_> = remarks.into_iter().map(message).collect();
        Self::build(RESULT, Some(result), &messages, None::<ResultInfo>)
    }

    /// One page of a list that the reference has as `data`.
    pub(crate) fn data(data: &impl Serialize, info: ResultInfo) -> Result<Self, Problem> {
        Self::build("data", Some(data), &[], Some(info))
    }

    /// One result that the reference has as `route`.
    pub(crate) fn route(route: &impl Serialize) -> Result<Self, Problem> {
        Self::build("route", Some(route), &[], None::<ResultInfo>)
    }

    fn build(
        place: &'static str,
        result: Option<impl Serialize>,
        messages: &[Message],
        result_info: Option<impl Serialize>,
    ) -> Result<Self, Problem> {
        let envelope = Envelope {
            success: true,
            errors: &[],
            messages,
            place,
            result,
            result_info,
        };
        let mut buffer = Buffer::with_capacity(1024);
        serde_json::to_writer(&mut buffer, &envelope)
            .map_err(|error| Problem::internal("write an answer", &error))?;
        Ok(Self {
            content: buffer,
            kind: JSON,
        })
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = json(self.content);
        let kind = HeaderValue::from_static(self.kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// An answer that tells of a success, unless its status is set.
pub(super) fn json(content: Buffer) -> Response {
    let mut response = Response::new(Body::from(content.into_bytes()));
    let json = HeaderValue::from_static(JSON);
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
