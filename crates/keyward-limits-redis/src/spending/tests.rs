use std::{
    cell::{Cell, RefCell},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keyward_routes::{
    Admission, BudgetWindow, Budgets as _, MemoryBudgets, Money, Reservation, Spend, Standing,
    Technique, testing::spend,
};
use keyward_testing::RedisServer;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redis::Value;

use super::{Answer, BUDGET, RESERVE, SETTLE, Want, What, Word, asked, settled};
use crate::{script::PRODUCT, trouble::Trouble};

/// The scripts with a clock that the test sets; what they write stays.
struct Scripts {
    redis: redis::Connection,
    reserve: redis::Script,
    settle: redis::Script,
    batches: u64,
}

impl Scripts {
    fn new(redis: redis::Connection) -> Self {
        let expires =
            "  redis.call('PEXPIRE', counter.key, whole(math.max(past_at(counter) - now, 1)))\n";
        let budget = BUDGET.replace(expires, "");
        assert_ne!(budget, BUDGET);
        let script = |script: &str| {
            let now = "local now = tonumber(ARGV[#ARGV])";
            redis::Script::new(&format!("{now}\n{PRODUCT}{budget}{script}"))
        };
        Self {
            redis,
            reserve: script(RESERVE),
            settle: script(SETTLE),
            batches: 0,
        }
    }

    fn reserve(&mut self, asks: &[Spend], want: Want, now: u64) -> Answer {
        let mut asked = asked(&self.reserve, asks, want);
        let value: Value = asked.arg(now).invoke(&mut self.redis).unwrap();
        let answer = Answer::read(&value, asks.len()).unwrap();
        assert_eq!(answer.now_ms, now);
        answer
    }

    /// Each batch twice: the second time it does nothing.
    fn settle(&mut self, words: &[Word], now: u64) {
        self.batches += 1;
        for _ in 0..2 {
            let mut asked = settled(&self.settle, 1, self.batches, words);
            let _now: Value = asked.arg(now).invoke(&mut self.redis).unwrap();
        }
    }
}

fn at(now: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(now)
}

fn window() -> impl Strategy<Value = BudgetWindow> {
    let technique = prop_oneof![Just(Technique::Fixed), Just(Technique::Sliding)];
    let seconds = (prop_oneof![1_u64..5, 1_u64..10_000_000], technique)
        .prop_map(|(seconds, technique)| BudgetWindow::seconds(seconds, technique).unwrap());
    prop_oneof![
        4 => seconds,
        1 => Just(BudgetWindow::DAY),
        1 => Just(BudgetWindow::WEEK),
        1 => Just(BudgetWindow::MONTH),
    ]
}

/// What happens: which, a share of the limit in thousandths, how far the clock moves in thousandths of the window, and which
/// reservation.
fn steps() -> impl Strategy<Value = Vec<(u8, u64, i64, prop::sample::Index)>> {
    let step = (
        0_u8..8,
        0_u64..700,
        -300_i64..700,
        any::<prop::sample::Index>(),
    );
    proptest::collection::vec(step, 1..40)
}

fn length_ms(window: BudgetWindow) -> i128 {
    match (window.as_seconds(), window) {
        (Some(seconds), _) => i128::from(seconds) * 1000,
        (None, BudgetWindow::DAY) => 86_400_000,
        (None, BudgetWindow::WEEK) => 7 * 86_400_000,
        (None, _) => 30 * 86_400_000,
    }
}

#[test]
fn an_answer_is_so_many_numbers() {
    let array = |numbers: &[i64]| Value::Array(numbers.iter().copied().map(Value::Int).collect());
    for value in [
        Value::Nil,
        array(&[]),
        array(&[1, 1]),
        array(&[1, 1, 2, 3, 4, 5]),
        array(&[1, 1, 2, 3, 4, 5, -6]),
        array(&[1, 1, 2, 3, 4, 5, 6, 7]),
    ] {
        let told = Answer::read(&value, 1).unwrap_err();
        assert_eq!(told, Trouble::Foreign, "{value:?}");
    }
    let most = array(&[i64::MAX; 7]);
    let answer = Answer::read(&most, 1).unwrap();
    assert!(!answer.fits);
    let (spent, reserved) = answer.counted[0];
    for window in [
        BudgetWindow::MONTH,
        BudgetWindow::seconds(1, Technique::Sliding).unwrap(),
    ] {
        let _standing = Standing::of(spent, reserved, window, answer.now_ms);
    }
}

#[test]
fn the_scripts_decide_as_memory_does() {
    let server = RedisServer::start();
    let redis = redis::Client::open(server.url()).unwrap();
    let scripts = RefCell::new(Scripts::new(redis.get_connection().unwrap()));
    let runs = Cell::new(0);
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let limit = prop_oneof![1_u64..1000, 1..=Money::MOST.nanos()];
    let result = TestRunner::new(config).run(
        &(window(), window(), limit, steps()),
        |(one, other, limit, steps)| {
            runs.set(runs.get() + 1);
            let mut pair = Pair {
                scripts: &mut scripts.borrow_mut(),
                memory: MemoryBudgets::default(),
                now: 1_700_000_000_000,
                open: Vec::new(),
            };
            let ask = |value, window, part: u64| Spend {
                estimate: Money::from_nanos(
                    u64::try_from(u128::from(limit) * u128::from(part) / 1000).unwrap(),
                ),
                ..spend(runs.get(), value, limit, window).unwrap()
            };
            for (what, part, forth, which) in steps {
                let by = i64::try_from(i128::from(forth) * length_ms(one) / 1000).unwrap();
                // A clock that goes back by decades is another test's.
                pair.now = pair.now.saturating_add_signed(by).max(1_000_000_000_000);
                let asks = [ask("one", one, part), ask("other", other, part / 2)];
                // Now and then the budget's window is another than it was.
                let changed = [ask("one", other, part)];
                let lasts = Duration::from_millis(part * 100);
                match what {
                    0 | 1 => pair.reserve(&asks, lasts)?,
                    2 => pair.reserve(&asks[..1], lasts)?,
                    3 if part < 50 => pair.reserve(&changed, lasts)?,
                    3 | 4 => pair.settle(which, asks[0].estimate),
                    5 => pair.settle(which, Money::ZERO),
                    6 => pair.renew(which, lasts),
                    _ => {}
                }
                pair.stand_alike(&asks)?;
            }
            Ok(())
        },
    );
    result.unwrap();
}

/// The same in Redis and in memory.
struct Pair<'a> {
    scripts: &'a mut Scripts,
    memory: MemoryBudgets,
    now: u64,
    open: Vec<Reservation>,
}

