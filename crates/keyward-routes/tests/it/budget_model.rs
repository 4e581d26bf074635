//! Budgets in memory against a slow model: every request is kept by itself, and what counts is added up each time.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_routes::{
    Admission, BudgetRow, BudgetWindow, Budgets, MemoryBudgets, Money, Reservation, Spend,
    Technique, testing,
};

/// How many random mixes there are.
const MIXES: u64 = 10_000;
/// How much happens in each.
const STEPS: u64 = 40;
/// Fixed and sliding windows, some shorter than requests last.
const BUDGETS: [(u64, Technique, u64); 4] = [
    (3, Technique::Fixed, 100),
    (10, Technique::Sliding, 100),
    (60, Technique::Fixed, 300),
    (60, Technique::Sliding, 1000),
];

/// Marsaglia's xorshift: the same mixes each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What one request is in one budget.
#[derive(Clone, Copy)]
struct Entry {
    id: u64,
    budget: usize,
    /// In which window it was reserved.
    number: u64,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Reserved {
        estimate: u64,
        expires: u64,
    },
    /// Reserved before a restart.
    Orphaned {
        estimate: u64,
        expires: u64,
    },
    Cost(u64),
}

#[derive(Clone, Default)]
struct Model {
    entries: Vec<Entry>,
    /// When the last of what was ever reserved in a budget expires.
    latest: [u64; BUDGETS.len()],
}

impl Model {
    fn forget_expired(&mut self, now: u64) {
        self.entries.retain(|entry| match entry.what {
            What::Reserved { expires, .. } | What::Orphaned { expires, .. } => now < expires,
            What::Cost(_) => true,
        });
    }

    /// What was spent and what is reserved.
    fn stands(&self, budget: usize, now: u64) -> (u64, u64) {
        let (seconds, technique, _) = BUDGETS[budget];
        let length = seconds * 1000;
        let number = now / length;
        let left = (number + 1) * length - now;
        let sum = |in_number: u64, is_reserved: bool| {
            let of = self.entries.iter();
            let of = of.filter(|entry| entry.budget == budget && entry.number == in_number);
            of.map(|entry| match entry.what {
                What::Reserved { estimate, .. } if is_reserved => estimate,
                What::Orphaned { estimate, .. } if !is_reserved => estimate,
                What::Cost(cost) if !is_reserved => cost,
                _ => 0,
            })
            .sum::<u64>()
        };
        let both = [false, true].map(|is_reserved| {
            let before = match technique {
                Technique::Fixed => 0,
                Technique::Sliding => sum(number - 1, is_reserved) * left,
            };
            before.div_ceil(length) + sum(number, is_reserved)
        });
        (both[0], both[1])
    }

    fn admits(&self, budget: usize, estimate: u64, now: u64) -> bool {
        let (spent, reserved) = self.stands(budget, now);
        let limit = BUDGETS[budget].2;
        spent + reserved + estimate <= limit || (reserved == 0 && spent < limit)
    }

    /// As it is after a restart of what is stored.
    fn restarted(mut self) -> Self {
        for entry in &mut self.entries {
            if let What::Reserved { estimate, .. } | What::Orphaned { estimate, .. } = entry.what {
                let expires = self.latest[entry.budget];
                entry.what = What::Orphaned { estimate, expires };
            }
        }
        self
    }
}

fn ask(budget: usize, estimate: u64) -> Spend {
    let (seconds, technique, limit) = BUDGETS[budget];
    let window = BudgetWindow::seconds(seconds, technique).unwrap();
    Spend {
        estimate: Money::from_nanos(estimate),
        ..testing::spend(1, &budget.to_string(), limit, window).unwrap()
    }
}

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

/// One mix: what is served, and what it should be.
struct Mix {
    random: Random,
    now: u64,
    budgets: MemoryBudgets,
    model: Model,
    running: Vec<(u64, Reservation)>,
    next: u64,
    /// What a store has, and what the model was when it got it.
    stored: BTreeMap<[u8; 16], BudgetRow>,
    stored_model: Model,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    admitted: u64,
    refused: u64,
    killed: u64,
    expired: u64,
}

