//! Gateway and API tokens: text form, digest, grants, decisions.
