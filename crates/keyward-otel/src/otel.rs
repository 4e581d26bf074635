//! From finished requests to a collector: a bounded queue, one task that sends.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use keyward_forward::{Dial, EndpointError};
use keyward_gateway::{Finished, Observe};
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanId, SpanKind, TraceId},
};
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    trace::{
        IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _, SpanData,
    },
};
use prost::Message as _;
use tokio::{
    sync::{Notify, mpsc},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    attributes::SCHEMA_URL,
    lost::{self, Signal, Why, lost},
    measure::Measures,
    sender::Sender,
    settings::Settings,
    span::{self, Place},
};

/// Spans that wait, before any further one is lost: some 16 MiB of them.
const MOST_WAITING: usize = 8_192;
/// Spans of one message.
const AT_ONCE: usize = 512;
/// Messages with metrics that wait. Each holds all sums.
const MOST_MESSAGES: usize = 2;
/// How often a message is sent again that may be taken later, after 1, 2, 4 and 8 s.
const MOST_TRIES: u32 = 5;
/// How long a stop waits for what is left to be sent.
const STOPPING: Duration = Duration::from_secs(5);

/// Tells a collector of requests. To be handed to
/// [`Gateway::with_observer`](keyward_gateway::Gateway::with_observer), and to be [run](Self::run) beside it.
pub struct Otel {
    spans: mpsc::Sender<SpanData>,
    measures: Arc<Measures>,
    sampler: Sampler,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
    resource: ResourceAttributesWithSchema,
    sender: Sender,
    interval: Duration,
    /// Says that a message is full.
    many: Notify,
    /// Taken by the one who sends.
    waiting: Mutex<Option<Waiting>>,
}

/// What is to be sent.
struct Waiting {
    spans: mpsc::Receiver<SpanData>,
    metrics: mpsc::Receiver<Bytes>,
    /// What is being sent.
    message: Option<Message>,
}

struct Message {
    signal: Signal,
    bytes: Bytes,
    /// How many spans, or messages with metrics.
    count: usize,
    tries: u32,
}

impl Otel {
    /// Reaches the collector by `dial`, whose guard must allow its origin. `version` is Keyward's. Starts one thread, which
    /// sums metrics up.
    ///
    /// # Errors
    ///
    /// When the collector's host cannot stand in a request.
    pub fn new(
        dial: &Arc<dyn Dial>,
        settings: Settings,
        version: &'static str,
    ) -> Result<Self, EndpointError> {
        let sender = Sender::new(dial, &settings.endpoint, settings.headers)?;
        let resource = resource(&settings.service_name, &settings.resource.0, version);
        let scope = InstrumentationScope::builder("keyward")
            .with_version(version)
            .with_schema_url(SCHEMA_URL)
            .build();
        let (spans, waiting_spans) = mpsc::channel(MOST_WAITING);
        let (to, messages) = mpsc::channel(MOST_MESSAGES);
        let measures = Measures::new(resource.clone(), scope.clone(), settings.interval, to);
        Ok(Self {
            spans,
            measures: Arc::new(measures),
            sampler: Sampler::TraceIdRatioBased(settings.sampling.get()),
            ids: RandomIdGenerator::default(),
            scope,
            resource: ResourceAttributesWithSchema::from(&resource),
            sender,
            interval: settings.interval,
            many: Notify::new(),
            waiting: Mutex::new(Some(Waiting {
                spans: waiting_spans,
                metrics: messages,
                message: None,
            })),
        })
    }

