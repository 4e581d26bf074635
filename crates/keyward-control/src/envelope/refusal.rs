//! What the registry and its stores refuse, with the code and the status that the reference has for it.

use std::error::Error;

use http::StatusCode;
use keyward_registry::{ChangeError, Refusal, SecretRefusal, StoreError};
use keyward_routes::{Fault, GraphError, Segment};

use super::{
    AUTHENTICATION, CUSTOM_EXISTS, CUSTOM_NOT_FOUND, FieldPath, INVALID, NOT_FOUND, Problem, ROUTE,
    STORE_CONFLICT, STORE_INVALID, Step,
};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            Self::unavailable(&error)
        } else {
            Self::internal("read what is stored", &error)
        }
    }
}

impl From<keyward_vault::StoreError> for Problem {
    fn from(error: keyward_vault::StoreError) -> Self {
        if error.is_retryable() {
            Self::unavailable(&error)
        } else {
            Self::internal("read what is stored", &error)
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        if *error.refusal() != Refusal::Failed {
            return error.refusal().clone().into();
        }
        let may_pass = |source: &(dyn Error + 'static)| {
            let store = source.downcast_ref::<StoreError>();
            let vault = source.downcast_ref::<keyward_vault::StoreError>();
            store.is_some_and(StoreError::is_retryable)
                || vault.is_some_and(keyward_vault::StoreError::is_retryable)
        };
        if error.source().is_some_and(may_pass) {
            Self::unavailable(&error)
        } else {
            Self::internal("change what is stored", &error)
        }
    }
}

impl Problem {
    /// Every fault of a route's elements, each at its place.
    fn route_elements(error: &GraphError) -> Self {
        let told = |fault: &Fault| {
            let steps = fault.path().iter().map(|segment| match segment {
                Segment::Key(key) => Step::Name(key.to_string().into()),
                Segment::Item(at) => Step::Index(*at),
            });
            let body = FieldPath::body().0.into_iter();
            (fault.to_string(), body.chain(steps).collect())
        };
        let mut faults = error.faults().iter().map(told);
        let (message, path) = faults.next().unwrap_or_default();
        let mut problem = Self::new(StatusCode::BAD_REQUEST, INVALID, message);
        problem.0.path = path;
        problem.0.others = faults.collect();
        problem
    }

