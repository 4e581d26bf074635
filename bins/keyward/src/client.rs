//! A client of the control plane: what the commands ask, in the words of its REST API.

mod exchange;
mod settings;

use std::path::Path;

use bytes::Bytes;
use http::Method;
use keyward_registry::GatewayId;
use keyward_secret::AccountId;
use serde_json::Value;

pub(crate) use self::settings::TokenFrom;
use self::{
    exchange::{Exchange, Url},
    settings::{Missing, Settings},
};
use crate::{
    args::{Connect, DryRun},
    failure::Failure,
    first::GATEWAY,
    profile,
};

/// Items in a page; the most that the control plane gives.
const PER_PAGE: usize = 100;

/// The control plane, seen with one token and one account.
#[derive(Debug)]
pub(crate) struct Client {
    exchange: Exchange,
    /// `/client/v4/accounts/{account}`.
    base: String,
    identity: Identity,
    /// Whether nothing but questions is sent.
    is_dry_run: bool,
}

/// Which control plane, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) url: String,
    pub(crate) token_from: TokenFrom,
    pub(crate) profile: Option<profile::Name>,
    /// The gateway that is meant where none is named.
    pub(crate) gateway: Option<GatewayId>,
}

/// The control plane, before anything was asked that needs a token.
#[derive(Debug)]
pub(crate) struct Found {
    exchange: Exchange,
    identity: Identity,
    account: Option<AccountId>,
}

impl Found {
    /// Finds the control plane and the token. Asks nothing.
    pub(crate) fn find(args: &Connect) -> Result<Self, Failure> {
        Self::of(Settings::find(args, Missing::IsAsked)?)
    }

    /// As [`Self::find`], but nobody is asked for a token, and none is taken from a pipe.
    pub(crate) fn find_quietly(args: &Connect) -> Result<Self, Failure> {
        Self::of(Settings::find(args, Missing::Fails)?)
    }

    fn of(settings: Settings) -> Result<Self, Failure> {
        let identity = Identity {
            url: settings.url.to_string(),
            token_from: settings.token_from,
            profile: settings.profile,
            gateway: settings.gateway,
        };
        Ok(Self {
            exchange: Exchange::new(settings.url, Some(&settings.token), settings.authorities)?,
            identity,
            account: settings.account,
        })
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What `/healthz` and `/readyz` say to anyone: the version, and why it does not serve.
    pub(crate) async fn health(&self) -> Result<Health, Failure> {
        let alive = self.exchange.probe("/healthz").await?;
        let alive = alive.ok_or_else(|| self.exchange.stranger().because("it has no /healthz"))?;
        let ready = self.exchange.probe("/readyz").await?.unwrap_or_default();
        Ok(Health {
            version: text(&alive, "version"),
            not_ready: match text(&ready, "status").as_str() {
                "ready" => None,
                _ => Some(text(&ready, "reason")),
            },
        })
    }

    /// Shows the token, and finds the account.
    pub(crate) async fn connect(self) -> Result<Client, Failure> {
        let account = match self.account {
            Some(account) => account.to_string(),
            None => own_account(&self.exchange).await?,
        };
        Ok(Client {
            exchange: self.exchange,
            base: format!("/client/v4/accounts/{account}"),
            identity: self.identity,
            is_dry_run: false,
        })
    }
}

/// What a control plane says to anyone.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) version: String,
    /// Why it does not serve, if it does not.
    pub(crate) not_ready: Option<String>,
}

/// The version of the control plane that answers at a URL, asked without a token; `None` where something else answers.
pub(crate) async fn health_of(
    url: &str,
    authorities: Option<&Path>,
) -> Result<Option<String>, Failure> {
    let exchange = anyone(url, authorities)?;
    let alive = exchange.probe("/healthz").await?;
    let version = alive.as_ref().and_then(|alive| alive.get("version"));
    Ok(version.and_then(Value::as_str).map(str::to_owned))
}

/// Whether a data plane of Keyward's answers at a URL: its errors have a form of their own.
pub(crate) async fn is_data_plane(url: &str, authorities: Option<&Path>) -> bool {
    let Ok(exchange) = anyone(url, authorities) else {
        return false;
    };
    let answer = exchange.refusal("/v1").await.ok().flatten();
    answer.is_some_and(|answer| answer.pointer("/error/0/code").is_some())
}

fn anyone(url: &str, authorities: Option<&Path>) -> Result<Exchange, Failure> {
    let authorities = authorities.map(settings::read_authorities).transpose()?;
    Exchange::new(Url::parse(url, true)?, None, authorities)
}

/// A control plane's URL as profiles keep it: https, or http to this machine.
pub(crate) fn check_url(text: &str) -> Result<String, Failure> {
    Url::parse(text, false).map(|url| url.to_string())
}

/// Whether the URL leads to this machine, or to the place of one of `known`.
pub(crate) fn is_here_or_one_of(url: &str, known: &[String]) -> bool {
    let is_known = |url: &Url| known.iter().any(|known| url.is_same_place(known));
    Url::parse(url, true).is_ok_and(|url| url.is_loopback() || is_known(&url))
}

impl Client {
    /// Finds the control plane, the token and the account.
    pub(crate) async fn connect(args: &Connect) -> Result<Self, Failure> {
        Found::find(args)?.connect().await
    }

    /// As [`Self::connect`], for a command that changes something unless it is a dry run.
    pub(crate) async fn connect_to_change(
        args: &Connect,
        dry_run: DryRun,
    ) -> Result<Self, Failure> {
        let mut client = Self::connect(args).await?;
        client.is_dry_run = dry_run.is_wanted;
        Ok(client)
    }

