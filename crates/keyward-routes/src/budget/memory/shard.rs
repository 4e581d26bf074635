//! The counters behind one lock.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::{
    BudgetRow, BudgetWindow, CounterKey, Money, Spend, Standing, budget::Held, window::Counted,
};

/// How often a full shard is searched for counters that are past, in milliseconds.
const SWEEP_EVERY_MS: u64 = 1000;

/// What a decision goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) now_ms: u64,
    /// How many counters there are at most.
    pub(super) most: usize,
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    counters: FxHashMap<CounterKey, Counter>,
    open: FxHashMap<(u64, CounterKey), Open>,
    /// Nothing that is open expires before, in milliseconds since the epoch.
    earliest_ms: u64,
    /// The counters that say so of themselves.
    changed: Vec<CounterKey>,
    swept_at_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    window: BudgetWindow,
    spent: Counted,
    reserved: Counted,
    /// What was reserved before a restart. Counts as spent.
    orphaned: Counted,
    /// When the last of what is reserved expires at the latest, in milliseconds since the epoch.
    expires_ms: u64,
    is_changed: bool,
}

/// What is reserved in one counter.
#[derive(Clone, Copy, Debug)]
struct Open {
    expires_ms: u64,
    window: BudgetWindow,
    number: u64,
    amount: u64,
    is_orphan: bool,
}

impl Shard {
    pub(super) fn count(&self) -> usize {
        self.counters.len()
    }

    pub(super) fn count_open(&self) -> usize {
        self.open.len()
    }

    /// Lets go of what expired. Searches only when something may have.
    pub(super) fn release(&mut self, turn: Turn) {
        if turn.now_ms < self.earliest_ms {
            return;
        }
        let mut earliest_ms = u64::MAX;
        let (counters, changed) = (&mut self.counters, &mut self.changed);
        self.open.retain(|(_, key), open| {
            let lasts = turn.now_ms < open.expires_ms;
            if lasts {
                earliest_ms = earliest_ms.min(open.expires_ms);
            } else if let Some(counter) = counters.get_mut(key) {
                counter.take_back(open);
                counter.note_change(*key, changed);
            }
            lasts
        });
        self.earliest_ms = earliest_ms;
    }

    /// How a budget stands.
    pub(super) fn standing(&mut self, ask: &Spend, turn: Turn) -> Standing {
        let window = ask.budget.window();
        let key = self.place(ask.key, turn);
        let counter = self.counters.get(&key);
        let fresh = || Counter::new(window, window.grid().number_at(turn.now_ms));
        let counter = counter.copied().unwrap_or_else(fresh);
        counter.at(window, turn.now_ms).standing(turn.now_ms)
    }

    /// Reserves what is estimated.
    pub(super) fn reserve(&mut self, id: u64, ask: &Spend, expires_ms: u64, turn: Turn) -> Held {
        let window = ask.budget.window();
        let key = self.place(ask.key, turn);
        let fresh = || Counter::new(window, window.grid().number_at(turn.now_ms));
        let counter = self.counters.entry(key).or_insert_with(fresh);
        if counter.window != window {
            // Nothing of what was reserved in other windows may be freed in these.
            self.open.retain(|(_, other), _| *other != key);
        }
        *counter = counter.at(window, turn.now_ms);
        let held = Held {
            key,
            window,
            number: counter.spent.number,
            estimate: ask.estimate,
        };
        self.open(id, &held, expires_ms);
        held
    }

    /// Has what is reserved expire at another time. What had expired is reserved again.
    pub(super) fn renew(&mut self, id: u64, held: &Held, expires_ms: u64, turn: Turn) {
        let Some(open) = self.open.get_mut(&(id, held.key)) else {
            if self.counter_of(held, turn).is_some() {
                self.open(id, held, expires_ms);
            }
            return;
        };
        open.expires_ms = expires_ms;
        self.earliest_ms = self.earliest_ms.min(expires_ms);
        if let Some(counter) = self.counters.get_mut(&held.key) {
            counter.expires_ms = counter.expires_ms.max(expires_ms);
            counter.note_change(held.key, &mut self.changed);
        }
    }

    /// Counts what a request cost, and frees what was reserved for it.
    pub(super) fn settle(&mut self, id: u64, held: &Held, cost: Money, turn: Turn) {
        let open = self.open.remove(&(id, held.key));
        let Some(counter) = self.counter_of(held, turn) else {
            return;
        };
        if let Some(open) = open {
            counter.take_back(&open);
        }
        // What was spent in windows that the budget has no more says nothing of those that it has.
        if counter.window == held.window {
            counter.spent.add_in(held.number, cost.nanos());
        }
        if let Some(counter) = self.counters.get_mut(&held.key) {
            counter.note_change(held.key, &mut self.changed);
        }
    }

    /// The counter in which something was reserved; one anew where it was let go of and still matters.
    fn counter_of(&mut self, held: &Held, turn: Turn) -> Option<&mut Counter> {
        match self.counters.entry(held.key) {
            Entry::Occupied(counter) => Some(counter.into_mut()),
            Entry::Vacant(place) => {
                let counter = Counter::new(held.window, held.number);
                (!counter.is_past(turn.now_ms)).then(|| place.insert(counter))
            }
        }
    }

