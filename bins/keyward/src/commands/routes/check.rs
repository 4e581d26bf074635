//! What is wrong with a graph, found on this machine.

use std::path::Path;

use keyward_providers::Catalogue;
use keyward_registry::{CustomSlug, GatewayId};
use keyward_routes::{Graph, GraphError, Known, Servable};
use serde_json::{Value, json};

use super::{file::GraphFile, told};
use crate::{
    client::{CUSTOM_PROVIDERS, Client, keys_path, text},
    dry_run::Plan,
    failure::Failure,
    output::print,
};

/// What a parser asks, as far as it is known here.
struct Here {
    catalogue: Catalogue,
    /// The account's own providers, where they were asked for.
    custom: Option<Vec<String>>,
    /// Providers of which the gateway has keys, where it was asked.
    with_key: Option<Vec<String>>,
}

impl Here {
    fn new() -> Result<Self, Failure> {
        let catalogue = Catalogue::built_in()
            .map_err(|error| Failure::new("cannot read the catalogue").caused_by(&error))?;
        Ok(Self {
            catalogue,
            custom: None,
            with_key: None,
        })
    }
}

impl Known for Here {
    fn provider(&self, slug: &str) -> Servable {
        if let Some(provider) = self.catalogue.find(slug) {
            return match provider.compat() {
                Some(_) => Servable::Yes,
                None => Servable::NoCompatiblePath,
            };
        }
        let is_there = match &self.custom {
            Some(slugs) => {
                let bare = slug.strip_prefix(CustomSlug::PREFIX);
                bare.is_some_and(|bare| slugs.iter().any(|known| known == bare))
            }
            None => slug.starts_with(CustomSlug::PREFIX),
        };
        match is_there {
            true => Servable::Yes,
            false => Servable::Unknown,
        }
    }

    fn has_key(&self, slug: &str) -> bool {
        let slugs = self.with_key.as_ref();
        // Keys are stored under the slug itself, and a route may have another name of it.
        let slug = self
            .catalogue
            .find(slug)
            .map_or(slug, |provider| provider.slug());
        slugs.is_none_or(|slugs| slugs.iter().any(|known| known == slug))
    }
}

/// `keyward routes check`.
pub(super) fn run(path: &Path, json: bool) -> Result<(), Failure> {
    let file = GraphFile::read(path)?;
    let parsed = Graph::parse_text(file.text(), &Here::new()?);
    if json {
        let found = match &parsed {
            Ok(graph) => json!({
                "file": file.name(),
                "usable": true,
                "findings": [],
                "warnings": warnings(graph),
            }),
            Err(error) => json!({
                "file": file.name(),
                "usable": false,
                "findings": findings(error),
                "warnings": [],
            }),
        };
        print(found)?;
    }
    let graph = parsed.map_err(|error| refused(Failure::found, &file, &error))?;
    if json {
        return Ok(());
    }
    told::remarks(&warnings_of(&graph));
    print(format_args!(
        "{} is a route of {} elements",
        file.name(),
        graph.elements().len()
    ))
}

/// Checks the graph of a plan with what the control plane knows.
pub(super) async fn plan(
    mut plan: Plan,
    client: &Client,
    gateway: &GatewayId,
    file: &GraphFile,
) -> Result<Plan, Failure> {
    let mut here = Here::new()?;
    let asked = [
        (client.list(CUSTOM_PROVIDERS).await, "slug"),
        (client.list(&keys_path(gateway)).await, "provider_slug"),
    ];
    let [custom, with_key] = asked.map(|(listed, field)| {
        let slugs = |listed: Vec<Value>| listed.iter().map(|one| text(one, field)).collect();
        listed.map(slugs)
    });
    (plan, here.custom) = plan.seen(custom, "whether the account's own providers are there")?;
    (plan, here.with_key) = plan.seen(with_key, "whether keys are stored")?;
    let graph = Graph::parse_text(file.text(), &here);
    let graph = graph.map_err(|error| refused(Failure::new, file, &error))?;
    told::remarks(&warnings_of(&graph));
    Ok(plan)
}

/// Every fault on a line of its own.
fn refused(
    failure: impl FnOnce(String) -> Failure,
    file: &GraphFile,
    error: &GraphError,
) -> Failure {
    let told = error.to_string();
    let faults: Vec<_> = told.lines().collect();
    let name = file.name();
    let what = match faults.len() {
        1 => format!("{name} is no route"),
        count => format!("{name} is no route, for {count} reasons"),
    };
    let failure = faults.into_iter().fold(failure(what), Failure::because);
    failure
        .at(name)
        .help("correct what is named above; docs/routes.md says what each element takes")
}

fn warnings_of(graph: &Graph) -> Vec<String> {
    graph.warnings().iter().map(ToString::to_string).collect()
}

fn findings(error: &GraphError) -> Vec<Value> {
    let faults = error.faults().iter();
    faults
        .map(|fault| {
            let (what, help) = split(fault.message());
            json!({ "at": fault.place(), "element": fault.element(), "what": what, "help": help })
        })
        .collect()
}

fn warnings(graph: &Graph) -> Vec<Value> {
    let warnings = graph.warnings().iter();
    warnings
        .map(|warning| {
            let (what, help) = split(warning.message());
            json!({ "element": warning.element(), "what": what, "help": help })
        })
        .collect()
}

/// What, and what to do, which stands behind the last semicolon.
fn split(message: &str) -> (&str, Option<&str>) {
    match message.rsplit_once("; ") {
        Some((what, help)) => (what, Some(help)),
        None => (message, None),
    }
}
