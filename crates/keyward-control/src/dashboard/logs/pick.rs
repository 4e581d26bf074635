//! On to the log of a gateway: the one that was picked, or the first.

use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    dashboard::{answer, gateways::Gateways, visit::Visit},
    envelope::Problem,
};

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let picked = visit.query("gateway");
    let gateways = Gateways::load(&visit).await?.0;
    let is_default = |id: &&String| *id == "default";
    let first = gateways.iter().find(is_default).or(gateways.first());
    let gateway = match picked {
        "" => first.map_or("", String::as_str),
        picked => picked,
    };
    if gateway.is_empty() {
        return answer::see("/gateways");
    }
    // A name that somebody typed stays a part of a path.
    let gateway = utf8_percent_encode(gateway, NON_ALPHANUMERIC);
    let gateway = gateway.to_string().replace("%2D", "-");
    answer::see(&format!("/gateways/{gateway}/logs"))
}
