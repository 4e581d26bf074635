//! The envelope as the description of the API tells it, and which refusals a route may give.

use http::{Method, StatusCode};
use utoipa::{
    ToSchema,
    openapi::{
        Content, Ref, RefOr, Response, ResponseBuilder, Responses, ResponsesBuilder, Schema,
        path::OperationBuilder,
        schema::{ArrayBuilder, ObjectBuilder, Type},
    },
};

use super::{
    CursorInfo, ResultInfo, Told,
    reply::{Message, RESULT},
};
use crate::{
    openapi::{self, Description, Form},
    route::{Access, Route},
};

const REFUSAL: &str = "Refusal";

/// Every status that a refusal of ours has, the name of its component, and when it is given.
const REFUSALS: &[(StatusCode, &str, &str)] = &[
    (
        StatusCode::BAD_REQUEST,
        "Invalid",
        "The request is not acceptable; `path` says which field.",
    ),
    (
        StatusCode::UNAUTHORIZED,
        "Unauthenticated",
        "No API token, or one that is not good.",
    ),
    (
        StatusCode::FORBIDDEN,
        "Forbidden",
        "The token may not do this, or a web page sent the request.",
    ),
    (
        StatusCode::NOT_FOUND,
        "NotFound",
        "The path, or what it names, is not there, or not the token's.",
    ),
    (
        StatusCode::REQUEST_TIMEOUT,
        "TooSlow",
        "The body did not arrive in time.",
    ),
    (
        StatusCode::CONFLICT,
        "Conflict",
        "What the request refers to is not as the request assumes.",
    ),
    (
        StatusCode::PRECONDITION_FAILED,
        "Changed",
        "What is to be changed was changed after it was read.",
    ),
    (
        StatusCode::FAILED_DEPENDENCY,
        "Unproven",
        "The provider says nothing certain of the value, and nothing was stored.",
    ),
    (
        StatusCode::TOO_MANY_REQUESTS,
        "TooMany",
        "The token has had as many keys verified as it may for now.",
    ),
    (
        StatusCode::PAYLOAD_TOO_LARGE,
        "TooLarge",
        "The body is too large.",
    ),
    (
        StatusCode::MISDIRECTED_REQUEST,
        "Misdirected",
        "The control plane is not reached by the host name of the request.",
    ),
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "Failed",
        "Keyward failed; its log says why.",
    ),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Unavailable",
        "The store does not answer now.",
    ),
];

/// Whether a route may refuse with a status.
fn may_refuse(route: &Route, description: &Description, status: StatusCode) -> bool {
    let is_write = route.method != Method::GET;
    match status {
        StatusCode::FORBIDDEN => is_write || matches!(route.access, Access::Permission(..)),
        StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
            is_write && route.method != Method::DELETE
        }
        StatusCode::CONFLICT => description.conflicts(),
        StatusCode::PRECONDITION_FAILED => description.has_precondition(),
        StatusCode::FAILED_DEPENDENCY => description.stores_what_is_proven(),
        StatusCode::TOO_MANY_REQUESTS => description.asks_provider(),
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => {
            is_write || description.reads_store()
        }
        _ => true,
    }
}

pub(crate) fn responses(route: &Route, description: &Description) -> Responses {
    let mut done = ResponseBuilder::new().description("Carried out.");
    if description.form() == Form::Raw {
        // What is no JSON is bytes.
        done = done
            .content("application/json", content(description.result().clone()))
            .content(
                "application/octet-stream",
                content(description.result().clone()),
            );
    } else {
        done = done.content("application/json", content(success(description)));
    }
    let refusals = REFUSALS
        .iter()
        .filter(|(status, ..)| may_refuse(route, description, *status));
    ResponsesBuilder::new()
        .response(StatusCode::OK.as_str(), done)
        .responses_from_iter(refusals.map(|(status, name, _)| (status.as_str(), refusal(name))))
        .build()
}

fn refusal(name: &str) -> RefOr<Response> {
    Ref::from_response_name(name).into()
}

/// The refusals of the metrics, whose success has no envelope.
pub(crate) fn metrics_refusals(operation: OperationBuilder) -> OperationBuilder {
    let may_be = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::MISDIRECTED_REQUEST,
    ];
    let refusals = REFUSALS
        .iter()
        .filter(|(status, ..)| may_be.contains(status));
    refusals.fold(operation, |operation, (status, name, _)| {
        operation.response(status.as_str(), refusal(name))
    })
}

/// The refusals as components.
pub(crate) fn refusals() -> impl Iterator<Item = (&'static str, Response)> {
    REFUSALS.iter().map(|(_, name, when)| {
        let refusal = Ref::from_schema_name(REFUSAL);
        let response = ResponseBuilder::new()
            .description(*when)
            .content("application/json", content(refusal));
        (*name, response.build())
    })
}

/// The parts of the envelope as components.
pub(crate) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = Vec::new();
    openapi::reference::<Message>(&mut schemas);
    openapi::reference::<ResultInfo>(&mut schemas);
    openapi::reference::<CursorInfo>(&mut schemas);
    let fault = openapi::reference::<Told<'_>>(&mut schemas);
    let faults = ArrayBuilder::new().items(fault).min_items(Some(1));
    let refusal = envelope(false, faults, Some((RESULT, openapi::null())));
    schemas.push((REFUSAL.to_owned(), refusal.into()));
    schemas
}

fn success(description: &Description) -> Schema {
    let none = ArrayBuilder::new()
        .items(utoipa::openapi::Object::new())
        .max_items(Some(0));
    let result = (description.place(), description.result().clone());
    let result = (description.form() == Form::Result).then_some(result);
    let mut success = envelope(true, none, result);
    if let Some(info) = description.info() {
        success = success
            .property("result_info", info.clone())
            .required("result_info");
    }
    if description.is_page() {
        success = success
            .property("result_info", Ref::from_schema_name(ResultInfo::name()))
            .required("result_info");
    }
    if description.is_by_cursor() {
        success = success
            .property("result_info", Ref::from_schema_name(CursorInfo::name()))
            .required("result_info");
    }
    success.into()
}

fn envelope(
    success: bool,
    errors: ArrayBuilder,
    result: Option<(&'static str, impl Into<RefOr<Schema>>)>,
) -> ObjectBuilder {
    let success = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([success]));
    let messages = ArrayBuilder::new().items(Ref::from_schema_name(Message::name()));
    let envelope = ObjectBuilder::new()
        .property("success", success)
        .required("success")
        .property("errors", errors)
        .required("errors")
        .property("messages", messages)
        .required("messages");
    match result {
        Some((place, result)) => envelope.property(place, result).required(place),
        None => envelope,
    }
}

pub(crate) fn content(schema: impl Into<RefOr<Schema>>) -> Content {
    Content::new(Some(schema))
}
