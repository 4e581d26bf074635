//! SIGINT and SIGTERM: the first stops the server cleanly, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The exit code of a process that was told twice: it ended before it was done.
const TOLD_TWICE: i32 = 1;

/// Both signals, caught.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on neither signal ends the process by itself.
    pub(super) fn catch() -> Result<Self, Failure> {
        let catch = |kind| {
            signal(kind).map_err(|error| Failure::new("cannot catch signals").caused_by(&error))
        };
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
        })
    }

    /// Waits for the first. From then on a second one ends the process.
    pub(super) async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(TOLD_TWICE);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _caught = self.interrupt.recv() => {}
            _caught = self.terminate.recv() => {}
        }
    }
}
