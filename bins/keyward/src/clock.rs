//! The one place where the binary reads the clock.

use std::time::SystemTime;

#[expect(
    clippy::disallowed_methods,
    reason = "the binary is the shell that reads the clock for the parts"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
