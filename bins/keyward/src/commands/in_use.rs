//! What revoking commands say about the requests that are under way.

use serde_json::Value;

use crate::args::Now;

impl Now {
    /// The path that revokes, with what is asked for.
    pub(crate) fn on(self, path: &str) -> String {
        match self.now {
            true => format!("{path}?now=true"),
            false => path.to_owned(),
        }
    }
}

/// The line to put behind what was done; empty where nothing was under way.
pub(crate) fn told(answer: &Value) -> String {
    let count = |name: &str| answer.get(name).and_then(Value::as_u64);
    match (count("requests_cut"), count("requests_open")) {
        (Some(cut), _) => format!("\ncut {}", requests(cut)),
        (None, Some(open @ 1..)) => {
            let requests = requests(open);
            format!("\nstill under way with it: {requests} (--now cuts them)")
        }
        (None, _) => String::new(),
    }
}

fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}
