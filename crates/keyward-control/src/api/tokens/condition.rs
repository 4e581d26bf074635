//! From where a token may be used: `condition.request_ip` (wire-spec §4.10).

use keyward_auth::{Network, Networks};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    envelope::Problem,
    object::{Field, Object},
};

/// The condition as answers carry it.
#[derive(Serialize, ToSchema)]
#[schema(as = Condition)]
pub(super) struct ConditionBody {
    request_ip: RequestIp,
}

/// Networks such as `192.0.2.0/24`.
#[derive(Serialize, ToSchema)]
struct RequestIp {
    #[serde(rename = "in", skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(rename = "not_in", skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

impl ConditionBody {
    pub(super) fn new(networks: &Networks) -> Option<Self> {
        let names = |networks: &[Network]| networks.iter().map(ToString::to_string).collect();
        (*networks != Networks::default()).then(|| Self {
            request_ip: RequestIp {
                allow: names(&networks.allow),
                deny: names(&networks.deny),
            },
        })
    }
}

/// Reads a condition. A condition that is not known is refused: it was meant to protect.
pub(super) fn read(condition: Field) -> Result<Networks, Problem> {
    let mut condition = Object::nested(condition, &["request_ip"])?;
    let Some(request_ip) = condition.find("request_ip") else {
        return Ok(Networks::default());
    };
    let mut request_ip = Object::nested(request_ip, &["in", "not_in"])?;
    let mut read = |name| match request_ip.find(name) {
        None => Ok(Vec::new()),
        Some(field) => field
            .list()?
            .into_iter()
            .map(|item| item.parsed(Network::parse))
            .collect(),
    };
    Ok(Networks {
        allow: read("in")?,
        deny: read("not_in")?,
    })
}
