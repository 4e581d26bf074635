//! What needs the connection that writes.

mod killed_rotation;