    /// Adds what changed, and forgets that it did.
    pub(super) fn take_changed(&mut self, rows: &mut Vec<BudgetRow>, turn: Turn) {
        self.release(turn);
        for key in self.changed.drain(..) {
            if let Some(counter) = self.counters.get_mut(&key) {
                counter.is_changed = false;
                rows.push(counter.row(key));
            }
        }
    }

    pub(super) fn mark_changed(&mut self, key: CounterKey) {
        if let Some(counter) = self.counters.get_mut(&key) {
            counter.note_change(key, &mut self.changed);
        }
    }

    /// Adds what was stored of a counter to what was counted since. `ids` are of no other reservation.
    pub(super) fn restore(&mut self, row: &BudgetRow, ids: [u64; 2], turn: Turn) {
        let fresh = || Counter::new(row.window, row.number);
        let counter = self.counters.entry(row.key).or_insert_with(fresh);
        if counter.window != row.window {
            return;
        }
        let before = row.number.saturating_sub(1);
        counter.spent.add_in(row.number, row.spent.nanos());
        counter.spent.add_in(before, row.spent_before.nanos());
        counter.expires_ms = counter.expires_ms.max(row.expires_ms);
        counter.note_change(row.key, &mut self.changed);
        let reserved = [(row.number, row.reserved), (before, row.reserved_before)];
        for (id, (number, reserved)) in ids.into_iter().zip(reserved) {
            if reserved == Money::ZERO || row.expires_ms <= turn.now_ms {
                continue;
            }
            let open = Open {
                expires_ms: row.expires_ms,
                window: row.window,
                number,
                amount: reserved.nanos(),
                is_orphan: true,
            };
            counter.orphaned.add_in(number, open.amount);
            self.open.insert((id, row.key), open);
            self.earliest_ms = self.earliest_ms.min(open.expires_ms);
        }
    }

    fn open(&mut self, id: u64, held: &Held, expires_ms: u64) {
        let Some(counter) = self.counters.get_mut(&held.key) else {
            return;
        };
        if counter.window != held.window {
            return;
        }
        let open = Open {
            expires_ms,
            window: held.window,
            number: held.number,
            amount: held.estimate.nanos(),
            is_orphan: false,
        };
        counter.reserved.add_in(held.number, open.amount);
        counter.expires_ms = counter.expires_ms.max(expires_ms);
        counter.note_change(held.key, &mut self.changed);
        self.open.insert((id, held.key), open);
        self.earliest_ms = self.earliest_ms.min(expires_ms);
    }

    /// Under which name a key is counted: by itself, or with all that come new where there is no room.
    fn place(&mut self, key: CounterKey, turn: Turn) -> CounterKey {
        match self.counters.contains_key(&key) || self.has_room(turn) {
            true => key,
            false => key.overflow(),
        }
    }

    /// Whether a new counter has room, once what is past is gone.
    fn has_room(&mut self, turn: Turn) -> bool {
        if self.counters.len() < turn.most {
            return true;
        }
        if turn.now_ms.abs_diff(self.swept_at_ms) >= SWEEP_EVERY_MS {
            self.swept_at_ms = turn.now_ms;
            self.counters
                .retain(|_, counter| !counter.is_past(turn.now_ms));
        }
        self.counters.len() < turn.most
    }
}

impl Counter {
    fn new(window: BudgetWindow, number: u64) -> Self {
        let counted = Counted {
            number,
            ..Counted::default()
        };
        Self {
            window,
            spent: counted,
            reserved: counted,
            orphaned: counted,
            expires_ms: 0,
            is_changed: false,
        }
    }

    /// The counter as it stands now, for a budget with such windows.
    fn at(self, window: BudgetWindow, now_ms: u64) -> Self {
        let grid = window.grid();
        if window != self.window {
            // What was counted in other windows says nothing of these.
            let fresh = Self::new(window, grid.number_at(now_ms));
            return Self {
                is_changed: self.is_changed,
                ..fresh
            };
        }
        Self {
            spent: self.spent.at(grid, now_ms),
            reserved: self.reserved.at(grid, now_ms),
            orphaned: self.orphaned.at(grid, now_ms),
            ..self
        }
    }

    fn standing(&self, now_ms: u64) -> Standing {
        let spent = self.spent.and(self.orphaned);
        Standing::of(spent, self.reserved, self.window, now_ms)
    }

    /// Frees what was reserved.
    fn take_back(&mut self, open: &Open) {
        if self.window != open.window {
            return;
        }
        match open.is_orphan {
            true => self.orphaned.take_from(open.number, open.amount),
            false => self.reserved.take_from(open.number, open.amount),
        }
    }

    fn is_past(&self, now_ms: u64) -> bool {
        self.spent.is_past(self.window.grid(), now_ms)
    }

    fn note_change(&mut self, key: CounterKey, changed: &mut Vec<CounterKey>) {
        if !self.is_changed {
            self.is_changed = true;
            changed.push(key);
        }
    }

    fn row(&self, key: CounterKey) -> BudgetRow {
        let reserved = self.reserved.and(self.orphaned);
        BudgetRow {
            key,
            window: self.window,
            number: self.spent.number,
            spent: Money::from_nanos(self.spent.current),
            spent_before: Money::from_nanos(self.spent.previous),
            reserved: Money::from_nanos(reserved.current),
            reserved_before: Money::from_nanos(reserved.previous),
            expires_ms: self.expires_ms,
        }
    }
}
