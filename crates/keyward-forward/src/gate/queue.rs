//! Who waits for one origin, the longest waiting first.
//!
//! Two queues: who can only do with a connection that speaks HTTP/1.1, as a WebSocket does, may wait for long
//! where HTTP/2 connections take every place. It must not stop those whom a free stream of theirs serves.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{Rank, Turn};
use crate::Offer;

/// Who waits. Some may have gone away.
pub(super) struct Queue<B> {
    /// For a stream of a shared connection, or a connection of either kind.
    any: VecDeque<Asker<B>>,
    /// For a connection that speaks HTTP/1.1.
    http1: VecDeque<Asker<B>>,
    /// How many have asked so far.
    asked: u64,
}

/// One who waits.
pub(super) struct Asker<B> {
    offer: Offer,
    /// Smaller if it has waited longer.
    number: u64,
    pub(super) turn: oneshot::Sender<Turn<B>>,
}

impl<B> Asker<B> {
    const fn new(offer: Offer, number: u64, turn: oneshot::Sender<Turn<B>>) -> Self {
        Self {
            offer,
            number,
            turn,
        }
    }
}

impl<B> Queue<B> {
    pub(super) const fn new() -> Self {
        Self {
            any: VecDeque::new(),
            http1: VecDeque::new(),
            asked: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.any.len() + self.http1.len()
    }

    /// Whether somebody waits for what `offer` says.
    pub(super) fn has(&self, offer: Offer) -> bool {
        match offer {
            Offer::Http1 => !self.http1.is_empty(),
            Offer::Http2OrHttp1 => !self.any.is_empty(),
        }
    }

    /// How many would do with a stream.
    pub(super) fn waiting_for_streams(&self) -> usize {
        self.any.len()
    }

    /// How many have not gone away. Looks at all of them.
    pub(super) fn still_waiting(&self) -> usize {
        let all = self.any.iter().chain(&self.http1);
        all.filter(|asker| !asker.turn.is_closed()).count()
    }

    pub(super) fn push(&mut self, offer: Offer, rank: Rank, turn: oneshot::Sender<Turn<B>>) {
        match rank {
            Rank::Last => {
                self.asked += 1;
                let asker = Asker::new(offer, self.asked, turn);
                self.of(offer).push_back(asker);
            }
            Rank::First => self.of(offer).push_front(Asker::new(offer, 0, turn)),
        }
    }

    /// Who has waited longest for what `offer` says.
    pub(super) fn pop(&mut self, offer: Offer) -> Option<Asker<B>> {
        let queue = self.of(offer);
        loop {
            match queue.pop_front() {
                Some(asker) if asker.turn.is_closed() => {}
                other => break other,
            }
        }
    }

    /// Who has waited longest, for whatever.
    pub(super) fn pop_longest(&mut self) -> Option<Asker<B>> {
        let [first, second] = self.by_age();
        self.pop(first).or_else(|| self.pop(second))
    }

    /// Puts back who was taken out just now.
    pub(super) fn put_back(&mut self, asker: Asker<B>) {
        self.of(asker.offer).push_front(asker);
    }

    /// What is waited for, the longest waited for first.
    pub(super) fn by_age(&mut self) -> [Offer; 2] {
        let (any, http1) = [&mut self.any, &mut self.http1].map(oldest).into();
        match (any, http1) {
            (Some(any), Some(http1)) if http1 < any => [Offer::Http1, Offer::Http2OrHttp1],
            (None, Some(_)) => [Offer::Http1, Offer::Http2OrHttp1],
            _ => [Offer::Http2OrHttp1, Offer::Http1],
        }
    }

    pub(super) fn drop_gone(&mut self) {
        for queue in [&mut self.any, &mut self.http1] {
            queue.retain(|asker| !asker.turn.is_closed());
        }
    }

    fn of(&mut self, offer: Offer) -> &mut VecDeque<Asker<B>> {
        match offer {
            Offer::Http1 => &mut self.http1,
            Offer::Http2OrHttp1 => &mut self.any,
        }
    }
}

fn oldest<B>(queue: &mut VecDeque<Asker<B>>) -> Option<u64> {
    while queue.pop_front_if(|asker| asker.turn.is_closed()).is_some() {}
    queue.front().map(|asker| asker.number)
}
