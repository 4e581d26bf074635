//! `keyward snippet`: the lines by which an application uses a provider.

use keyward_providers::{Catalogue, snippet};
use serde_json::json;

use crate::{
    args::run::SnippetArgs, client::Client, failure::Failure, gateway_access, output::Output,
};

pub(crate) async fn run(args: &SnippetArgs) -> Result<(), Failure> {
    let catalogue = Catalogue::built_in()
        .map_err(|error| Failure::new("cannot read the catalogue").caused_by(&error))?;
    let slug = args.provider.as_str();
    let provider = catalogue.find(slug).ok_or_else(|| {
        let failure = Failure::usage(format!("no provider is called `{slug}`"));
        match catalogue.nearest(slug) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure
                .help("docs/providers.md lists them; `keyward keys list` those that have keys"),
        }
    })?;
    let client = Client::connect(&args.connect).await?;
    let gateway = client.gateway(args.gateway.named.as_ref())?;
    let url = gateway_access::provider_url(&client, &gateway, provider.slug()).await?;
    let language = args.lang.0;
    let text = snippet(provider, language, &url).ok_or_else(|| {
        let name = language.name();
        Failure::new(format!("no lines in {name} are known for {slug}")).help(format!(
            "send what you would send to {}, with the header `cf-aig-authorization: Bearer TOKEN`, to {url}/…",
            provider.name()
        ))
    })?;
    let answer = json!({
        "provider": provider.slug(),
        "gateway": gateway.as_str(),
        "language": language.name(),
        "url": url,
        "text": text,
    });
    Output::new(args.connect.json).done(text.trim_end(), &answer)
}
