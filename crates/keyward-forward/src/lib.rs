//! A header-rewriting, streaming HTTP forwarder that injects bound credentials.
