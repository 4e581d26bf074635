//! One message to the collector, and what came of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, Limited};
use keyward_forward::{
    Dial, Endpoint, EndpointError, ForwardError, Forwarder, Offer, Rules, StripList, Target,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tokio::time::timeout;

use crate::{
    lost::Signal,
    settings::{OtlpEndpoint, OtlpHeaders},
};

/// How long the collector may take for its whole answer: what OTLP's exporters have by default.
const LONGEST: Duration = Duration::from_secs(10);
/// How much of its answer is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("keyward-otel/", env!("CARGO_PKG_VERSION")));

/// Sends to one collector.
pub(crate) struct Sender {
    endpoint: Arc<Endpoint>,
    traces: PathAndQuery,
    metrics: PathAndQuery,
    headers: HeaderMap,
    forwarder: Forwarder<Full<Bytes>>,
}

/// Why the collector did not take it. Holds nothing of its answer but the status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it did not answer within {} s", LONGEST.as_secs())]
    Silent,
    #[error("it cannot be reached")]
    Reach(#[source] ForwardError),
}

impl SendError {
    /// Whether the same message may be taken later (OTLP 1.9, "Failures").
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Silent | Self::Reach(_) => true,
        }
    }
}

impl Sender {
    pub(crate) fn new(
        dial: &Arc<dyn Dial>,
        to: &OtlpEndpoint,
        headers: OtlpHeaders,
    ) -> Result<Self, EndpointError> {
        let config = keyward_forward::Config {
            offer: Offer::Http1,
            max_idle_per_origin: 1,
            max_connections_per_origin: 2,
            ..keyward_forward::Config::default()
        };
        Ok(Self {
            endpoint: Arc::new(Endpoint::new(to.origin().clone())?),
            traces: to.traces().clone(),
            metrics: to.metrics().clone(),
            headers: headers.0,
            forwarder: Forwarder::new(Arc::clone(dial), config),
        })
    }

    /// Sends one message. How many of its spans the collector did not take.
    pub(crate) async fn send(&self, signal: Signal, message: Bytes) -> Result<usize, SendError> {
        let mut request = Request::new(Full::new(message));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(header::CONTENT_TYPE, PROTOBUF);
        headers.insert(header::USER_AGENT, USER_AGENT);
        let path = match signal {
            Signal::Spans => &self.traces,
            Signal::Metrics => &self.metrics,
        };
        let target = Target::from_path(Arc::clone(&self.endpoint), path.clone());
        let strip = StripList::default();
        let sending = async {
            let sending = self.forwarder.forward(request, target, Rules::new(&strip));
            let answer = Box::pin(sending).await.map_err(SendError::Reach)?;
            let status = answer.status();
            if !status.is_success() {
                return Err(SendError::Status(status));
            }
            // What cannot be read of an answer that took it takes nothing back.
            let body = Limited::new(answer.into_body(), LONGEST_ANSWER)
                .collect()
                .await;
            Ok(body.map(|body| body.to_bytes()).unwrap_or_default())
        };
        let answer = timeout(LONGEST, sending).await;
        let answer = answer.map_err(|_elapsed| SendError::Silent)??;
        Ok(match signal {
            Signal::Spans => rejected(&answer),
            Signal::Metrics => 0,
        })
    }
}

fn rejected(answer: &[u8]) -> usize {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |part| part.rejected_spans);
    usize::try_from(rejected).unwrap_or_default()
}