impl Mix {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: 1_700_000_000_000 + seed,
            budgets: MemoryBudgets::default(),
            model: Model::default(),
            running: Vec::new(),
            next: 0,
            stored: BTreeMap::new(),
            stored_model: Model::default(),
            counts: Counts::default(),
        }
    }

    fn step(&mut self) {
        self.now += self.random.below(3) * self.random.below(1500);
        let before = self.model.entries.len();
        self.model.forget_expired(self.now);
        self.counts.expired += u64::try_from(before - self.model.entries.len()).unwrap();
        match self.random.below(16) {
            0..7 => self.reserve(),
            // Succeeded, at more or less than was estimated; failed; hung up.
            7..11 => self.settle(),
            // Nobody settles it.
            11 => drop(self.running.pop()),
            12 => self.renew(),
            13..15 => self.store(),
            _ => self.kill(),
        }
        for (budget, _) in BUDGETS.iter().enumerate() {
            let standing = self.budgets.standings(&[ask(budget, 0)], at(self.now));
            let stands = (standing[0].spent.nanos(), standing[0].reserved.nanos());
            assert_eq!(
                stands,
                self.model.stands(budget, self.now),
                "budget {budget}"
            );
        }
    }

    fn reserve(&mut self) {
        let is_large = self.random.below(20) == 0;
        let mut asks = Vec::new();
        for budget in 0..BUDGETS.len() {
            if self.random.below(2) == 0 {
                let estimate = self.random.below(60);
                asks.push((budget, if is_large { 5000 } else { estimate }));
            }
        }
        let lasts = 1 + self.random.below(20_000);
        let wanted: Vec<_> = asks
            .iter()
            .map(|&(budget, estimate)| ask(budget, estimate))
            .collect();
        let admission =
            self.budgets
                .try_reserve(&wanted, Duration::from_millis(lasts), at(self.now));
        let admits =
            |&(budget, estimate): &(usize, u64)| self.model.admits(budget, estimate, self.now);
        let is_admitted = asks.iter().all(admits);
        match admission {
            Admission::Admitted(reservation) => {
                assert!(is_admitted, "admitted beyond the rule");
                self.counts.admitted += 1;
                self.next += 1;
                let expires = self.now + lasts;
                for (budget, estimate) in asks {
                    let number = self.now / (BUDGETS[budget].0 * 1000);
                    let what = What::Reserved { estimate, expires };
                    self.model.entries.push(Entry {
                        id: self.next,
                        budget,
                        number,
                        what,
                    });
                    self.model.latest[budget] = self.model.latest[budget].max(expires);
                }
                self.running.push((self.next, reservation));
            }
            Admission::Over(over) => {
                assert!(!is_admitted, "refused although there is room");
                assert!(!admits(&asks[over.which]), "another budget is to blame");
                self.counts.refused += 1;
            }
            Admission::Lost(loss) => panic!("{loss:?}"),
        }
    }

    fn take_running(&mut self) -> Option<(u64, Reservation)> {
        let count = u64::try_from(self.running.len()).unwrap();
        let place = self.random.below(count.max(1));
        let place = usize::try_from(place).unwrap();
        (place < self.running.len()).then(|| self.running.swap_remove(place))
    }

    /// The windows in which a request was reserved.
    fn windows(reservation: &Reservation) -> Vec<(usize, u64)> {
        let budget = |held: &keyward_routes::Held| {
            let is_it = |budget: &usize| ask(*budget, 0).key == held.key;
            ((0..BUDGETS.len()).find(is_it).unwrap(), held.number)
        };
        reservation.held().iter().map(budget).collect()
    }

    fn settle(&mut self) {
        let Some((id, reservation)) = self.take_running() else {
            return;
        };
        let cost = self.random.below(3) * self.random.below(80);
        self.model
            .entries
            .retain(|entry| entry.id != id || !matches!(entry.what, What::Reserved { .. }));
        for (budget, number) in Self::windows(&reservation) {
            let what = What::Cost(cost);
            self.model.entries.push(Entry {
                id,
                budget,
                number,
                what,
            });
        }
        self.budgets
            .settle(reservation, Money::from_nanos(cost), at(self.now));
    }

    fn renew(&mut self) {
        let Some((id, reservation)) = self.take_running() else {
            return;
        };
        let lasts = 1 + self.random.below(20_000);
        let expires = self.now + lasts;
        self.model.entries.retain(|entry| entry.id != id);
        for (place, (budget, number)) in Self::windows(&reservation).into_iter().enumerate() {
            let estimate = reservation.held()[place].estimate.nanos();
            let what = What::Reserved { estimate, expires };
            self.model.entries.push(Entry {
                id,
                budget,
                number,
                what,
            });
            self.model.latest[budget] = self.model.latest[budget].max(expires);
        }
        self.budgets
            .renew(&reservation, Duration::from_millis(lasts), at(self.now));
        self.running.push((id, reservation));
    }

    fn store(&mut self) {
        for row in self.budgets.changed(at(self.now)) {
            self.stored.insert(row.key.to_bytes(), row);
        }
        self.stored_model = self.model.clone();
    }

    /// It is killed, or stopped in good order, and starts again.
    fn kill(&mut self) {
        if self.random.below(2) == 0 {
            self.store();
        }
        self.counts.killed += 1;
        self.running.clear();
        self.model = self.stored_model.clone().restarted();
        self.now += self.random.below(2) * self.random.below(20_000);
        self.model.forget_expired(self.now);
        self.budgets = MemoryBudgets::default();
        let rows: Vec<_> = self.stored.values().copied().collect();
        for (budget, latest) in self.model.latest.iter_mut().enumerate() {
            let row = self.stored.get(&ask(budget, 0).key.to_bytes());
            // What is past is not taken back, and begins anew.
            if row.is_none_or(|row| row.is_past(at(self.now))) {
                *latest = 0;
            }
        }
        self.budgets.restore(&rows, at(self.now));
    }
}

#[test]
fn ten_thousand_mixes_of_success_failure_hang_up_expiry_and_restart_add_up_exactly() {
    let mut all = Counts::default();
    for seed in 0..MIXES {
        let mut mix = Mix::new(seed);
        for _ in 0..STEPS {
            mix.step();
        }
        all.admitted += mix.counts.admitted;
        all.refused += mix.counts.refused;
        all.killed += mix.counts.killed;
        all.expired += mix.counts.expired;
    }
    println!("{MIXES} mixes: {all:?}");
    assert!(
        all.admitted > MIXES * 5
            && all.refused > MIXES
            && all.killed > MIXES
            && all.expired > MIXES
    );
}
