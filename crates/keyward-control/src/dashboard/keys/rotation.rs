//! The rotation of a provider key, on the key's page: how far it is, and what an operator may decide about it.

use std::time::{Duration, SystemTime};

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::{Key, To};
use crate::{
    dashboard::{answer, visit::Visit, when::When},
    envelope::Problem,
    moment,
};

/// For so long the end of one is shown.
const SHOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// A page whose rotation takes longer does not load itself anew where there are no scripts: that would keep its session.
const REFRESHED_FOR: Duration = Duration::from_secs(60 * 60);

/// A rotation as answers carry it.
#[derive(Debug, Deserialize)]
pub(crate) struct Rotation {
    phase: String,
    phase_since: Option<String>,
    ends_at: Option<String>,
    pub(crate) from_version: Option<u32>,
    pub(crate) to_version: u32,
    pub(crate) attempts: u32,
    pub(crate) reason_text: Option<String>,
}

impl Rotation {
    /// The one that is under way, or that ended of late.
    pub(super) async fn load(visit: &Visit, key: &Key) -> Result<Option<Self>, Problem> {
        let asked = visit
            .get::<Self>(key.to("provider_key_rotation_show"))
            .await;
        let rotation = match asked {
            Ok(answer) => answer.result,
            Err(problem) if problem.is_not_found() => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let since = rotation.phase_since.as_deref().and_then(moment::parse);
        let passed = since.and_then(|since| visit.now.duration_since(since).ok());
        let is_old = passed.is_some_and(|passed| passed > SHOWN_FOR);
        Ok((rotation.is_open() || !is_old).then_some(rotation))
    }

    /// Whether something is still to come.
    pub(crate) fn is_open(&self) -> bool {
        self.is_staged() || self.is_overlapping()
    }

    pub(crate) fn is_staged(&self) -> bool {
        self.phase == "staged"
    }

    pub(crate) fn is_overlapping(&self) -> bool {
        self.phase == "overlapping"
    }

    /// Where it is, in words.
    pub(crate) fn title(&self) -> &'static str {
        match self.phase.as_str() {
            "staged" => "The provider is asked about the new value",
            "overlapping" => "The new value is in use, the old one is kept",
            "finished" => "The new value is in use, the old one is erased",
            "rolled_back" => "Rolled back: the old value is in use again, the new one is erased",
            _ => "Not taken: the new value is erased, nothing changed",
        }
    }

    pub(crate) fn class(&self) -> &'static str {
        match self.phase.as_str() {
            "finished" | "overlapping" | "staged" => "",
            _ => "bad",
        }
    }

    pub(crate) fn since(&self, now: SystemTime) -> Option<When> {
        When::new(self.phase_since.as_deref()?, now)
    }

    pub(crate) fn ends(&self, now: SystemTime) -> Option<When> {
        When::new(self.ends_at.as_deref()?, now)
    }

    fn left(&self, now: SystemTime) -> Option<Duration> {
        let end = moment::parse(self.ends_at.as_deref()?)?;
        Some(end.duration_since(now).unwrap_or_default())
    }

    /// The time that is left, as a clock shows it.
    pub(crate) fn timer(&self, now: SystemTime) -> Option<String> {
        let seconds = self.left(now)?.as_secs();
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        Some(match hours {
            0 => format!("{minutes}:{seconds:02}"),
            hours => format!("{hours}:{minutes:02}:{seconds:02}"),
        })
    }

    /// Whether the page loads itself anew where there are no scripts.
    pub(crate) fn refreshes(&self, now: SystemTime) -> bool {
        self.is_staged() || self.left(now).is_some_and(|left| left <= REFRESHED_FOR)
    }
}

pub(crate) async fn roll_back(visit: Visit) -> Result<Response, Problem> {
    step(&visit, "provider_key_rotate_roll_back").await
}

pub(crate) async fn destroy_old(visit: Visit) -> Result<Response, Problem> {
    step(&visit, "provider_key_rotate_finish").await
}

async fn step(visit: &Visit, route: &'static str) -> Result<Response, Problem> {
    let (gateway, id) = (visit.parameter("gateway"), visit.parameter("id"));
    let to = To::new(route).at("gateway", gateway).at("id", id);
    let rotation = visit.change::<Rotation>(to, &Value::Null).await?.result;
    let done = match rotation.phase.as_str() {
        "rolled_back" => "rolled-back",
        "finished" => "finished",
        _ => "withdrawn",
    };
    answer::see(&format!("/keys/{gateway}/{id}?done={done}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::Rotation;

    #[test]
    fn the_time_that_is_left_reads_like_a_clock() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (ends, expected, refreshes) in [
            ("2027-01-15T08:10:00Z", "10:00", true),
            ("2027-01-15T08:00:09Z", "0:09", true),
            ("2027-01-15T07:59:00Z", "0:00", true),
            ("2027-01-16T09:01:01Z", "25:01:01", false),
        ] {
            let rotation: Rotation = serde_json::from_value(json!({
                "phase": "overlapping", "phase_since": "2027-01-15T08:00:00Z", "ends_at": ends,
                "from_version": 1, "to_version": 2, "attempts": 0, "reason_text": null,
            }))
            .unwrap();
            assert_eq!(rotation.timer(now).as_deref(), Some(expected));
            assert_eq!(rotation.refreshes(now), refreshes, "{ends}");
        }
    }
}
