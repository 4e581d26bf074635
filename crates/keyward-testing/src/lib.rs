//! Test support: a fake provider, captured logs, canary keys and their sweep.
