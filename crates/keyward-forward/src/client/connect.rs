//! What a request goes out on: a kept connection, a stream of a shared one, a new one, or one that is waited for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body::Body;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::Forwarder;
use crate::{
    BoxError, DialError, Endpoint, ForwardError, Kind, Protocol,
    dial::{self, Offer},
    gate::{Ask, Permit, Rank, SharedPermit, Turn},
    http2::{Http2, Stream},
    pool::{Conn, Shelf},
};

/// A connection unused for longer is looked at before it is used again. Under load connections come back
/// within less; and what closes within this time of an answer closes whether we look or not.
const LOOK_AFTER: Duration = Duration::from_millis(5);

/// How long a connection that was handed on may take to finish with its last exchange. Nearly all are ready at
/// once; what is left is a flush. A guess: some round trips to a far upstream.
const READY_WITHIN: Duration = Duration::from_millis(100);

/// What [`Forwarder::open`] gives.
pub(super) struct Opened<B> {
    pub(super) way: Way<B>,
    /// Whether others used it before, so that it may be closing already.
    pub(super) is_kept: bool,
}

/// What a request goes out on.
pub(super) enum Way<B> {
    Http1(Box<Conn<B>>),
    Http2(Stream<B>),
}

impl<B> Forwarder<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// A connection or a stream that is there already.
    pub(super) async fn take(&self, shelf: &Arc<Shelf<B>>, now: Instant) -> Option<Way<B>> {
        if shelf.gate.is_http2() {
            return shelf.gate.stream(now).map(Way::Http2);
        }
        let conn = shelf.take(now)?;
        if conn.idle_for(now) < LOOK_AFTER {
            return Some(Way::Http1(conn));
        }
        // The other side may have closed it, and we not have looked: the runtime looks at its sockets before
        // it comes back to a task that yields, and hyper then closes the connection or hands an unsent
        // request back. That costs a look at the sockets, and only where the worker was idle anyway.
        tokio::task::yield_now().await;
        match conn.sender.is_ready() {
            true => Some(Way::Http1(conn)),
            false => shelf.take(now).map(Way::Http1),
        }
    }

    /// A connection or a stream that this forwarder does not have: makes one, or waits for one.
    pub(super) async fn open(
        &self,
        endpoint: &Arc<Endpoint>,
        shelf: &Arc<Shelf<B>>,
        offer: Offer,
    ) -> Result<Opened<B>, ForwardError> {
        self.sweep();
        let kept = |way| Opened { way, is_kept: true };
        let until = Instant::now() + self.config.queue_timeout;
        let mut rank = Rank::Last;
        loop {
            let turn = match shelf.gate.ask(offer, rank, Instant::now()) {
                Ask::Turn(turn) => turn,
                Ask::Full => return Err(ForwardError::new(Kind::Busy, endpoint)),
                Ask::Wait(mut waiting) => {
                    match tokio::time::timeout_at(until, waiting.turn()).await {
                        Ok(Some(turn)) => turn,
                        _ => return Err(ForwardError::new(Kind::Busy, endpoint)),
                    }
                }
            };
            return match turn {
                Turn::Kept(conn) => match when_ready(conn).await {
                    Some(mut conn) => {
                        conn.move_to(shelf, Instant::now());
                        Ok(kept(Way::Http1(conn)))
                    }
                    None => {
                        rank = Rank::First;
                        continue;
                    }
                },
                Turn::Stream(stream) => Ok(kept(Way::Http2(stream))),
                Turn::Dial(permit) => {
                    let dialled = self.dial(endpoint, shelf, permit, offer).await;
                    dialled.map(|way| Opened {
                        way,
                        is_kept: false,
                    })
                }
                Turn::Failed(error) => {
                    let kind = error.kind().into();
                    Err(ForwardError::because(kind, endpoint, error))
                }
            };
        }
    }

    async fn dial(
        &self,
        endpoint: &Arc<Endpoint>,
        shelf: &Arc<Shelf<B>>,
        mut permit: Permit<B>,
        offer: Offer,
    ) -> Result<Way<B>, ForwardError> {
        let dial = self.dial.dial(endpoint.origin(), offer);
        let dialled = match tokio::time::timeout(self.config.connect_timeout, dial).await {
            Ok(dialled) => dialled,
            Err(elapsed) => Err(DialError::new(dial::Kind::Timeout, elapsed)),
        };
        let connection = match dialled {
            Ok(connection) => connection,
            Err(error) => {
                let error = Arc::new(error);
                permit.failed(&error);
                let kind = error.kind().into();
                return Err(ForwardError::because(kind, endpoint, error));
            }
        };
        let broken = |error| ForwardError::because(Kind::UpstreamClosed, endpoint, error);
        let old_at = self.ages.end_of_next(Instant::now());
        match connection.protocol() {
            Protocol::Http1 => {
                let handshake = self.http1.handshake(TokioIo::new(connection)).await;
                let (sender, connection) = handshake.map_err(broken)?;
                permit.opened_http1(&shelf.gate);
                let (permit, tasks_share) = SharedPermit::new(permit);
                // The task ends with its connection: when the sender and the last body are dropped, or when
                // the other side closes.
                let task = tokio::spawn(async move {
                    let _share = tasks_share;
                    if let Err(error) = connection.with_upgrades().await {
                        tracing::debug!(%error, "an upstream connection ended");
                    }
                });
                let task = task.abort_handle();
                let conn = Conn::new(sender, shelf, permit, task, Instant::now(), old_at);
                Ok(Way::Http1(conn))
            }
            Protocol::Http2 => {
                let started = Http2::start(&self.config, connection, &shelf.gate, permit, old_at);
                let started = started.await;
                let stream = started.map_err(broken)?;
                Ok(Way::Http2(stream))
            }
        }
    }
}

/// A connection that another request has left, once it can take the next. None if it cannot: it is closed then,
/// and its place free as soon as its task sees that.
async fn when_ready<B>(mut conn: Box<Conn<B>>) -> Option<Box<Conn<B>>> {
    if conn.idle_for(Instant::now()) >= LOOK_AFTER {
        // As in `take`. Where the connection's task is on another runtime that is busy, this sees nothing; then
        // hyper hands the request back.
        tokio::task::yield_now().await;
    }
    if conn.sender.is_ready() {
        return Some(conn);
    }
    match tokio::time::timeout(READY_WITHIN, conn.sender.ready()).await {
        Ok(Ok(())) => Some(conn),
        _ => None,
    }
}
