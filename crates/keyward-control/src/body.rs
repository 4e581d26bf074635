//! Reading a request's body into memory that is erased.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;
use zeroize::Zeroize;

use crate::{envelope::Problem, erased::Buffer};

/// The largest body that is read. The largest secret is 64 KiB (wire-spec §4.8), up to six times that when
/// every byte of it is escaped.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// How long a body may take to arrive. A guess: 1 MiB at 280 kbit/s.
const DEADLINE: Duration = Duration::from_secs(30);

/// Reads the whole body. What is erased is our copy, and the chunk it came in where nobody else holds it;
/// the connection's own read buffer is not ours to erase.
pub(crate) async fn read(body: Body) -> Result<Buffer, Problem> {
    read_within(body, LIMIT).await
}

/// The same of a body that is smaller, above all of one that anybody may send.
pub(crate) async fn read_within(body: Body, limit: usize) -> Result<Buffer, Problem> {
    match tokio::time::timeout(DEADLINE, collect(body, limit)).await {
        Ok(read) => read,
        Err(_elapsed) => Err(Problem::too_slow(DEADLINE)),
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<Buffer, Problem> {
    let hint = body.size_hint();
    let announced = hint.exact().unwrap_or_default();
    if announced > limit as u64 {
        return Err(Problem::too_large(limit));
    }
    let mut buffer = Buffer::with_capacity(usize::try_from(announced).unwrap_or_default());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_cut| Problem::invalid_body("the body was cut off"))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        if buffer.len().saturating_add(chunk.len()) > limit {
            return Err(Problem::too_large(limit));
        }
        buffer.extend(&chunk);
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.as_mut().zeroize();
        }
    }
    Ok(buffer)
}
