//! Tells receivers by HTTP what happens to provider keys, signed as [Standard Webhooks] has it.
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com
//!
//! Nothing here waits for a receiver where requests are served: [`Webhooks::notify`] puts an event behind a bounded queue
//! of each receiver, and [`Webhooks::run`] delivers. What a full queue, a receiver that stays away or a stop loses is
//! counted. No event outlives the process.

mod message;
mod receiver;
mod schedule;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use keyward_forward::{Dial, Endpoint, Forwarder, Offer, Rules, StripList, Target};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::message::Message;
pub use self::{
    receiver::{ParseReceiverError, Receiver, WebhookSecret, WebhookUrl},
    schedule::Tries,
};
use crate::{
    events::{KeyEvent, Notify},
    prober::USER_AGENT,
};

/// Events that wait for a receiver, before any further one is lost.
const MOST_WAITING: usize = 1024;
/// Events whose delivery has begun and goes on, most of which wait for their next try.
const MOST_BEGUN: usize = 128;
/// Requests to one receiver at the same time.
const MOST_AT_ONCE: usize = 4;
/// How long a receiver may take to answer. Standard Webhooks asks for 15 to 30 s.
const LONGEST: Duration = Duration::from_secs(15);
/// How long a stop waits for what is being sent.
const STOPPING: Duration = Duration::from_secs(5);

/// Tells receivers what happens to provider keys. To be handed to [`Gateway::with_notify`](crate::Gateway::with_notify).
pub struct Webhooks {
    queues: Vec<mpsc::Sender<Arc<Message>>>,
    lines: Arc<[Line]>,
    /// Taken by the one who delivers.
    waiting: Mutex<Vec<mpsc::Receiver<Arc<Message>>>>,
    tries: Tries,
}

/// What leads to one receiver.
struct Line {
    receiver: Receiver,
    endpoint: Arc<Endpoint>,
    forwarder: Forwarder<Full<Bytes>>,
    at_once: Semaphore,
}

/// Why a try brought nothing. Holds nothing of an answer but its status.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error("it answered {0}")]
    Status(http::StatusCode),
    #[error("it did not answer within {} s", LONGEST.as_secs())]
    Silent,
    #[error("it cannot be reached")]
    Reach(#[source] keyward_forward::ForwardError),
}

impl Webhooks {
    /// Reaches `receivers` by `dial`, whose guard must allow the origins they name and nothing else that is not public.
    ///
    /// # Errors
    ///
    /// When a receiver's host cannot stand in a request.
    pub fn new(dial: &Arc<dyn Dial>, receivers: Vec<Receiver>) -> Result<Self, ParseReceiverError> {
        let lines = receivers
            .into_iter()
            .map(|receiver| Line::new(dial, receiver))
            .collect::<Result<Vec<_>, _>>()?;
        let channels = lines.iter().map(|_| mpsc::channel(MOST_WAITING));
        let (queues, waiting) = channels.unzip();
        Ok(Self {
            queues,
            lines: lines.into(),
            waiting: Mutex::new(waiting),
            tries: Tries::default(),
        })
    }

    /// With other waits between tries.
    #[must_use]
    pub fn with_tries(mut self, tries: Tries) -> Self {
        self.tries = tries;
        self
    }

    /// Delivers until `stop`. What is being sent then has 5 s to end; the rest is lost, and counted. Runs once: a second
    /// call ends at once.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        let deliveries = waiting
            .into_iter()
            .zip(self.lines.iter())
            .map(|(queue, line)| line.deliver(queue, &self.tries, &stop));
        join_all(deliveries).await;
    }
}

impl Notify for Webhooks {
    fn notify(&self, event: &KeyEvent) {
        let what = event.what.name();
        let mut message = None;
        for (queue, line) in self.queues.iter().zip(self.lines.iter()) {
            if !line.receiver.wants(what) {
                continue;
            }
            let message = message.get_or_insert_with(|| Arc::new(Message::new(event)));
            match queue.try_send(Arc::clone(message)) {
                Ok(()) => line.show(queue.max_capacity() - queue.capacity()),
                Err(mpsc::error::TrySendError::Full(_)) => line.lose(1, "queue_full"),
                Err(mpsc::error::TrySendError::Closed(_)) => line.lose(1, "stopped"),
            }
        }
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receivers = self.lines.iter().map(|line| &line.receiver);
        f.debug_list().entries(receivers).finish()
    }
}

