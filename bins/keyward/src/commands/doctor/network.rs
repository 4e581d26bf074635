//! Checks of what is reached: roots, certificates, ports, the control plane with the token, providers.

use std::{collections::BTreeSet, io, net::SocketAddr, time::Duration};

use keyward_forward::{Dial, Offer};
use keyward_registry::GatewayId;
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

use super::Outcome;
use crate::{
    args::DoctorArgs,
    client::{self, Client, Found, GATEWAYS, keys_path, text},
    config::Config,
    failure::Failure,
    server::{self, Limits, Plane},
};

/// How long a provider may take to be reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// There are certificate authorities to trust.
pub(super) fn roots(config: &Config) -> Outcome {
    let dial = config
        .catalogue()
        .and_then(|catalogue| server::dial(config, &catalogue));
    dial.map(|dial| {
        let extra = config.tls.extra_ca_files.len();
        format!(
            "{} certificate authorities are trusted, {extra} files of them configured",
            dial.roots()
        )
    })
    .into()
}

/// The listeners' certificates and keys can be read and belong together.
pub(super) fn certificates(config: &Config) -> Outcome {
    let limits = match Limits::read(config, None) {
        Ok(limits) => limits,
        Err(failure) => return Outcome::Failed(failure),
    };
    let planes: Vec<_> = [Plane::Data, Plane::Control]
        .into_iter()
        .filter(|plane| limits.has_tls(*plane))
        .map(|plane| plane.to_string())
        .collect();
    match planes.as_slice() {
        [] => Outcome::Skipped("no listener has TLS".to_owned()),
        planes => Outcome::Passed(format!("good for the {}", planes.join(" and the "))),
    }
}

/// Both planes can listen, or a server of Keyward's does.
pub(super) async fn ports(config: &Config, args: &DoctorArgs) -> Outcome {
    let addresses = [Plane::Data, Plane::Control].map(|plane| {
        let has_tls = config.check_files(plane)?;
        Ok((plane, config.address(plane, has_tls)?, has_tls))
    });
    let mut told = Vec::new();
    for address in addresses {
        let (plane, address, has_tls) = match address {
            Ok(address) => address,
            Err(failure) => return Outcome::Failed(failure),
        };
        match TcpListener::bind(address).await {
            Ok(_) => told.push(format!("{address} is free")),
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && is_ours(args, plane, address, has_tls).await =>
            {
                told.push(format!("{address} is Keyward's own"));
            }
            Err(error) => {
                return Outcome::Failed(
                    Failure::new(format!("the {plane} cannot listen on {address}"))
                        .caused_by(&error)
                        .help(format!(
                            "stop what uses the port (`ss -ltnp` lists it), or choose another with {}",
                            plane.setting()
                        )),
                );
            }
        }
    }
    Outcome::Passed(told.join(", "))
}

/// The control plane tells what it is; the data plane's answers do too, also to nobody in particular.
async fn is_ours(args: &DoctorArgs, plane: Plane, address: SocketAddr, has_tls: bool) -> bool {
    let scheme = if has_tls { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    match plane {
        Plane::Control => client::health_of(&url, args.connect.ca_file.as_deref())
            .await
            .is_ok_and(|version| version.is_some()),
        Plane::Data => client::is_data_plane(&url, args.connect.ca_file.as_deref()).await,
    }
}

/// The control plane answers, and takes the token. Also the providers that have keys, as far as the token may see.
pub(super) async fn token(args: &DoctorArgs) -> (Outcome, BTreeSet<String>) {
    let none = BTreeSet::new();
    let is_named = args.connect.control_url.is_some() || args.connect.profile.is_some();
    let found = match Found::find(&args.connect) {
        Ok(found) => found,
        Err(failure) if failure.is_unreachable() && !is_named => {
            return (
                Outcome::Skipped("no control plane is known".to_owned()),
                none,
            );
        }
        Err(failure) => return (Outcome::Failed(failure), none),
    };
    let url = found.identity().url.clone();
    match found.health().await {
        Err(failure) if failure.is_unreachable() && !is_named => {
            return (Outcome::Skipped(format!("no server runs at {url}")), none);
        }
        Err(failure) => return (Outcome::Failed(failure), none),
        Ok(_) => {}
    }
    let asked = async {
        let client = found.connect().await?;
        let token = client.own_token().await?;
        let told = format!(
            "{url} takes token {} `{}`",
            text(&token, "id"),
            text(&token, "name")
        );
        Ok::<_, Failure>((client, told))
    };
    match asked.await {
        Err(failure) => (Outcome::Failed(failure), none),
        // A token that may not see the keys is a good one all the same.
        Ok((client, told)) => (
            Outcome::Passed(told),
            with_keys(&client).await.unwrap_or_default(),
        ),
    }
}

async fn with_keys(client: &Client) -> Result<BTreeSet<String>, Failure> {
    let mut providers = BTreeSet::new();
    for gateway in client.list(GATEWAYS).await? {
        let Ok(gateway) = GatewayId::parse(&text(&gateway, "id")) else {
            continue;
        };
        let keys = client.list(&keys_path(&gateway)).await?;
        providers.extend(keys.iter().map(|key| text(key, "provider_slug")));
    }
    Ok(providers)
}

/// Providers that have keys or are configured can be reached, and show a certificate that is trusted. Nothing is
/// sent to them.
pub(super) async fn providers(config: &Config, mut slugs: BTreeSet<String>) -> Outcome {
    slugs.extend(config.providers.keys().cloned());
    let prepared = config.catalogue().and_then(|catalogue| {
        let dial = server::dial(config, &catalogue)?;
        Ok((catalogue, dial))
    });
    let (catalogue, dial) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return Outcome::Failed(failure),
    };
    let mut dials = JoinSet::new();
    for provider in slugs.iter().filter_map(|slug| catalogue.find(slug)) {
        // The provider inside the process is reached without a network.
        if provider.slug() == "echo" {
            continue;
        }
        let Some(upstream) = provider.upstreams().first() else {
            continue;
        };
        let (origin, dial) = (upstream.origin().clone(), dial.clone());
        dials.spawn(async move {
            let dialled = timeout(PATIENCE, dial.dial(&origin, Offer::Http1)).await;
            let fail = || Failure::new(format!("cannot reach {origin}"));
            match dialled {
                Ok(Ok(_)) => Ok(origin.to_string()),
                Ok(Err(error)) => Err(fail().caused_by(&error).help(
                    "look at the resolver, the firewall and `[tls] extra_ca_files`; docs/providers.md lists the origins",
                )),
                Err(_elapsed) => Err(fail()
                    .because(format!("no connection within {} s", PATIENCE.as_secs()))
                    .help("let the machine reach the provider, or set `[providers.NAME] base_url`")),
            }
        });
    }
    let mut reached: Vec<String> = Vec::new();
    let mut failed = None;
    while let Some(joined) = dials.join_next().await {
        match joined {
            Ok(Ok(origin)) => reached.push(origin),
            Ok(Err(failure)) => failed = Some(failure),
            Err(error) => {
                failed = Some(
                    Failure::new("a check ended early")
                        .caused_by(&error)
                        .help("run it again"),
                )
            }
        }
    }
    reached.sort();
    match failed {
        Some(failure) => Outcome::Failed(failure),
        None if reached.is_empty() => {
            Outcome::Skipped("no provider has a key or is configured".to_owned())
        }
        None => Outcome::Passed(format!("reached {}", reached.join(", "))),
    }
}
