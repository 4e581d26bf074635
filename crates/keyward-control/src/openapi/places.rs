//! Paths: what their open parts are, and those that need no token.

use utoipa::openapi::{
    RefOr, Required, ResponseBuilder, Schema,
    path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};

use super::description;
use crate::{
    api::health::{Live, Ready},
    envelope::schema::{content, metrics_refusals},
};

/// What an open part of a path is: its description, and the form that it must have to name anything.
const PARTS: &[(&str, &str, &str)] = &[
    ("account", "The account's id.", "^[0-9a-f]{32}$"),
    ("store", "The secrets store's id.", "^[0-9a-f]{32}$"),
    ("version", "The id of a version.", "^[0-9a-f]{32}$"),
    ("gateway", "The gateway's id.", "^[a-z0-9][a-z0-9-]{0,63}$"),
];

/// The open parts of a path.
pub(super) fn path_parameters(path: &str) -> impl Iterator<Item = Parameter> {
    let parts = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    parts.map(|name| {
        let known = PARTS.iter().find(|(known, ..)| *known == name);
        let text = ObjectBuilder::new().schema_type(Type::String);
        let (description, schema) = match known {
            Some((_, description, pattern)) => (*description, text.pattern(Some(*pattern))),
            None => ("What the path names.", text.min_length(Some(1))),
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(Schema::from(schema)))
            .build()
    })
}

/// The resource that a path belongs to: what follows the account, or else the prefix.
pub(super) fn tag(path: &str) -> &str {
    let rest = path.trim_start_matches("/client/v4/");
    let rest = rest
        .split_once("{account}/")
        .map_or(rest, |(_, below)| below);
    rest.split('/').next().unwrap_or(rest)
}

/// A path that needs no token.
pub(super) struct Open {
    pub(super) path: &'static str,
    pub(super) operation: Operation,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

/// The paths that need no token. They answer outside the envelope.
pub(super) fn open() -> [Open; 4] {
    let mut live = Vec::new();
    let mut ready = Vec::new();
    let is_live = description::reference::<Live<'_>>(&mut live);
    let is_ready = description::reference::<Ready>(&mut ready);
    [
        Open {
            path: "/healthz",
            operation: probe("Tells that the process runs")
                .response("200", json("It runs.", is_live))
                .build(),
            schemas: live,
        },
        Open {
            path: "/readyz",
            operation: probe("Tells whether requests can be served")
                .response("200", json("They can.", is_ready.clone()))
                .response("503", json("They cannot, and why.", is_ready))
                .build(),
            schemas: ready,
        },
        Open {
            path: "/metrics",
            operation: metrics(),
            schemas: Vec::new(),
        },
        Open {
            path: super::PATH,
            operation: probe("This description")
                .response("200", json("The description.", any_object()))
                .build(),
            schemas: Vec::new(),
        },
    ]
}

fn probe(summary: &'static str) -> OperationBuilder {
    OperationBuilder::new()
        .tag("operation")
        .summary(Some(summary))
        .securities(Some([]))
}

fn metrics() -> Operation {
    let text = Schema::from(ObjectBuilder::new().schema_type(Type::String));
    let text = ResponseBuilder::new()
        .description("The metrics.")
        .content("text/plain", content(text));
    let details = "Where the listener is not on loopback, it needs an API token with the permission `Account \
                   Analytics Read`.";
    metrics_refusals(
        probe("Metrics in Prometheus' text format")
            .description(Some(details))
            .response("200", text),
    )
    .build()
}

fn json(when: &'static str, schema: impl Into<RefOr<Schema>>) -> ResponseBuilder {
    ResponseBuilder::new()
        .description(when)
        .content("application/json", content(schema))
}

fn any_object() -> Schema {
    ObjectBuilder::new().schema_type(Type::Object).into()
}