    fn from_store(refusal: &SecretRefusal) -> Self {
        let (bad, conflict) = (StatusCode::BAD_REQUEST, StatusCode::CONFLICT);
        let (status, code, field) = match refusal {
            SecretRefusal::StoreNotFound(_) | SecretRefusal::NotFound(_) => {
                (StatusCode::NOT_FOUND, STORE_INVALID, None)
            }
            SecretRefusal::StoreExists(_) | SecretRefusal::NameTaken { index: None, .. } => {
                (conflict, STORE_CONFLICT, Some((None, "name")))
            }
            SecretRefusal::NameTaken { index, .. } => {
                (conflict, STORE_CONFLICT, Some((*index, "name")))
            }
            SecretRefusal::Ambiguous { index, .. } => (bad, STORE_INVALID, Some((*index, "name"))),
            SecretRefusal::Value { index, .. } => (bad, STORE_INVALID, Some((*index, "value"))),
            SecretRefusal::ValueMissing => (conflict, STORE_INVALID, None),
            SecretRefusal::TooManyStores(_)
            | SecretRefusal::StoreNotEmpty { .. }
            | SecretRefusal::QuotaReached(_) => (conflict, STORE_CONFLICT, None),
            other => return Self::internal("name a refusal", other),
        };
        let problem = Self::new(status, code, refusal.to_string());
        match field {
            Some((Some(index), field)) => problem.at(&FieldPath::body().index(index).name(field)),
            Some((None, field)) => problem.at(&FieldPath::body().name(field)),
            None => problem,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        // Clients of Cloudflare repeat a 409 (wire-spec §4.0), so "already exists" is 400 as it is there.
        let (status, code, field) = match &refusal {
            Refusal::GatewayNotFound(_)
            | Refusal::ProviderKeyNotFound(_)
            | Refusal::TokenNotFound(_) => (StatusCode::NOT_FOUND, NOT_FOUND, None),
            Refusal::CustomProviderNotFound => (StatusCode::NOT_FOUND, CUSTOM_NOT_FOUND, None),
            // The one "already exists" that is a 409 in the reference.
            Refusal::CustomProviderExists => (StatusCode::CONFLICT, CUSTOM_EXISTS, Some("slug")),
            Refusal::SlugBuiltIn(_) => (StatusCode::BAD_REQUEST, INVALID, Some("slug")),
            Refusal::Headers(_) => (StatusCode::BAD_REQUEST, INVALID, Some("headers")),
            Refusal::HeadersElsewhere { .. } | Refusal::HeadersDamaged => {
                (StatusCode::CONFLICT, INVALID, Some("headers"))
            }
            Refusal::GatewayExists(_) => (StatusCode::BAD_REQUEST, INVALID, Some("id")),
            Refusal::ProviderKeyExists { .. } => (StatusCode::BAD_REQUEST, INVALID, Some("alias")),
            Refusal::ProviderUnknown { .. } | Refusal::ProviderRefused { .. } => {
                (StatusCode::BAD_REQUEST, INVALID, Some("provider_slug"))
            }
            Refusal::Value(_) => (StatusCode::BAD_REQUEST, INVALID, Some("secret")),
            Refusal::SecretNameNotFound(_) | Refusal::SecretNameTaken(_) => {
                (StatusCode::BAD_REQUEST, INVALID, Some("secret"))
            }
            Refusal::SecretNameNotUnique(_) | Refusal::SecretOutOfScope(_) => {
                (StatusCode::BAD_REQUEST, INVALID, Some("secret_id"))
            }
            Refusal::Secret(refusal) => return Self::from_store(refusal),
            Refusal::SecretNotFound(_) => (StatusCode::BAD_REQUEST, INVALID, Some("secret_id")),
            Refusal::WrongDestination { .. } => (StatusCode::CONFLICT, INVALID, Some("secret_id")),
            Refusal::RotationNotFound => (StatusCode::NOT_FOUND, NOT_FOUND, None),
            Refusal::RotationUnderWay(_)
            | Refusal::RotationRequestTaken(_)
            | Refusal::RotationNotNow(_)
            | Refusal::ValueGone => (StatusCode::CONFLICT, INVALID, None),
            Refusal::OverlapTooLong => (StatusCode::BAD_REQUEST, INVALID, Some("overlap_seconds")),
            Refusal::TokenKind(_) => (StatusCode::BAD_REQUEST, INVALID, Some("policies")),
            Refusal::StrongerThanCaller(_) => (StatusCode::FORBIDDEN, AUTHENTICATION, None),
            Refusal::RouteNotFound(_) | Refusal::RouteVersionNotFound(_) => {
                (StatusCode::NOT_FOUND, ROUTE, None)
            }
            Refusal::RouteExists(_) => (StatusCode::BAD_REQUEST, ROUTE, Some("name")),
            Refusal::TooManyRoutes(_) => (StatusCode::BAD_REQUEST, ROUTE, None),
            Refusal::CommentTooLong(_) => (StatusCode::BAD_REQUEST, INVALID, Some("comment")),
            Refusal::RouteElements(error) => return Self::route_elements(error),
            other => return Self::internal("name a refusal", other),
        };
        let mut problem = Self::new(status, code, message);
        if let Refusal::StrongerThanCaller(reason) = refusal {
            problem.0.beyond = Some(reason);
        }
        match field {
            Some(field) => problem.at(&FieldPath::body().name(field)),
            None => problem,
        }
    }
}
