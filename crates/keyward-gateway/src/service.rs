//! The data plane within another server: one request at a time, on the caller's runtime.

use std::{
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use keyward_auth::Entry;
use keyward_forward::{BoxError, Shared};
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    AnswerError, Gateway, body,
    counters::Writers,
    explain::{Explanation, Known},
    replay::Replayable,
    request::Turn,
    worker::Worker,
};

/// How often what is outdated is let go of, where no request makes it.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// Answers requests within a server that exists already, on its runtime.
///
/// Clones share upstream connections and opened credentials. A request is decided under a lock that is held for some
/// microseconds; who serves more than a core's worth makes several services. Each has connections of its own, and the
/// limits on them ([`Config::forward`](crate::Config::forward)) count for each.
///
/// The server is the caller's: with it come its limits on connections, heads and slow clients, which
/// [`Gateway::serve`] sets by itself.
pub struct GatewayService<B> {
    inner: Arc<Inner<B>>,
}

struct Inner<B> {
    worker: Arc<Worker<B>>,
    /// Ends with the last clone.
    _tidying: AbortOnDropHandle<()>,
}

/// The body of an answer: the provider's, as it comes, or our own.
#[derive(Debug)]
#[must_use = "a body does nothing unless polled"]
pub struct AnswerBody(body::AnswerBody);

impl Gateway {
    /// The data plane as a service for requests whose bodies are `B`.
    ///
    /// [`record`](Self::record) is to run beside it, as beside [`serve`](Self::serve); before the first request, await
    /// [`restore_budgets`](Self::restore_budgets).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime: once a second, a task of it lets go of what was replaced or revoked.
    #[must_use]
    pub fn service<B>(self: &Arc<Self>) -> GatewayService<B>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let worker = self.worker(Writers::Many, Shared::new(&self.config().forward));
        let tidied = Arc::clone(&worker);
        let tidying = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TIDY_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                tidied.tidy();
            }
        });
        GatewayService {
            inner: Arc::new(Inner {
                worker,
                _tidying: AbortOnDropHandle::new(tidying),
            }),
        }
    }
}

impl<B> GatewayService<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Answers one request from `source`: the client's address, which tokens may be limited to.
    ///
    /// The path must be whole, from `/v1/` on: a router that cuts a prefix off would make the addresses wrong that
    /// answers are rewritten to. A refusal is an answer too; there is no other error.
    ///
    /// Dropping the future drops what was asked of the provider.
    pub async fn answer(&self, request: Request<B>, source: IpAddr) -> Response<AnswerBody> {
        let worker = Arc::clone(&self.inner.worker);
        let request = request.map(Replayable::Once);
        let Ok(response) = worker.answer(request, source, None, Turn::Client).await;
        response.map(AnswerBody)
    }

    /// The same for a request that `token` sends, known to the server that this is within: the request holds no token
    /// itself. What the token may do is decided by its grant, as of every other, and it counts as used. Beside the
    /// answer, what was decided, and how the request was rewritten before it was sent.
    ///
    /// The entry need not be one of the registry's. Its id is by what the request is cut when a token is revoked.
    pub async fn answer_to(
        &self,
        request: Request<B>,
        source: IpAddr,
        token: Arc<Entry>,
    ) -> (Option<Explanation>, Response<AnswerBody>) {
        let known = Arc::new(Known::new(token));
        let worker = Arc::clone(&self.inner.worker);
        let request = request.map(Replayable::Once);
        let Ok(response) = worker
            .answer(request, source, Some(Arc::clone(&known)), Turn::Client)
            .await;
        (known.take(), response.map(AnswerBody))
    }
}

impl<B> Clone for GatewayService<B> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<B> fmt::Debug for GatewayService<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayService").finish_non_exhaustive()
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        Pin::new(&mut self.get_mut().0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