impl Pair<'_> {
    fn reserve(&mut self, asks: &[Spend], lasts: Duration) -> Result<(), TestCaseError> {
        let asks = [asks, &asks[..1]].concat();
        let admission = self.memory.try_reserve(&asks, lasts, at(self.now));
        let id = match &admission {
            Admission::Admitted(reservation) => reservation.id(),
            _ => 0,
        };
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap();
        let answer = self
            .scripts
            .reserve(&asks, Want::Reserve { id, lasts_ms }, self.now);
        match (crate::budgets::admission(&asks, &answer, id), admission) {
            (Admission::Admitted(one), Admission::Admitted(other)) => {
                prop_assert_eq!(one.held(), other.held());
                self.open.push(other);
            }
            (Admission::Over(one), Admission::Over(other)) => prop_assert_eq!(one, other),
            (one, other) => prop_assert!(false, "{:?}, in memory {:?}", one, other),
        }
        Ok(())
    }

    fn settle(&mut self, which: prop::sample::Index, cost: Money) {
        if self.open.is_empty() {
            return;
        }
        let reservation = self.open.swap_remove(which.index(self.open.len()));
        self.tell(&reservation, What::Settle(cost.nanos()));
        self.memory.settle(reservation, cost, at(self.now));
    }

    fn renew(&mut self, which: prop::sample::Index, lasts: Duration) {
        if self.open.is_empty() {
            return;
        }
        let reservation = self.open.swap_remove(which.index(self.open.len()));
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap();
        self.tell(&reservation, What::Renew(lasts_ms));
        self.memory.renew(&reservation, lasts, at(self.now));
        self.open.push(reservation);
    }

    fn tell(&mut self, reservation: &Reservation, what: What) {
        let word = |held: &keyward_routes::Held| Word {
            id: reservation.id(),
            held: *held,
            what,
        };
        let words: Vec<_> = reservation.held().iter().map(word).collect();
        self.scripts.settle(&words, self.now);
    }

    fn stand_alike(&mut self, asks: &[Spend]) -> Result<(), TestCaseError> {
        let answer = self.scripts.reserve(asks, Want::Look, self.now);
        let of = |(ask, (spent, reserved)): (&Spend, &_)| {
            Standing::of(*spent, *reserved, ask.budget.window(), self.now)
        };
        let standings: Vec<_> = asks.iter().zip(&answer.counted).map(of).collect();
        prop_assert_eq!(standings, self.memory.standings(asks, at(self.now)));
        Ok(())
    }
}
