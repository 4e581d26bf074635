//! How many requests may be sent with a provider key.

use std::ops::RangeInclusive;

use keyward_registry::ProviderKeyRecord;
use keyward_routes::{Limit, Technique};

use crate::{envelope::Problem, object::Object};

const PERIODS: RangeInclusive<u64> = 1..=Limit::LONGEST_WINDOW.as_secs();

/// The limit that a body asks for: what it does not say is as it `was`. The outer `None`: it says nothing of it.
pub(super) fn read(
    body: &mut Object,
    was: Option<Limit>,
) -> Result<Option<Option<Limit>>, Problem> {
    let path = body.path("rate_limit");
    let requests = body.find_nullable("rate_limit");
    let requests = requests.map(|field| field.map_or(Ok(0), |field| field.whole(0..=Limit::MOST)));
    let requests = requests.transpose()?;
    let period = match body.find_nullable("rate_limit_period") {
        None | Some(None) => None,
        Some(Some(field)) => Some(field.whole(PERIODS)?),
    };
    let limit = match (requests, period, was) {
        (None, None, _) => return Ok(None),
        (Some(0), ..) => return Ok(Some(None)),
        (Some(requests), ..) => requests,
        (None, Some(_), Some(was)) => was.limit().get(),
        (None, Some(_), None) => {
            let reason = "is needed beside `rate_limit_period`: there is no limit without it";
            return Err(Problem::invalid(&path, reason));
        }
    };
    let seconds = period.unwrap_or_else(|| {
        was.map_or(ProviderKeyRecord::DEFAULT_PERIOD, |was| {
            was.window().as_secs()
        })
    });
    // Both are within bounds by now.
    let limit = Limit::new(limit, seconds, Technique::Fixed);
    let limit = limit.map_err(|error| Problem::invalid(&path, error.to_string()))?;
    Ok(Some(Some(limit)))
}
