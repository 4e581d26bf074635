//! A client of the control plane: what the commands ask, in the words of its REST API.

mod exchange;
mod settings;

use bytes::Bytes;
use http::Method;
use keyward_registry::GatewayId;
use serde_json::Value;

use self::{exchange::Exchange, settings::Settings};
use crate::{args::Connect, failure::Failure};

/// Items in a page; the most that the control plane gives.
const PER_PAGE: usize = 100;

/// The control plane, seen with one token and one account.
#[derive(Debug)]
pub(crate) struct Client {
    exchange: Exchange,
    /// `/client/v4/accounts/{account}`.
    base: String,
}

impl Client {
    /// Finds the control plane, the token and the account.
    pub(crate) async fn connect(args: &Connect) -> Result<Self, Failure> {
        let settings = Settings::find(args)?;
        let exchange = Exchange::new(settings.url, &settings.token, settings.authorities)?;
        let account = match settings.account {
            Some(account) => account.to_string(),
            None => own_account(&exchange).await?,
        };
        Ok(Self {
            exchange,
            base: format!("/client/v4/accounts/{account}"),
        })
    }

    /// The account as the resources of tokens name it.
    pub(crate) fn account_resource(&self) -> String {
        let account = self.base.rsplit('/').next().unwrap_or_default();
        format!("com.cloudflare.api.account.{account}")
    }

    /// Below the account, such as `/tokens`.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Value, Failure> {
        let path = format!("{}{path}", self.base);
        let mut answer = self.exchange.send(method, &path, body).await?;
        Ok(answer
            .get_mut("result")
            .map(Value::take)
            .unwrap_or_default())
    }

    /// Every item of a list, whatever its pages.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        for page in 1_usize.. {
            let path = format!("{path}?page={page}&per_page={PER_PAGE}");
            let Value::Array(more) = self.send(Method::GET, &path, None).await? else {
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

/// The path of the gateways, below the account.
pub(crate) const GATEWAYS: &str = "/ai-gateway/gateways";
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
    let id = id.filter(|id| keyward_secret::AccountId::parse(id).is_ok());
    id.map(str::to_owned).ok_or_else(|| {
        Failure::new("the control plane names no account for this token")
            .help("name one with --account or KEYWARD_ACCOUNT_ID")
    })
}
