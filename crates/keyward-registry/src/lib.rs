//! What exists in Keyward: gateways, provider keys, the change feed and the snapshot.
