//! What is promised of the choice among a pool's keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyward_registry::{
    Alias, KeyStatus, Member, Pool, PoolStrategy, ProviderKeyId, ProviderSlug, Weight,
};
use proptest::prelude::*;

use super::{By, Exhausted, Health, Order, Standing, order, told};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn pool(strategy: PoolStrategy, weights: &[u16]) -> Pool {
    let member = |(place, weight): (usize, &u16)| Member {
        alias: Alias::parse(&format!("key-{place}")).unwrap(),
        weight: Weight::new(*weight).unwrap(),
    };
    let members = weights.iter().enumerate().map(member).collect();
    Pool::new(ProviderSlug::parse("openai").unwrap(), strategy, members).unwrap()
}

fn key(place: usize) -> ProviderKeyId {
    // As ids are: random, and no two alike in their first half by chance.
    let seed = super::mix(u64::try_from(place).unwrap());
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..].copy_from_slice(&super::mix(seed).to_be_bytes());
    ProviderKeyId::from_bytes(bytes)
}

fn standings(healths: &[Health]) -> Vec<Standing> {
    let standing = |(place, health): (usize, &Health)| Standing {
        key: (*health != Health::Missing).then(|| key(place)),
        health: *health,
    };
    healths.iter().enumerate().map(standing).collect()
}

fn places(order: Result<Order, Exhausted>) -> Vec<usize> {
    order.map_or_else(|_none| Vec::new(), |order| order.iter().collect())
}

