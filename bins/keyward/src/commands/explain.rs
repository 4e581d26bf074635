//! `keyward explain`: what the gateway would do with a request.

mod read;
mod told;

use bytes::Bytes;
use http::Method;
use keyward_providers::TOKEN_VARIABLE;
use keyward_registry::ProviderSlug;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    args::explain::ExplainArgs,
    client::{Client, text},
    curl::{self, Request, Text},
    failure::Failure,
    gateway_access,
    output::{Output, remark},
};

pub(crate) async fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let (client, request) = match &args.provider {
        Some(provider) => {
            let client = Client::connect(&args.connect).await?;
            let request = build(args, &client, provider).await?;
            (client, request)
        }
        None => {
            let line = read::line(args.file.as_deref())?;
            let client = Client::connect(&args.connect).await?;
            let request = curl::parse(&line, |name| variable(name, args, &client))?;
            (client, request)
        }
    };
    let question = question(&request, args)?;
    let path = "/keyward/explain";
    let explained = client.send(Method::POST, path, Some(question)).await?;
    let gateway_url = text(&explained, "gateway_url");
    if !args.connect.json && !is_at(&gateway_url, &request.authority) {
        // Which, is not repeated: a variable that stands for a key may be among it.
        remark(format_args!(
            "note: the request is addressed to another host; this is what the gateway at {gateway_url} would do with it"
        ));
    }
    let fields = told::fields(&request.method, &explained);
    Output::new(args.connect.json).fields(&fields, &explained)?;
    match explained.get("refusal") {
        None | Some(Value::Null) => Ok(()),
        Some(refusal) => Err(told::refusal(refusal)),
    }
}

/// A request of the kind that an application sends.
async fn build(
    args: &ExplainArgs,
    client: &Client,
    provider: &ProviderSlug,
) -> Result<Request, Failure> {
    let token = token(args, client)?;
    let gateway = client.gateway(args.gateway.named.as_ref())?;
    let base = gateway_access::base_url(client, &gateway).await?;
    let behind = base
        .split_once("://")
        .map_or(base.as_str(), |(_, behind)| behind);
    let (authority, base) = behind.split_once('/').unwrap_or((behind, ""));
    let target = match args.path.trim_start_matches('/') {
        "" => format!("/{base}/{provider}"),
        path => format!("/{base}/{provider}/{path}"),
    };
    let own = |text: &str| Text::new(text.to_owned());
    let mut headers = vec![
        (own("host"), own(authority)),
        (own("content-type"), own("application/json")),
        (own("cf-aig-authorization"), curl::bearer(&token)),
    ];
    if let Some(alias) = &args.alias {
        headers.push((own("cf-aig-byok-alias"), own(alias.as_str())));
    }
    Ok(Request {
        method: args.method.to_string(),
        authority: authority.to_owned(),
        target: Text::new(target),
        headers,
    })
}

/// What `$NAME` in a line stands for.
fn variable(name: &str, args: &ExplainArgs, client: &Client) -> Result<Option<Text>, Failure> {
    if let Some(value) = std::env::var_os(name) {
        let value = value.into_string().map_err(|_bytes| {
            Failure::usage(format!("the variable {name} holds no text"))
                .help("set it anew, or write its value into a file")
        })?;
        return Ok(Some(Text::new(value)));
    }
    match name {
        TOKEN_VARIABLE => token(args, client).map(Some),
        "KEYWARD_ACCOUNT_ID" => Ok(Some(Text::new(client.account().to_owned()))),
        _ => Ok(None),
    }
}

fn token(args: &ExplainArgs, client: &Client) -> Result<Text, Failure> {
    let token = gateway_access::token(args.token_file.as_deref(), client.identity())?;
    let token = std::str::from_utf8(token.expose());
    let token = token.map_err(|_bytes| Failure::usage("the gateway token is no text"))?;
    Ok(Text::new(token.to_owned()))
}

/// The body of the question, in memory that is erased.
fn question(request: &Request, args: &ExplainArgs) -> Result<Bytes, Failure> {
    #[derive(Serialize)]
    struct Question<'a> {
        method: &'a str,
        target: &'a str,
        headers: Vec<[&'a str; 2]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    }
    /// An escape of six characters at most for each byte.
    const LONGEST: usize = 6;
    let headers = request.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| [name.as_str(), value.as_str()])
        .collect();
    let length = |[name, value]: &[&str; 2]| name.len() + value.len() + 8;
    let texts: usize = headers.iter().map(length).sum();
    let room = LONGEST * (request.method.len() + request.target.len() + texts) + 256;
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    let question = Question {
        method: &request.method,
        target: &request.target,
        headers,
        source: args.source.map(|source| source.to_string()),
    };
    serde_json::to_writer(&mut *body, &question)
        .map_err(|error| Failure::new("cannot write the request").caused_by(&error))?;
    Ok(Bytes::from_owner(body))
}

/// Whether a URL names this host and port.
fn is_at(url: &str, authority: &str) -> bool {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    behind.eq_ignore_ascii_case(authority)
}
