//! Lists in their order, cut into pages.

use std::cmp::Ordering;

use keyward_registry::Part;
use utoipa::{IntoParams, openapi::Schema};

use crate::{
    call::Call,
    envelope::{FieldPath, Problem, ResultInfo},
    openapi::choice,
};

/// Which page of a list is asked for, as the description of the API tells it.
#[derive(IntoParams)]
#[expect(dead_code, reason = "describes the query, which is read name by name")]
pub(crate) struct PageQuery {
    /// Which page, from 1. One past the end is empty.
    #[param(
        minimum = 1,
        maximum = 9_007_199_254_740_991_u64,
        default = 1,
        required = false
    )]
    page: u64,
    /// How many items a page has.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    per_page: u64,
}

const DEFAULT_PER_PAGE: usize = 20;

/// The largest whole number that every JSON reader keeps exactly (2^53 - 1): answers repeat the number of the page.
const MAX_PAGE: usize = 9_007_199_254_740_991;

/// Which page of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// Reads `page` (from 1) and `per_page` (1 to 100, default 20) of the query (wire-spec §4.1).
    pub(crate) fn of(call: &Call) -> Result<Self, Problem> {
        Self::within(call, 100)
    }

    /// The same where a page has at most so many items.
    pub(crate) fn within(call: &Call, most: usize) -> Result<Self, Problem> {
        let number = read(call, "page", 1, MAX_PAGE)?;
        let size = read(call, "per_page", DEFAULT_PER_PAGE, most)?;
        Ok(Self { number, size })
    }

    /// How many items stand on the pages before, and how many there are on a full one.
    pub(crate) fn bounds(self) -> (u64, u32) {
        let skipped = u64::try_from(self.skipped()).unwrap_or(u64::MAX);
        (skipped, u32::try_from(self.size).unwrap_or(u32::MAX))
    }

    /// As [`cut`](Self::cut), of items that are in no order: only those of the page are sorted.
    pub(crate) fn cut_in_order<T>(
        self,
        mut items: Vec<T>,
        order: impl Fn(&T, &T) -> Ordering,
    ) -> (Vec<T>, ResultInfo) {
        let total = items.len();
        let skipped = self.skipped().min(total);
        if skipped > 0 && skipped < total {
            items.select_nth_unstable_by(skipped, &order);
        }
        let mut items = items.split_off(skipped);
        if items.len() > self.size {
            items.select_nth_unstable_by(self.size, &order);
            items.truncate(self.size);
        }
        items.sort_unstable_by(&order);
        let info = self.info(items.len(), total);
        (items, info)
    }

    /// The items of the page, and what the envelope says of it. A page past the end is empty: clients stop
    /// there (wire-spec §4.0).
    pub(crate) fn cut<T>(self, items: Vec<T>) -> (Vec<T>, ResultInfo) {
        let total = items.len();
        let items = items.into_iter().skip(self.skipped()).take(self.size);
        let items: Vec<T> = items.collect();
        let info = self.info(items.len(), total);
        (items, info)
    }

    /// The part of a list in the store that the page is.
    pub(crate) fn part(self) -> Part {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Part {
            skipped: count(self.skipped()),
            most: count(self.size),
        }
    }

    /// How many items stand on the pages before.
    const fn skipped(self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }

    /// What the envelope says of a page with `count` of `total` items.
    pub(crate) const fn info(self, count: usize, total: usize) -> ResultInfo {
        ResultInfo {
            page: self.number,
            per_page: self.size,
            count,
            total_count: total,
            total_pages: total.div_ceil(self.size),
        }
    }
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Rising,
    Falling,
}

impl Direction {
    /// Reads `direction` of the query.
    pub(crate) fn of(call: &Call, default: Self) -> Result<Self, Problem> {
        match call.query("direction") {
            None => Ok(default),
            Some("asc") => Ok(Self::Rising),
            Some("desc") => Ok(Self::Falling),
            Some(_) => {
                let path = FieldPath::query().name("direction");
                Err(Problem::invalid(&path, "is `asc` or `desc`"))
            }
        }
    }

    /// How two items stand that rise by `rising`.
    pub(crate) fn turn(self, rising: Ordering) -> Ordering {
        match self {
            Self::Rising => rising,
            Self::Falling => rising.reverse(),
        }
    }
}

/// `direction`, as the description of the API tells it.
pub(crate) fn direction() -> Schema {
    choice(["asc", "desc"])
}

fn read(call: &Call, name: &'static str, default: usize, max: usize) -> Result<usize, Problem> {
    let Some(text) = call.query(name) else {
        return Ok(default);
    };
    let refuse = || {
        let path = FieldPath::query().name(name);
        let reason = format_args!("must be a whole number from 1 to {max}");
        Problem::invalid(&path, reason)
    };
    let number = text.parse().ok();
    number
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Page;

    proptest! {
        #[test]
        fn the_pages_together_are_the_list(total in 0_usize..300, size in 1_usize..=100) {
            let mut seen = Vec::new();
            for number in 1.. {
                let (items, info) = Page { number, size }.cut((0..total).collect());
                prop_assert_eq!(info.total_count, total);
                if items.is_empty() {
                    prop_assert_eq!(info.total_pages, number - 1);
                    break;
                }
                seen.extend(items);
            }
            prop_assert_eq!(seen, (0..total).collect::<Vec<_>>());
        }

        #[test]
        fn a_page_of_a_list_in_no_order_is_that_of_the_sorted_list(
            items in proptest::collection::vec(0_u8..50, 0..200),
            number in 1_usize..12,
            size in 1_usize..=100,
        ) {
            let page = Page { number, size };
            let (cut, info) = page.cut_in_order(items.clone(), u8::cmp);
            let mut sorted = items;
            sorted.sort_unstable();
            let (expected, whole) = page.cut(sorted);
            prop_assert_eq!(cut, expected);
            prop_assert_eq!((info.count, info.total_count), (whole.count, whole.total_count));
        }

        #[test]
        fn a_page_far_past_the_end_is_empty(number in 2_usize.., size in 1_usize..=100) {
            let (items, _) = Page { number, size }.cut(vec![0]);
            prop_assert!(items.is_empty());
        }
    }
}