fn later(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

#[track_caller]
fn check_ordered(healths: &[Health], expected: &[usize]) {
    let pool = pool(PoolStrategy::Ordered, &vec![1; healths.len()]);
    for by in [
        By::Random(7),
        By::Session(b"conversation"),
        By::Session(b"another"),
    ] {
        let found = order(&pool, &standings(healths), by, now());
        assert_eq!(places(found), expected, "{by:?}");
    }
}

#[test]
fn an_ordered_pool_takes_the_first_healthy_key() {
    use Health::*;
    check_ordered(&[Usable, Usable, Usable], &[0, 1, 2]);
    check_ordered(&[LimitedUntil(later(5)), Usable, Usable], &[1, 2]);
    check_ordered(&[OutOfFundsUntil(later(5)), Missing, Usable], &[2]);
    check_ordered(
        &[
            NotActive(KeyStatus::Invalid),
            Disabled,
            Unusable,
            Usable,
            Forbidden,
        ],
        &[3],
    );
}

#[test]
fn a_suspect_key_comes_last() {
    use Health::*;
    check_ordered(&[Suspect, Usable, Usable], &[1, 2, 0]);
    check_ordered(&[Suspect, Suspect, LimitedUntil(later(1))], &[0, 1]);
}

#[test]
fn a_limit_that_has_passed_is_none() {
    use Health::*;
    check_ordered(
        &[LimitedUntil(now()), OutOfFundsUntil(now()), Usable],
        &[0, 1, 2],
    );
}

#[test]
fn a_standing_that_is_not_there_is_no_choice() {
    let pool = pool(PoolStrategy::Ordered, &[1, 1, 1]);
    let only = standings(&[Health::Usable, Health::Usable]);
    assert_eq!(
        places(order(&pool, &only, By::Random(0), now())),
        [0, 1],
        "fewer standings than members"
    );
    let no_key = [Standing {
        key: None,
        health: Health::Usable,
    }; 3];
    assert!(order(&pool, &no_key, By::Random(0), now()).is_err());
}

#[track_caller]
fn check_exhausted(healths: &[Health], expected: Exhausted, text: &str) {
    let pool = pool(PoolStrategy::Weighted, &vec![1; healths.len()]);
    let standings = standings(healths);
    let found = order(&pool, &standings, By::Random(1), now());
    assert_eq!(found, Err(expected));
    assert_eq!(told(&pool, &standings, now()), text);
}

#[test]
fn an_exhausted_pool_says_of_each_key_why() {
    use Health::*;
    check_exhausted(
        &[
            LimitedUntil(now() + Duration::from_millis(1500)),
            LimitedUntil(later(90)),
            OutOfFundsUntil(later(1)),
        ],
        Exhausted::Until(Duration::from_secs(2)),
        "'key-0' is limited for 2 s more; 'key-1' is limited for 90 s more; 'key-2' is out of funds and tried again in 1 s",
    );
    check_exhausted(
        &[
            OutOfFundsUntil(later(300)),
            NotActive(KeyStatus::Expired),
            Disabled,
            Missing,
            Unusable,
        ],
        Exhausted::NotByWaiting,
        "'key-0' is out of funds and tried again in 300 s; 'key-1' is expired; 'key-2' is disabled; 'key-3' does not exist; 'key-4' has no value for this provider",
    );
}

#[test]
fn what_a_token_may_not_use_is_not_told() {
    use Health::*;
    check_exhausted(
        &[Forbidden, NotActive(KeyStatus::Invalid)],
        Exhausted::NotByWaiting,
        "'key-1' is invalid",
    );
}

/// How many of `count` conversations have each member as their first choice, or each random number.
fn shares(pool: &Pool, standings: &[Standing], count: u32, by_session: bool) -> Vec<f64> {
    let mut firsts = vec![0_u32; pool.members().len()];
    for number in 0..count {
        let session = format!("conversation {number}");
        let by = if by_session {
            By::Session(session.as_bytes())
        } else {
            By::Random(super::mix(number.into()))
        };
        firsts[order(pool, standings, by, now()).unwrap().first().unwrap()] += 1;
    }
    let share = |first: &u32| f64::from(*first) / f64::from(count);
    firsts.iter().map(share).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Ten thousand draws: the share of a key is off by less than 3 percentage points, six times the deviation that
    /// chance alone has.
    #[test]
    fn shares_follow_the_weights(
        weights in prop::collection::vec(1..=Weight::MOST, 2..=Pool::MOST),
        by_session: bool,
    ) {
        let pool = pool(PoolStrategy::Weighted, &weights);
        let standings = standings(&vec![Health::Usable; weights.len()]);
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let shares = shares(&pool, &standings, 10_000, by_session);
        for (share, weight) in shares.iter().zip(&weights) {
            let expected = f64::from(*weight) / total;
            prop_assert!((share - expected).abs() < 0.03, "{shares:?} of {weights:?}");
        }
    }

    /// A key that cannot be used moves its own conversations alone, and they come back when it does. Each conversation
    /// has one order, whatever else is asked in between.
    #[test]
    fn a_key_that_leaves_moves_its_own_conversations_alone(
        weights in prop::collection::vec(1..=Weight::MOST, 2..=Pool::MOST),
        leaves: prop::sample::Index,
        suspect: bool,
    ) {
        let pool = pool(PoolStrategy::Weighted, &weights);
        let leaves = leaves.index(weights.len());
        let all = standings(&vec![Health::Usable; weights.len()]);
        let mut without = all.clone();
        without[leaves].health = if suspect {
            Health::Suspect
        } else {
            Health::LimitedUntil(later(60))
        };
        for number in 0..200 {
            let session = format!("conversation {number}");
            let by = By::Session(session.as_bytes());
            let before = places(order(&pool, &all, by, now()));
            let meanwhile = places(order(&pool, &without, by, now()));
            let mut expected = before.clone();
            expected.retain(|place| *place != leaves);
            if suspect {
                expected.push(leaves);
            }
            prop_assert_eq!(meanwhile, expected);
            if !suspect {
                prop_assert_eq!(&places(order(&pool, &without, by, later(60))), &before);
            }
            prop_assert_eq!(places(order(&pool, &all, by, now())), before);
        }
    }

    /// Every member that may be tried is tried once, suspect ones behind the others, and no other member is.
    #[test]
    fn an_order_has_each_that_may_be_tried_once(
        healths in prop::collection::vec(
            prop::sample::select(vec![
                Health::Usable,
                Health::Suspect,
                Health::LimitedUntil(now()),
                Health::LimitedUntil(later(9)),
                Health::OutOfFundsUntil(later(9)),
                Health::NotActive(KeyStatus::Invalid),
                Health::Disabled,
                Health::Unusable,
                Health::Missing,
                Health::Forbidden,
            ]),
            2..=Pool::MOST,
        ),
        weighted: bool,
        random: u64,
    ) {
        let strategy = if weighted { PoolStrategy::Weighted } else { PoolStrategy::Ordered };
        let pool = pool(strategy, &vec![1; healths.len()]);
        let found = places(order(&pool, &standings(&healths), By::Random(random), now()));
        let is_healthy = |place: &usize| {
            matches!(healths[*place], Health::Usable) || healths[*place] == Health::LimitedUntil(now())
        };
        let is_suspect = |place: &usize| healths[*place] == Health::Suspect;
        let healthy = found.iter().take_while(|place| is_healthy(place)).count();
        prop_assert!(found[healthy..].iter().all(is_suspect));
        let mut sorted = found;
        sorted.sort_unstable();
        let expected: Vec<_> = (0..healths.len()).filter(|place| is_healthy(place) || is_suspect(place)).collect();
        prop_assert_eq!(sorted, expected);
    }
}

/// Which key a conversation has is the same in every release: a change would cool every provider's cache down.
#[test]
fn conversations_keep_their_key_through_releases() {
    let pool = pool(PoolStrategy::Weighted, &[1, 2, 3]);
    let standings = standings(&[Health::Usable; 3]);
    let first = |number: u32| {
        let session = format!("conversation {number}");
        let by = By::Session(session.as_bytes());
        order(&pool, &standings, by, now())
            .unwrap()
            .first()
            .unwrap()
    };
    let firsts: Vec<_> = (0..12).map(first).collect();
    assert_eq!(firsts, [1, 1, 1, 1, 1, 2, 1, 1, 1, 0, 2, 0]);
}