    /// Sends until `stop`. What is left then has 5 s to be sent; the rest is lost, and counted. Runs once: a second call ends
    /// at once.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.take()
        };
        let Some(mut waiting) = waiting else { return };
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once.
        ticks.tick().await;
        let deadline = loop {
            tokio::select! {
                () = stop.cancelled() => break Instant::now() + STOPPING,
                _ = ticks.tick() => {}
                () = self.many.notified() => {}
            }
            let mut sending = pin!(self.send_all(&mut waiting));
            tokio::select! {
                () = stop.cancelled() => {
                    // What is being sent goes on: sent again, it would be there twice.
                    let deadline = Instant::now() + STOPPING;
                    let _in_time = timeout_at(deadline, sending).await;
                    break deadline;
                }
                () = &mut sending => {}
            }
        };
        self.end(&mut waiting, deadline).await;
        waiting.lose();
    }

    /// Sends what is left, until the deadline.
    async fn end(&self, waiting: &mut Waiting, deadline: Instant) {
        waiting.spans.close();
        // Waits for no collector: the last sums are put behind the queue.
        let measures = Arc::clone(&self.measures);
        if let Err(error) = spawn_blocking(move || measures.end()).await {
            tracing::error!(%error, "the last metrics were not summed up");
        }
        if timeout_at(deadline, self.send_all(waiting)).await.is_err() {
            tracing::warn!(
                "the collector did not take everything before the end; `keyward_otel_lost_total` counts it"
            );
        }
    }

    /// Sends everything that waits. Cancel-safe: what was being sent is kept.
    async fn send_all(&self, waiting: &mut Waiting) {
        while let Some(message) = self.next(waiting) {
            match self
                .sender
                .send(message.signal, message.bytes.clone())
                .await
            {
                Ok(rejected) => {
                    let rejected = rejected.min(message.count);
                    lost::sent(message.signal, message.count - rejected);
                    lost(message.signal, Why::Refused, rejected);
                    waiting.message = None;
                }
                Err(error) if error.is_retryable() && message.tries + 1 < MOST_TRIES => {
                    let wait = Duration::from_secs(1 << message.tries);
                    message.tries += 1;
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the collector does not take data; it is tried again"
                    );
                    sleep(wait).await;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        signal = message.signal.name(),
                        lost = message.count,
                        "the collector of `[otel]` did not take data, which is lost"
                    );
                    lost(message.signal, Why::Refused, message.count);
                    waiting.message = None;
                }
            }
        }
    }

    /// What is to be sent next.
    fn next<'a>(&self, waiting: &'a mut Waiting) -> Option<&'a mut Message> {
        if waiting.message.is_none() {
            waiting.message = match waiting.metrics.try_recv() {
                Ok(bytes) => Some(Message {
                    signal: Signal::Metrics,
                    bytes,
                    count: 1,
                    tries: 0,
                }),
                Err(_none) => self.batch(&mut waiting.spans),
            };
        }
        waiting.message.as_mut()
    }

    fn batch(&self, spans: &mut mpsc::Receiver<SpanData>) -> Option<Message> {
        let mut batch = Vec::new();
        while batch.len() < AT_ONCE
            && let Ok(span) = spans.try_recv()
        {
            batch.push(span);
        }
        lost::waiting(spans.len());
        let count = batch.len();
        (count > 0).then(|| Message {
            signal: Signal::Spans,
            bytes: ExportTraceServiceRequest {
                resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
            }
            .encode_to_vec()
            .into(),
            count,
            tries: 0,
        })
    }

    /// Where a request's span belongs. None where its trace is not sent.
    fn place(&self, request: &Finished<'_>) -> Option<Place> {
        let parent = request.parent;
        let trace = parent.map_or_else(
            || self.ids.new_trace_id(),
            |parent| TraceId::from_bytes(parent.trace()),
        );
        let name = "";
        let kind = &SpanKind::Client;
        let sampled = self
            .sampler
            .should_sample(None, trace, name, kind, &[], &[]);
        (sampled.decision == SamplingDecision::RecordAndSample).then(|| Place {
            trace,
            span: self.ids.new_span_id(),
            parent: parent
                .and_then(|parent| parent.span())
                .map(SpanId::from_bytes),
        })
    }
}

impl Observe for Otel {
    fn finished(&self, request: &Finished<'_>) {
        self.measures.count(request);
        if !request.is_told {
            return;
        }
        let Some(place) = self.place(request) else {
            return;
        };
        match self.spans.try_reserve() {
            Ok(room) => room.send(span::of(request, place, &self.scope)),
            Err(mpsc::error::TrySendError::Full(())) => lost(Signal::Spans, Why::QueueFull, 1),
            Err(mpsc::error::TrySendError::Closed(())) => lost(Signal::Spans, Why::Stopped, 1),
        }
        let waiting = self.spans.max_capacity() - self.spans.capacity();
        lost::waiting(waiting);
        if waiting >= AT_ONCE {
            self.many.notify_one();
        }
    }
}

impl Waiting {
    /// Nobody sends it any more.
    fn lose(mut self) {
        self.spans.close();
        let mut spans = 0;
        while self.spans.try_recv().is_ok() {
            spans += 1;
        }
        let mut messages = 0;
        while self.metrics.try_recv().is_ok() {
            messages += 1;
        }
        if let Some(message) = &self.message {
            match message.signal {
                Signal::Spans => spans += message.count,
                Signal::Metrics => messages += message.count,
            }
        }
        lost(Signal::Spans, Why::Stopped, spans);
        lost(Signal::Metrics, Why::Stopped, messages);
        lost::waiting(0);
    }
}

fn resource(service: &str, more: &[(String, String)], version: &'static str) -> Resource {
    // Empty: what variables of the environment say is not asked.
    let more = more.iter().cloned();
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.version", version))
        .with_attributes(more.map(|(name, value)| KeyValue::new(name, value)))
        .with_service_name(service.to_owned())
        .build()
}

impl fmt::Debug for Otel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otel")
            .field("sampler", &self.sampler)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
