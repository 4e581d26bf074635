//! What becomes of requests under way when what they use is taken away, told on the page after.

use serde::Deserialize;

use super::visit::Visit;

/// What an answer says of requests under way; kept from one page to the next as two numbers in a query.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UnderWay {
    requests_open: Option<u64>,
    requests_cut: Option<u64>,
}

impl UnderWay {
    /// As the page's own query tells it.
    pub(crate) fn of(visit: &Visit) -> Self {
        let count = |name| visit.query(name).parse().ok();
        Self {
            requests_open: count("open"),
            requests_cut: count("cut"),
        }
    }

    /// For a query: `&open=3`, `&cut=3`, or nothing.
    pub(crate) fn query(self) -> String {
        match (self.requests_cut, self.requests_open) {
            (Some(cut), _) => format!("&cut={cut}"),
            (None, Some(open @ 1..)) => format!("&open={open}"),
            (None, _) => String::new(),
        }
    }

    /// In words behind a sentence; nothing where there is nothing to tell.
    pub(crate) fn told(self) -> String {
        let requests = |count: u64| match count {
            1 => "1 request".to_owned(),
            count => format!("{count} requests"),
        };
        match (self.requests_cut, self.requests_open) {
            (Some(cut), _) => format!(" {} cut.", requests(cut)),
            (None, Some(open)) => format!(" Still under way with it: {}.", requests(open)),
            (None, None) => String::new(),
        }
    }
}
