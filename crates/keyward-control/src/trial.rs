//! The seam to the data plane: a request that it sends for the holder of an API token. Neither plane knows the other,
//! so whoever runs both in one process joins them by [`Try`].

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use http::{HeaderMap, Request, StatusCode};
use keyward_auth::Entry;

use crate::explain::Explanation;

/// Sends requests by way of the data plane, over the same registry.
pub trait Try: Send + Sync {
    /// Sends a request the way of every other: decided by the token's grant, rewritten, forwarded, scrubbed, its use
    /// noted. Of the answer's body at most `most` bytes are read. Dropping the future drops the request.
    fn send(&self, trial: Trial, most: usize) -> Pin<Box<dyn Future<Output = Tried> + Send + '_>>;
}

/// A request to the data plane.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Path, headers and body, as an application would send them but for the token, which is in none of them.
    pub request: Request<Vec<u8>>,
    /// Where it is taken to come from.
    pub source: IpAddr,
    /// Who sends it. Its grant is what the holder of the API token may hand out; its id is the API token's.
    pub token: Arc<Entry>,
}

/// What became of it. Holds no secret.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What was decided; none where it did not come to a decision.
    pub explanation: Option<Explanation>,
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer, scrubbed.
    pub headers: HeaderMap,
    /// The beginning of its body, scrubbed.
    pub body: Vec<u8>,
    /// Whether the body goes on.
    pub is_cut: bool,
    /// Whether the answer broke off.
    pub is_broken: bool,
}
