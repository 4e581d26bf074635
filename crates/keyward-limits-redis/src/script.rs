//! The script that counts requests, what it is asked and what it answers.

use std::sync::LazyLock;

use keyward_routes::{Ask, Counted, Limit, Technique};
use redis::{Script, ScriptInvocation, Value, aio::MultiplexedConnection};

use crate::trouble::Trouble;

/// What every key begins with. The braces are a hash tag: whatever spreads keys over several stores by it keeps all
/// counters in one, as a script needs them.
const PREFIX: &str = "{keyward}:limit:";
/// The counter of the probe.
const PROBE: &str = "{keyward}:probe";

/// Redis's clock, in milliseconds. Its time stands still while a script runs.
pub(crate) const NOW: &str =
    "local time = redis.call('TIME')\nlocal now = time[1] * 1000 + math.floor(time[2] / 1000)\n";
/// A product and a quotient that are exact.
pub(crate) const PRODUCT: &str = include_str!("product.lua");
const DECIDE: &str = include_str!("decide.lua");

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{NOW}{PRODUCT}{DECIDE}")));

/// What Redis had counted, as of its own time, before it counted the asks.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) now_ms: u64,
    pub(crate) counted: Vec<Counted>,
}

/// Has Redis decide: by the script's digest; where Redis does not know it (any more), its text is sent first.
pub(crate) async fn decide(
    mut connection: MultiplexedConnection,
    asks: &[Ask],
) -> Result<Answer, Trouble> {
    let asked = asked(&SCRIPT, asks);
    let value = asked.invoke_async(&mut connection).await?;
    Answer::read(&value, asks.len())
}

/// Does to a counter of no limit what a decision does: whatever would keep Redis from deciding keeps it from this.
pub(crate) async fn probe(mut connection: MultiplexedConnection) -> Result<(), Trouble> {
    let mut probe = SCRIPT.key(PROBE);
    probe.arg(Limit::MOST).arg(1000).arg(0).arg(1).arg(1);
    let value = probe.invoke_async(&mut connection).await?;
    Answer::read(&value, 1).map(drop)
}

/// The keys, and five numbers for each.
fn asked<'s>(script: &'s Script, asks: &[Ask]) -> ScriptInvocation<'s> {
    let mut asked = script.prepare_invoke();
    for (place, ask) in asks.iter().enumerate() {
        asked
            .key(format!("{PREFIX}{}", ask.key))
            .arg(ask.limit.limit())
            .arg(ask.limit.window().as_millis())
            .arg(ask.limit.technique() == Technique::Sliding)
            // More than every limit is more than every limit.
            .arg(ask.amount.min(Limit::MOST + 1))
            .arg(Ask::is_first(asks, place));
    }
    asked
}

/// The numbers of an answer.
pub(crate) fn numbers(value: &Value) -> Result<Vec<u64>, Trouble> {
    let Value::Array(numbers) = value else {
        return Err(Trouble::Foreign);
    };
    // Not by the library's conversion, which wraps what is below 0.
    let number = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let numbers: Option<Vec<_>> = numbers.iter().map(number).collect();
    numbers.ok_or(Trouble::Foreign)
}

