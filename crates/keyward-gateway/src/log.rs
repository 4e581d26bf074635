//! What the log is told of a request: gathered while it is under way, handed over when its answer has ended.
//!
//! A request costs two allocations and one push under its worker's own lock, which the recorder takes a few times a second.
//! Texts are made, counts are read and the store is written by the recorder (`record/logs.rs`). What has no room is counted
//! and lost; nothing waits.

mod bodies;
mod copy;
mod queue;
mod settling;
mod side;
mod spending;
mod texts;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, Response, Uri, header::CONTENT_TYPE};
use keyward_auth::TokenId;
use keyward_providers::{Seen, Usage, UsageReader, UsageShape};

use self::side::Side;
pub(crate) use self::{
    bodies::Bodies,
    queue::{Entries, LogQueue},
    spending::Spending,
    texts::{Noted, Text, Texts, is_said, metadata},
};
use crate::{
    replay::Room,
    request::Part,
    request_id::{Ids, RequestId},
    traffic::Series,
};

/// What has this status or a higher one costs nothing.
pub(crate) const FAILED: u16 = 400;

/// One request, as far as it is known.
pub(crate) struct Entry {
    pub(crate) id: RequestId,
    pub(crate) series: Series,
    pub(crate) token: Option<TokenId>,
    pub(crate) texts: Texts,
    /// Whether the log is told of it. One that is not is settled and counted.
    pub(crate) is_told: bool,
    /// What is reserved for it in budgets.
    pub(crate) spending: Option<Spending>,
    /// Which entry of a universal request, or which stop of a route, this is.
    pub(crate) step: Option<u32>,
    /// Whether the model of a body in OpenAI's form says where it goes.
    pub(crate) is_compat: bool,
    pub(crate) request_bytes: u64,
    begun: Instant,
    pub(crate) duration: Duration,
    /// None where the client went away before there was an answer.
    pub(crate) status: Option<u16>,
    /// Of the gateway's own refusal.
    pub(crate) code: Option<u16>,
    /// Whether the answer came to its end.
    pub(crate) is_whole: bool,
    pub(crate) response_bytes: u64,
    /// What the answer said that it took, once it has ended or was cut.
    pub(crate) usage: Usage,
    /// How much of it came.
    pub(crate) seen: Seen,
    /// The model that the answer named.
    pub(crate) model: Option<Box<str>>,
    /// Let go of when the answer has ended: what waits for the recorder is small.
    reader: Option<Box<UsageReader>>,
    /// Where the answer is compressed.
    side: Option<Side>,
    /// Where the log keeps them.
    pub(crate) bodies: Option<Box<Bodies>>,
    queue: Option<Arc<LogQueue>>,
}

/// A request under way that is told of once this is dropped.
#[derive(Debug)]
pub(crate) struct Telling(Option<Box<Entry>>);

impl Telling {
    /// Of a request that nobody is told of.
    pub(crate) const NOBODY: Self = Self(None);

    /// Begins with a request, its headers as they are before they are rewritten, and its length. Of one that the log is not
    /// told of, what it took is counted nevertheless, and of its texts nothing but its path is taken along.
    pub(crate) fn of(
        (queue, series, ids, noted): (&Arc<LogQueue>, &Series, &Ids, Noted),
        (headers, uri, length): (&HeaderMap, &Uri, Option<u64>),
        (begun, part): (Instant, &Part),
        (spending, bodies): (Option<Spending>, Option<Box<Bodies>>),
    ) -> Self {
        let is_told = noted.is_told(headers);
        let texts = if is_told {
            Texts::of(headers, uri, ids.event(), noted)
        } else {
            Texts::of_path(uri)
        };
        Self(Some(Box::new(Entry {
            is_told,
            spending,
            id: ids.request,
            series: series.clone(),
            token: noted.token,
            step: part.step,
            is_compat: part.is_compat,
            texts,
            request_bytes: length.unwrap_or_default(),
            begun,
            duration: Duration::ZERO,
            status: None,
            code: None,
            is_whole: false,
            response_bytes: 0,
            usage: Usage::UNKNOWN,
            seen: Seen::default(),
            model: None,
            reader: None,
            side: None,
            bodies,
            queue: Some(Arc::clone(queue)),
        })))
    }

