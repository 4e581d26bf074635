//! Keyward's control plane: a REST API in Cloudflare's shapes.