impl Line {
    fn new(dial: &Arc<dyn Dial>, receiver: Receiver) -> Result<Self, ParseReceiverError> {
        let config = keyward_forward::Config {
            // Events are rare: nothing is kept between two.
            offer: Offer::Http1,
            max_idle_per_origin: 0,
            max_connections_per_origin: MOST_AT_ONCE,
            ..keyward_forward::Config::default()
        };
        let endpoint = Endpoint::new(receiver.url().origin().clone());
        let endpoint = endpoint.map_err(|_no_host| ParseReceiverError::host())?;
        Ok(Self {
            receiver,
            endpoint: Arc::new(endpoint),
            forwarder: Forwarder::new(Arc::clone(dial), config),
            at_once: Semaphore::new(MOST_AT_ONCE),
        })
    }

    async fn deliver(
        &self,
        mut queue: mpsc::Receiver<Arc<Message>>,
        tries: &Tries,
        stop: &CancellationToken,
    ) {
        let mut begun = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = begun.next() => {}
                Some(message) = queue.recv(), if begun.len() < MOST_BEGUN => {
                    self.show(queue.len());
                    begun.push(self.deliver_one(message, tries, stop));
                }
            }
        }
        queue.close();
        let mut left = 0;
        while queue.try_recv().is_ok() {
            left += 1;
        }
        self.show(0);
        self.lose(left, "stopped");
        // Whoever waits for a try gives up by itself now; whoever is sending has its time.
        let ending = async { while begun.next().await.is_some() {} };
        if timeout(STOPPING, ending).await.is_err() {
            self.lose(u64::try_from(begun.len()).unwrap_or(u64::MAX), "stopped");
        }
    }

    /// Tries until the receiver takes it, or the tries are used up.
    async fn deliver_one(&self, message: Arc<Message>, tries: &Tries, stop: &CancellationToken) {
        let name = self.receiver.name();
        for attempt in 0.. {
            match self.send(&message).await {
                Ok(()) => {
                    metrics::counter!("keyward_webhooks_sent_total", "webhook" => name.to_owned())
                        .increment(1);
                    tracing::debug!(
                        webhook = name,
                        id = message.id(),
                        attempt,
                        "an event was delivered"
                    );
                    return;
                }
                Err(error) => tracing::debug!(
                    webhook = name,
                    id = message.id(),
                    attempt,
                    error = &error as &dyn std::error::Error,
                    "an event was not delivered"
                ),
            }
            let Some(wait) = tries.after(attempt, random()) else {
                break;
            };
            tokio::select! {
                () = stop.cancelled() => return self.lose(1, "stopped"),
                () = sleep(wait) => {}
            }
        }
        tracing::warn!(
            webhook = name,
            id = message.id(),
            "an event is lost: its receiver did not take it"
        );
        self.lose(1, "refused");
    }

    async fn send(&self, message: &Message) -> Result<(), TryError> {
        // Nothing closes the semaphore.
        let _turn = self.at_once.acquire().await;
        let body = message.body().clone();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.extend(message.signed(self.receiver.secret(), now()));
        let path = self.receiver.url().path_and_query().clone();
        let target = Target::from_path(Arc::clone(&self.endpoint), path);
        let strip = StripList::default();
        let sending = self.forwarder.forward(request, target, Rules::new(&strip));
        let answer = timeout(LONGEST, Box::pin(sending)).await;
        let answer = answer.map_err(|_elapsed| TryError::Silent)?;
        // A redirect is an answer like any other that is no success: nothing follows it.
        let status = answer.map_err(TryError::Reach)?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(TryError::Status(status))
        }
    }

    fn lose(&self, count: u64, why: &'static str) {
        if count > 0 {
            let name = self.receiver.name().to_owned();
            metrics::counter!("keyward_webhooks_lost_total", "webhook" => name, "why" => why)
                .increment(count);
        }
    }

    /// Says how many events wait.
    fn show(&self, waiting: usize) {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let name = self.receiver.name().to_owned();
        metrics::gauge!("keyward_webhooks_waiting", "webhook" => name).set(waiting);
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// For waits that differ; no secret comes of it.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the shell of a delivery: its time is signed with it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