    pub(crate) const fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The token that is used.
    pub(crate) async fn own_token(&self) -> Result<Value, Failure> {
        let mut answer = self
            .exchange
            .send(Method::GET, "/client/v4/keyward/token", None)
            .await?;
        Ok(answer
            .get_mut("result")
            .map(Value::take)
            .unwrap_or_default())
    }

    /// The gateway that was named, else the profile's, else `default`.
    pub(crate) fn gateway(&self, named: Option<&GatewayId>) -> Result<GatewayId, Failure> {
        match named.or(self.identity.gateway.as_ref()) {
            Some(gateway) => Ok(gateway.clone()),
            None => GatewayId::parse(GATEWAY)
                .map_err(|error| Failure::new("cannot name the gateway").caused_by(&error)),
        }
    }

    /// The account's id.
    pub(crate) fn account(&self) -> &str {
        self.base.rsplit('/').next().unwrap_or_default()
    }

    /// The account as the resources of tokens name it.
    pub(crate) fn account_resource(&self) -> String {
        let account = self.account();
        format!("com.cloudflare.api.account.{account}")
    }

    /// Below the account, such as `/tokens`.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Value, Failure> {
        let (result, _remarks) = self.send_told(method, path, body).await?;
        Ok(result)
    }

    /// As [`Self::send`], with what the control plane remarks beside the result.
    pub(crate) async fn send_told(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<(Value, Vec<String>), Failure> {
        self.send_at(method, path, body, RESULT).await
    }

    /// As [`Self::send_told`], where the answer stands elsewhere in the envelope: `at` is a JSON pointer.
    pub(crate) async fn send_at(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        at: &str,
    ) -> Result<(Value, Vec<String>), Failure> {
        if self.is_dry_run && method != Method::GET {
            return Err(
                Failure::new("a dry run sends no change").because(format!("{method} {path}"))
            );
        }
        let path = format!("{}{path}", self.base);
        let mut answer = self.exchange.send(method, &path, body).await?;
        let messages = answer.get("messages").and_then(Value::as_array);
        let messages = messages.into_iter().flatten();
        let remarks = messages.map(|message| text(message, "message")).collect();
        let result = answer.pointer_mut(at).map(Value::take);
        Ok((result.unwrap_or_default(), remarks))
    }

    /// Every item of a list, whatever its pages. The path may have a query.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        self.list_at(path, RESULT).await
    }

    /// As [`Self::list`], where the items stand elsewhere in the envelope: `at` is a JSON pointer.
    pub(crate) async fn list_at(&self, path: &str, at: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        for page in 1_usize.. {
            let joint = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{joint}page={page}&per_page={PER_PAGE}");
            let (Value::Array(more), _) = self.send_at(Method::GET, &path, None, at).await? else {
                break;
            };
            let is_last = more.len() < PER_PAGE;
            items.extend(more);
            if is_last {
                break;
            }
        }
        Ok(items)
    }
}

/// Where most answers stand in their envelope.
const RESULT: &str = "/result";
/// The path of the gateways, below the account.
pub(crate) const GATEWAYS: &str = "/ai-gateway/gateways";
/// The path of the account's own providers, below the account.
pub(crate) const CUSTOM_PROVIDERS: &str = "/ai-gateway/custom-providers";
/// The path of the secrets stores, below the account.
pub(crate) const STORES: &str = "/secrets_store/stores";
/// The path of the tokens, below the account.
pub(crate) const TOKENS: &str = "/tokens";

/// The path of a gateway, below the account.
pub(crate) fn gateway_path(gateway: &GatewayId) -> String {
    format!("{GATEWAYS}/{gateway}")
}

/// The path of a gateway's provider keys, below the account.
pub(crate) fn keys_path(gateway: &GatewayId) -> String {
    format!("{GATEWAYS}/{gateway}/provider_configs")
}

/// The path of a gateway's dynamic routes, below the account.
pub(crate) fn routes_path(gateway: &GatewayId) -> String {
    format!("{GATEWAYS}/{gateway}/routes")
}

/// The path of a gateway's log, below the account.
pub(crate) fn logs_path(gateway: &GatewayId) -> String {
    format!("{GATEWAYS}/{gateway}/logs")
}

/// The path where that log is read without counting it, below the account.
pub(crate) fn whole_log_path(gateway: &GatewayId) -> String {
    format!("/keyward/gateways/{gateway}/logs")
}

/// A value as it stands in a query.
pub(crate) fn escaped(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// A JSON body that holds no secret.
pub(crate) fn json(body: &Value) -> Option<Bytes> {
    Some(Bytes::from(body.to_string()))
}

/// A field of an answer as text; empty where it is null or missing.
pub(crate) fn text(answer: &Value, name: &str) -> String {
    match answer.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A token is for one account.
async fn own_account(exchange: &Exchange) -> Result<String, Failure> {
    let answer = exchange
        .send(Method::GET, "/client/v4/accounts", None)
        .await?;
    let id = answer.pointer("/result/0/id").and_then(Value::as_str);
    // It becomes a part of paths, so it must be what it should be.
    let id = id.filter(|id| AccountId::parse(id).is_ok());
    id.map(str::to_owned).ok_or_else(|| {
        Failure::new("the control plane names no account for this token")
            .help("name one with --account or KEYWARD_ACCOUNT_ID")
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn values_of_a_query_are_escaped() {
        assert_eq!(
            escaped("command vault init&x"),
            "command%20vault%20init%26x"
        );
    }
}