    /// What is reserved for it.
    pub(crate) fn spending(&mut self) -> Option<&mut Spending> {
        self.0.as_mut()?.spending.as_mut()
    }

    /// Takes the head of a provider's answer. Its body is read for counts where that has a shape.
    pub(crate) fn answered<B>(
        &mut self,
        answer: &Response<B>,
        shape: Option<UsageShape>,
        room: &Arc<Room>,
    ) {
        let Some(entry) = &mut self.0 else { return };
        entry.status = Some(answer.status().as_u16());
        if answer.status().as_u16() >= FAILED {
            entry.give_back();
        }
        let content_type = answer.headers().get(CONTENT_TYPE);
        if let Some(value) = content_type.filter(|_| entry.is_told) {
            entry.texts.push(Text::ResponseType, value.as_bytes());
        }
        if let Some(bodies) = &mut entry.bodies {
            bodies.answered(answer.headers());
        }
        if answer.status().is_success()
            && let Some(shape) = shape
        {
            let content_type = content_type.and_then(|value| value.to_str().ok());
            entry.reader = Some(Box::new(UsageReader::new(shape, content_type)));
            entry.side = Side::of(answer.headers(), room);
        }
    }

    /// Takes the gateway's own answer, which is told of at once.
    pub(crate) fn refused(&mut self, status: u16, code: u16) {
        if let Some(entry) = &mut self.0 {
            entry.give_back();
            entry.status = Some(status);
            entry.code = Some(code);
            entry.is_whole = true;
        }
        self.tell();
    }

    /// Looks at the next piece of the answer's body, on its way to the client.
    pub(crate) fn passes(&mut self, bytes: &[u8]) {
        if let Some(entry) = &mut self.0 {
            if let Some(spending) = &mut entry.spending {
                spending.go_on();
            }
            entry.response_bytes += u64::try_from(bytes.len()).unwrap_or_default();
            if let Some(bodies) = &mut entry.bodies {
                bodies.take(bytes);
            }
            match (&mut entry.side, &mut entry.reader) {
                (Some(side), _) => side.take(bytes),
                (None, Some(reader)) => reader.feed(bytes),
                (None, None) => {}
            }
        }
    }

    /// The answer came to its end.
    pub(crate) fn ended(&mut self) {
        if let Some(entry) = &mut self.0 {
            entry.is_whole = true;
        }
        self.tell();
    }

    fn tell(&mut self) {
        if let Some(mut entry) = self.0.take()
            && let Some(queue) = entry.queue.take()
        {
            entry.duration = entry.begun.elapsed();
            if entry.side.is_none() {
                entry.read(&mut 0);
                // At once: whoever asks next finds the room that is left.
                entry.settle(queue.prices());
            }
            queue.push(entry);
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Entry {
    /// Frees what is reserved for a request that costs nothing: at once, because another may be made of it.
    fn give_back(&mut self) {
        if let Some(spending) = self.spending.take() {
            self.model = Some(spending.model.clone());
        }
    }

    /// Reads what is known of the answer's tokens: now, where it was compressed.
    ///
    /// A compressed one becomes no longer than what is `left`, which that is taken from.
    pub(crate) fn read(&mut self, left: &mut usize) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        if let Some(side) = self.side.take() {
            side.read(&mut reader, left);
        }
        self.usage = reader.usage();
        self.seen = reader.seen();
        self.model = reader.model().map(Box::from);
    }

    /// What it takes in memory, in bytes.
    fn held(&self) -> usize {
        let reader = self.reader.as_ref().map_or(0, |_| size_of::<UsageReader>());
        let bodies = self.bodies.as_ref().map_or(0, |bodies| bodies.held());
        size_of::<Self>() + reader + self.texts.held() + bodies
    }
}

impl fmt::Debug for Entry {
    /// No text of a client's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a stream is the only one to know how long it lasts, and when it ends"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}
