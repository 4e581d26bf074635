//! `[upstream]`: connections to providers.

use std::{num::NonZeroUsize, time::Duration};

use keyward_forward::Offer;
use serde::Deserialize;

use super::Seconds;

/// Connections to providers. What is not set keeps the forwarder's default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpstreamSection {
    /// Whether HTTP/2 is offered.
    http2: Option<bool>,
    max_connections: Option<NonZeroUsize>,
    max_waiting: Option<usize>,
    queue_timeout_secs: Option<Seconds>,
    max_connection_age_secs: Option<Seconds>,
    idle_timeout_secs: Option<Seconds>,
    /// Least bytes per second of a client's body.
    request_min_rate: Option<u32>,
    websocket_idle_timeout_secs: Option<Seconds>,
    websocket_lifetime_secs: Option<Seconds>,
}

impl UpstreamSection {
    pub(super) fn apply(&self, forward: &mut keyward_forward::Config) {
        let set = |place: &mut Duration, secs: Option<Seconds>| {
            if let Some(secs) = secs {
                *place = Duration::from_secs(secs.0);
            }
        };
        set(&mut forward.queue_timeout, self.queue_timeout_secs);
        set(
            &mut forward.max_connection_age,
            self.max_connection_age_secs,
        );
        set(&mut forward.pool_idle_timeout, self.idle_timeout_secs);
        set(
            &mut forward.tunnel.idle_timeout,
            self.websocket_idle_timeout_secs,
        );
        if let Some(lifetime) = self.websocket_lifetime_secs {
            forward.tunnel.lifetime = Some(Duration::from_secs(lifetime.0));
        }
        if let Some(rate) = self.request_min_rate {
            forward.request_min_rate = rate;
        }
        match self.http2 {
            Some(true) => forward.offer = Offer::Http2OrHttp1,
            Some(false) => forward.offer = Offer::Http1,
            None => {}
        }
        if let Some(most) = self.max_connections {
            forward.max_connections_per_origin = most.get();
        }
        if let Some(most) = self.max_waiting {
            forward.max_waiting_per_origin = most;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keyward_forward::Offer;

    use super::UpstreamSection;

    #[test]
    fn what_is_set_reaches_the_forwarder_and_the_rest_stays() {
        let text = "http2 = false\nmax_connections = 7\nmax_waiting = 0\nqueue_timeout_secs = 3\n\
                    max_connection_age_secs = 60\nidle_timeout_secs = 20\nrequest_min_rate = 9\n\
                    websocket_idle_timeout_secs = 30\nwebsocket_lifetime_secs = 3600";
        let section: UpstreamSection = toml::from_str(text).unwrap();
        let mut config = keyward_forward::Config::default();
        section.apply(&mut config);
        assert_eq!(config.offer, Offer::Http1);
        assert_eq!(
            (
                config.max_connections_per_origin,
                config.max_waiting_per_origin
            ),
            (7, 0)
        );
        assert_eq!(config.queue_timeout, Duration::from_secs(3));
        assert_eq!(config.max_connection_age, Duration::from_secs(60));
        assert_eq!(config.pool_idle_timeout, Duration::from_secs(20));
        assert_eq!(config.request_min_rate, 9);
        assert_eq!(config.tunnel.idle_timeout, Duration::from_secs(30));
        assert_eq!(config.tunnel.lifetime, Some(Duration::from_secs(3600)));

        let before = format!("{config:?}");
        UpstreamSection::default().apply(&mut config);
        assert_eq!(format!("{config:?}"), before);
    }
}
