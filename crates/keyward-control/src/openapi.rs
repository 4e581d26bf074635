//! What the API is, as an OpenAPI 3.1 document: made from the table of routes, so that it names no route that
//! is not there and leaves none out.

mod description;
mod places;

use utoipa::openapi::{
    ComponentsBuilder, HttpMethod, Info, OpenApi, OpenApiBuilder, Paths, Required,
    extensions::ExtensionsBuilder,
    path::{Operation, OperationBuilder},
    request_body::RequestBodyBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    server::Server,
};

pub(crate) use self::description::{
    Description, Flag, Form, Off, choice, choice_or_null, null, reference,
};
use crate::{
    envelope::schema,
    route::{Access, Route, routes},
};

/// Where the document is. Anyone may read it who reaches the control plane: it tells of no account, and nothing
/// that the repository does not.
pub(crate) const PATH: &str = "/client/v4/openapi.json";

const BEARER: &str = "api_token";

/// The document as JSON.
pub(crate) fn text(version: &str) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&document(version))?;
    text.push('\n');
    Ok(text)
}

fn document(version: &str) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new();
    for route in routes() {
        let description = (route.describe)();
        components = components.schemas_from_iter(description.schemas().iter().cloned());
        if let Some(method) = method(route) {
            paths.add_path_operation(route.path, vec![method], operation(route, &description));
        }
    }
    for open in places::open() {
        components = components.schemas_from_iter(open.schemas);
        paths.add_path_operation(open.path, vec![HttpMethod::Get], open.operation);
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API token, `kw_api_…`. Nothing else authenticates.",
        ))
        .build();
    let components = components
        .schemas_from_iter(schema::schemas())
        .responses_from_iter(schema::refusals())
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .build();
    OpenApiBuilder::new()
        .info(info(version))
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .components(Some(components))
        .build()
}

fn info(version: &str) -> Info {
    let mut info = Info::new("Keyward's control plane", version);
    info.description = Some(
        "A REST API in the shapes of Cloudflare's v4 API. Bodies are read as JSON whatever their content type \
         says. docs/compatibility.md tells where Keyward differs from Cloudflare."
            .to_owned(),
    );
    info
}

/// The method as the document writes it. The table has none but these; one more would leave its route out, and
/// the test that counts routes would fail.
fn method(route: &Route) -> Option<HttpMethod> {
    match route.method.as_str() {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        "PUT" => Some(HttpMethod::Put),
        "PATCH" => Some(HttpMethod::Patch),
        "DELETE" => Some(HttpMethod::Delete),
        _ => None,
    }
}

fn operation(route: &Route, description: &Description) -> Operation {
    let (needs, permission) = match route.access {
        Access::Verify => ("Needs an API token, which may have expired.", None),
        Access::AnyToken => ("Needs any API token.", None),
        Access::Permission(permission, _) => ("", Some(permission.name())),
    };
    let needs = permission.map_or_else(
        || needs.to_owned(),
        |name| {
            format!("Needs an API token with the permission `{name}` for what the request touches.")
        },
    );
    let text = match description.further() {
        Some(details) => format!("{details}\n\n{needs}"),
        None => needs,
    };
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.name))
        .tag(places::tag(route.path))
        .summary(Some(description.summary()))
        .description(Some(text))
        .security(SecurityRequirement::new(BEARER, [""; 0]));
    if let Some(name) = permission {
        let permission = ExtensionsBuilder::new().add("x-permission", name);
        operation = operation.extensions(Some(permission.build()));
    }
    for parameter in places::path_parameters(route.path) {
        operation = operation.parameter(parameter);
    }
    for parameter in description.query_parameters() {
        operation = operation.parameter(parameter.clone());
    }
    if let Some(body) = description.request_body() {
        let required = if body.is_required {
            Required::True
        } else {
            Required::False
        };
        operation = operation.request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", schema::content(body.schema.clone()))
                .required(Some(required))
                .build(),
        ));
    }
    operation
        .responses(schema::responses(route, description))
        .build()
}
