//! What a record is for.

use keyward_secret::Destination;

/// Where a value may go, and what its owner says about it. Sealed with the value, fixed when it is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The origins the value may be sent to. `None` is unbound: it can be kept, and never injected.
    pub destination: Option<Destination>,
    /// Bytes of the owner's, authenticated and otherwise opaque. At most 4 KiB.
    pub context: Box<[u8]>,
}
