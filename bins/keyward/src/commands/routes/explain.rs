//! `keyward routes explain`.

use http::Method;
use serde_json::{Value, json};

use super::{
    file::{self, GraphFile},
    find::{Route, pick},
    told,
};
use crate::{
    args::routes::{ExplainRoute, Header},
    client::{Client, text},
    failure::Failure,
    output::Output,
};

pub(super) async fn run(args: &ExplainRoute) -> Result<(), Failure> {
    // Others can read arguments, and no condition reads such a header. Its value is not repeated.
    let is_refused = |header: &&Header| keyward_routes::may_carry_credentials(&header.name);
    if let Some(header) = args.header.iter().find(is_refused) {
        let name = &header.name;
        return Err(Failure::usage(format!(
            "the header `{name}` may carry a credential, which no route reads"
        ))
        .at("--header")
        .help("leave it out: nothing is sent, so that none is needed"));
    }
    let body = args.body.as_deref().map(file::read_json).transpose()?;
    let draft = args.from_file.as_deref().map(GraphFile::read).transpose()?;
    let elements = draft.as_ref().map(GraphFile::elements).transpose()?;
    let client = Client::connect(&args.connect).await?;
    let route = Route::find(&client, &args.which).await?;
    let version = match &args.version {
        Some(name) => {
            let versions = route.versions(&client).await?;
            Some(text(pick(&route, &versions, name)?, "version_id"))
        }
        None => None,
    };
    let mut headers = serde_json::Map::new();
    for header in &args.header {
        // Of a header that is sent twice a route reads the first.
        let value = json!(header.value);
        headers.entry(header.name.as_str()).or_insert(value);
    }
    let fields = [
        ("body", body.map(|body| body.get().to_owned())),
        (
            "headers",
            (!headers.is_empty()).then(|| Value::from(headers).to_string()),
        ),
        (
            "metadata",
            args.metadata.as_ref().map(|given| given.get().to_owned()),
        ),
        ("draw", args.draw.map(|part| json!(part).to_string())),
        ("version_id", version.map(|id| json!(id).to_string())),
        (
            "elements",
            elements.map(|elements| elements.get().to_owned()),
        ),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let question = file::object(fields);
    let path = format!("{}/explain", route.path());
    let explained = client.send_told(Method::POST, &path, Some(question)).await;
    let (explained, remarks) = explained.map_err(|failure| match &draft {
        Some(draft) => failure.at_field("elements", draft.name()),
        None => failure,
    })?;
    told::remarks(&remarks);
    let way = told::way(&explained);
    let way: Vec<_> = way
        .iter()
        .map(|(element, told)| (element.as_str(), told.clone()))
        .collect();
    Output::new(args.connect.json).fields(&way, &explained)
}
