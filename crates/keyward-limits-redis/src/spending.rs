//! The scripts that count what is spent, what they are asked and what they answer.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

use keyward_routes::{Counted, Held, Spend};
use redis::{Script, ScriptInvocation, Value, aio::MultiplexedConnection};

use crate::{
    script::{NOW, PRODUCT, numbers},
    trouble::Trouble,
};

/// What the key of every counter begins with.
const PREFIX: &str = "{keyward}:budget:";
/// What the key begins with that holds the number of an instance's last batch.
const SETTLED: &str = "{keyward}:settled:";
/// The counter of the probe.
const PROBE: &str = "{keyward}:budget-probe";

const BUDGET: &str = include_str!("budget.lua");
const RESERVE: &str = include_str!("reserve.lua");
const SETTLE: &str = include_str!("settle.lua");

static RESERVES: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{NOW}{PRODUCT}{BUDGET}{RESERVE}")));
static SETTLES: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{NOW}{PRODUCT}{BUDGET}{SETTLE}")));

/// What is to be done about a request's budgets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// To reserve under this id, for so many milliseconds.
    Reserve { id: u128, lasts_ms: u64 },
    /// To tell how they stand.
    Look,
}

/// What Redis had counted, as of its own time, before it reserved anything.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) now_ms: u64,
    /// Whether there is room in all: then it is reserved.
    pub(crate) fits: bool,
    /// What was spent and what is reserved.
    pub(crate) counted: Vec<(Counted, Counted)>,
}

/// What became of a part of a reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    pub(crate) id: u128,
    pub(crate) held: Held,
    pub(crate) what: What,
}

/// What a reservation comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// It is settled, at so many billionths of a dollar.
    Settle(u64),
    /// It is to last so many milliseconds from now on.
    Renew(u64),
}

/// Has Redis decide on a request's budgets.
pub(crate) async fn reserve(
    mut connection: MultiplexedConnection,
    asks: &[Spend],
    want: Want,
) -> Result<Answer, Trouble> {
    let asked = asked(&RESERVES, asks, want);
    let value = asked.invoke_async(&mut connection).await?;
    Answer::read(&value, asks.len())
}

/// Has Redis carry out a batch, once: `number` is one higher than that of the batch before it of this instance.
pub(crate) async fn settle(
    mut connection: MultiplexedConnection,
    instance: u64,
    number: u64,
    words: &[Word],
) -> Result<(), Trouble> {
    let asked = settled(&SETTLES, instance, number, words);
    let value = asked.invoke_async(&mut connection).await?;
    numbers(&value).map(drop)
}

/// Does to a counter of no budget what decisions do: whatever would keep Redis from deciding keeps it from this. `number` is
/// one higher than that of the probe before it of this instance.
pub(crate) async fn probe(
    mut connection: MultiplexedConnection,
    instance: u64,
    number: u64,
) -> Result<(), Trouble> {
    // Another window each time, so that a counter is begun anew too.
    let window = if number.is_multiple_of(2) { "f1" } else { "f2" };
    let id = digits(instance.into());
    let mut probe = RESERVES.key(PROBE);
    probe.arg(true).arg(&id).arg(1);
    let value = probe.arg(window).arg(1).arg(0).arg(true);
    let value = value.invoke_async(&mut connection).await?;
    Answer::read(&value, 1)?;
    let mut probe = SETTLES.key(settled_key(instance));
    probe.key(PROBE).arg(number);
    let value = probe.arg(true).arg(&id).arg(window).arg(0).arg(0).arg(0);
    let value = value.invoke_async(&mut connection).await?;
    numbers(&value).map(drop)
}

/// A number for who settles: a random one, as the standard library seeds its hashers. It need only be another one than those
/// of others, and above 0.
pub(crate) fn random_instance() -> u64 {
    RandomState::new().hash_one(std::process::id()).max(1)
}

fn settled_key(instance: u64) -> String {
    format!("{SETTLED}{instance:016x}")
}

/// As the field of a reservation is called.
fn digits(id: u128) -> String {
    format!("{id:032x}")
}

fn asked<'s>(script: &'s Script, asks: &[Spend], want: Want) -> ScriptInvocation<'s> {
    let mut asked = script.prepare_invoke();
    let (reserves, id, lasts_ms) = match want {
        Want::Reserve { id, lasts_ms } => (true, id, lasts_ms),
        Want::Look => (false, 0, 0),
    };
    asked.arg(reserves).arg(digits(id)).arg(lasts_ms);
    for (place, ask) in asks.iter().enumerate() {
        asked
            .key(format!("{PREFIX}{}", ask.key))
            .arg(ask.budget.window().code())
            .arg(ask.budget.limit().nanos())
            .arg(countable(ask.estimate.nanos()))
            .arg(Spend::is_first(asks, place));
    }
    asked
}

fn settled<'s>(
    script: &'s Script,
    instance: u64,
    number: u64,
    batch: &[Word],
) -> ScriptInvocation<'s> {
    let mut asked = script.key(settled_key(instance));
    asked.arg(number);
    for Word { id, held, what } in batch {
        let (settles, amount) = match what {
            What::Settle(cost) => (true, countable(*cost)),
            What::Renew(lasts_ms) => (false, *lasts_ms),
        };
        asked
            .key(format!("{PREFIX}{}", held.key))
            .arg(settles)
            .arg(digits(*id))
            .arg(held.window.code())
            .arg(held.number)
            .arg(countable(held.estimate.nanos()))
            .arg(amount);
    }
    asked
}

/// An amount that Redis's numbers hold exactly: as the script, 9 million dollars at most.
fn countable(nanos: u64) -> u64 {
    nanos.min(9_000_000_000_000_000)
}

impl Answer {
    fn read(value: &Value, asks: usize) -> Result<Self, Trouble> {
        let numbers = numbers(value)?;
        let Some((&[now_ms, fits], counted)) = numbers.split_first_chunk() else {
            return Err(Trouble::Foreign);
        };
        let (counted, []) = counted.as_chunks() else {
            return Err(Trouble::Foreign);
        };
        if counted.len() != asks {
            return Err(Trouble::Foreign);
        }
        let counted = counted.iter().map(|&[number, c, p, r, q]| {
            let of = |current, previous| Counted {
                number,
                current,
                previous,
            };
            (of(c, p), of(r, q))
        });
        Ok(Self {
            now_ms,
            fits: fits == 1,
            counted: counted.collect(),
        })
    }
}

#[cfg(test)]
mod tests;
