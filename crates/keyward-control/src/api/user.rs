//! `/user`: whom a token stands for. There are no users here, so it is the token itself; clients ask for it to say
//! who is logged in (wire-spec §8.3).

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    call::Call,
    envelope::{Problem, Reply},
};

/// The token of the request, as a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    /// The token's id.
    id: String,
    /// No address: clients demand one, so it is the token's id at a domain that cannot be.
    email: String,
    /// The token's name.
    first_name: String,
    /// Always null.
    #[schema(schema_with = crate::openapi::null)]
    last_name: Option<()>,
    /// Always false: a token that is disabled gets no answer.
    suspended: bool,
}

pub(crate) fn show(call: &Call) -> Result<Reply, Problem> {
    let record = &call.caller.entry().record;
    Reply::new(&User {
        id: record.id.to_string(),
        email: format!("{}@api-token.invalid", record.id),
        first_name: record.name.clone(),
        last_name: None,
        suspended: false,
    })
}
