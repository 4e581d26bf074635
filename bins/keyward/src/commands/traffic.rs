//! How many requests there were of late, for who is about to take something away.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    client::{Client, text},
    clock,
};

/// `41 requests in the last hour`, of those that `condition` of a query narrows to. None: there were none, or they cannot be
/// told, which keeps nobody from deleting.
pub(crate) async fn last_hour(client: &Client, condition: &str) -> Option<String> {
    // The running minute is the last of sixty.
    let since = Timestamp::try_from(clock::now()).ok()? - SignedDuration::from_mins(59);
    let since = Timestamp::from_second(since.as_second() / 60 * 60).ok()?;
    let path = format!("/keyward/traffic?{condition}&step=60&since={since}");
    let traffic = client.send(Method::GET, &path, None).await.ok()?;
    let requests = traffic.pointer("/total/requests").and_then(Value::as_u64)?;
    // Moments are UTC and of one form.
    let is_part = text(&traffic, "kept_since") > since.to_string();
    told(requests, is_part)
}

/// `is_part`: the oldest minutes went because there were too many.
fn told(requests: u64, is_part: bool) -> Option<String> {
    let requests = match requests {
        0 => return None,
        1 => "1 request".to_owned(),
        requests => format!("{requests} requests"),
    };
    let at_least = if is_part { "at least " } else { "" };
    Some(format!("{at_least}{requests} in the last hour"))
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn requests_are_told_where_there_were_some() {
        assert_eq!(told(0, true), None);
        assert_eq!(
            told(1, false).as_deref(),
            Some("1 request in the last hour")
        );
        let part = told(41, true);
        assert_eq!(
            part.as_deref(),
            Some("at least 41 requests in the last hour")
        );
    }
}