impl Answer {
    fn read(value: &Value, asks: usize) -> Result<Self, Trouble> {
        let numbers = numbers(value)?;
        let Some((now_ms, counted)) = numbers.split_first() else {
            return Err(Trouble::Foreign);
        };
        let (counted, []) = counted.as_chunks() else {
            return Err(Trouble::Foreign);
        };
        if counted.len() != asks {
            return Err(Trouble::Foreign);
        }
        let counted = counted.iter().map(|&[number, current, previous]| Counted {
            number,
            current,
            previous,
        });
        Ok(Self {
            now_ms: *now_ms,
            counted: counted.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        time::{Duration, UNIX_EPOCH},
    };

    use keyward_routes::{Ask, Decision, Fit, Limit, MemoryCounters, Technique, testing::ask};
    use keyward_testing::RedisServer;
    use proptest::{
        prelude::*,
        test_runner::{Config, TestRunner},
    };
    use redis::Value;

    use super::{Answer, DECIDE, PRODUCT, asked};
    use crate::trouble::Trouble;

    /// The script with a clock that the test sets; what it writes stays.
    fn script() -> redis::Script {
        let decide = DECIDE.replace(", 'PX', counters[i][2]", "");
        assert_ne!(decide, DECIDE);
        redis::Script::new(&format!(
            "local now = tonumber(ARGV[#ARGV])\n{PRODUCT}{decide}"
        ))
    }

    fn run(
        redis: &mut redis::Connection,
        script: &redis::Script,
        asks: &[Ask],
        now: u64,
    ) -> Decision {
        let value: Value = asked(script, asks).arg(now).invoke(redis).unwrap();
        let answer = Answer::read(&value, asks.len()).unwrap();
        assert_eq!(answer.now_ms, now);
        let fits = asks.iter().zip(answer.counted);
        let fits = fits.map(|(ask, counted)| counted.fit_of(ask, now));
        let decide = |decision: Decision, (place, fit)| decision.and(place, fit);
        fits.enumerate().fold(Decision::FREE, decide)
    }

    fn limit() -> impl Strategy<Value = Limit> {
        let most = prop_oneof![1_u64..20, 1..=Limit::MOST];
        let window = prop_oneof![1_u64..5, 1..=Limit::LONGEST_WINDOW.as_secs()];
        let technique = prop_oneof![Just(Technique::Fixed), Just(Technique::Sliding)];
        (most, window, technique)
            .prop_map(|(most, window, technique)| Limit::new(most, window, technique).unwrap())
    }

    /// What is asked for: a part of the limit, in thousandths, and how far the clock moves: parts of the window.
    fn steps() -> impl Strategy<Value = Vec<(u64, u64, i64, bool)>> {
        proptest::collection::vec(
            (0_u64..1100, 0_u64..3, -1500_i64..3000, any::<bool>()),
            1..30,
        )
    }

    #[test]
    fn an_answer_is_so_many_numbers_and_no_number_is_too_large() {
        let array =
            |numbers: &[i64]| Value::Array(numbers.iter().copied().map(Value::Int).collect());
        for value in [
            Value::Nil,
            Value::Okay,
            Value::Int(1),
            Value::SimpleString("1".to_owned()),
            array(&[]),
            array(&[1]),
            array(&[1, 2, 3]),
            array(&[1, 2, 3, 4, 5, 6, 7]),
            array(&[1, 2, 3, -4]),
            Value::Array(vec![array(&[1]), array(&[2]), array(&[3]), array(&[4])]),
        ] {
            let told = Answer::read(&value, 1).unwrap_err();
            assert_eq!(told, Trouble::Foreign, "{value:?}");
        }
        const MOST: i64 = i64::MAX;
        for numbers in [
            [0; 4],
            [MOST; 4],
            [0, MOST, MOST, MOST],
            [MOST, 0, MOST, MOST],
        ] {
            let answer = Answer::read(&array(&numbers), 1).unwrap();
            for technique in [Technique::Fixed, Technique::Sliding] {
                let limit = Limit::new(Limit::MOST, 1, technique).unwrap();
                let amount = u64::MAX;
                let ask = Ask {
                    limit,
                    amount,
                    ..ask(1, "", 1, 1).unwrap()
                };
                let fit = answer.counted[0].fit_of(&ask, answer.now_ms);
                assert!(matches!(fit, Fit::Over { .. }), "{numbers:?}");
            }
        }
    }

    #[test]
    fn products_are_exact_up_to_the_largest_limit_and_the_longest_window() {
        let server = RedisServer::start();
        let redis = redis::Client::open(server.url()).unwrap();
        let redis = RefCell::new(redis.get_connection().unwrap());
        let product = redis::Script::new(&format!(
            "{PRODUCT}\nreturn string.format('%.0f', product(tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])))"
        ));
        let longest = u64::try_from(Limit::LONGEST_WINDOW.as_millis()).unwrap();
        let window = prop_oneof![1..=longest, longest - 1000..=longest, 1_u64..10];
        let counted = prop_oneof![
            0..=Limit::MOST,
            Limit::MOST - 1000..=Limit::MOST,
            0_u64..100
        ];
        let config = Config {
            cases: 2000,
            failure_persistence: None,
            ..Config::default()
        };
        let judged = TestRunner::new(config).run(
            &(any::<prop::sample::Index>(), counted, window),
            |(overlap, counted, window)| {
                let overlap =
                    u64::try_from(overlap.index(usize::try_from(window + 1).unwrap())).unwrap();
                let mut invocation = product.prepare_invoke();
                let told: u64 = invocation
                    .arg(overlap)
                    .arg(counted)
                    .arg(window)
                    .invoke(&mut *redis.borrow_mut())
                    .unwrap();
                let exact = (u128::from(overlap) * u128::from(counted)).div_ceil(window.into());
                prop_assert_eq!(u128::from(told), exact);
                Ok(())
            },
        );
        judged.unwrap();
    }

    #[test]
    fn the_script_decides_as_memory_does() {
        let server = RedisServer::start();
        let redis = redis::Client::open(server.url())
            .unwrap()
            .get_connection()
            .unwrap();
        let redis = RefCell::new(redis);
        let script = script();
        let runs = Cell::new(0);
        let config = Config {
            cases: 300,
            failure_persistence: None,
            ..Config::default()
        };
        let result =
            TestRunner::new(config).run(&(limit(), limit(), steps()), |(one, other, steps)| {
                runs.set(runs.get() + 1);
                let memory = MemoryCounters::default();
                let mut now = 1_700_000_000_000_u64;
                for (part, small, forth, both) in steps {
                    let window = i128::try_from(one.window().as_millis()).unwrap();
                    let by = i64::try_from(i128::from(forth) * window / 1000).unwrap();
                    // A clock that goes back by decades is another test's.
                    now = now.saturating_add_signed(by).max(1_000_000_000_000);
                    let amount = |limit: Limit| {
                        let part = u128::from(limit.limit().get()) * u128::from(part) / 1000;
                        u64::try_from(part).unwrap() + small
                    };
                    let of = |value, limit| Ask {
                        amount: amount(limit),
                        limit,
                        ..ask(runs.get(), value, 1, 1).unwrap()
                    };
                    let (one, other) = (of("one", one), of("other", other));
                    let asks = [one, other, one];
                    let asks = if both { asks.as_slice() } else { &asks[..1] };
                    let at = UNIX_EPOCH + Duration::from_millis(now);
                    prop_assert_eq!(
                        run(&mut redis.borrow_mut(), &script, asks, now),
                        memory.decide(asks, at)
                    );
                }
                Ok(())
            });
        result.unwrap();
    }
}
