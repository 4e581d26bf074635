//! What needs the store's own connections.

mod busy_readers;
mod killed_rotation;
