//! Tokens, and the log of what was done with them.

use http::Method;
use keyward_auth::Permission;

use super::{Access, Place, Route, may};
use crate::{
    api::{audit, in_use::UnderWayQuery, tokens},
    openapi::Description,
};

const TOKENS: &str = "/client/v4/accounts/{account}/tokens";
const TOKEN: &str = "/client/v4/accounts/{account}/tokens/{id}";
const AUDIT: &str = "/client/v4/accounts/{account}/logs/audit";
const GROUPS: &str = "/client/v4/accounts/{account}/tokens/permission_groups";

pub(super) static ROUTES: &[Route] = &[
    Route::get(
        "token_list",
        TOKENS,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::list(&call) }),
        || Description::page::<tokens::Body<'_>>("Lists tokens").query::<tokens::ListQuery>(),
    ),
    Route::new(
        Method::POST,
        "token_create",
        TOKENS,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::create(call)),
        || {
            Description::one::<tokens::Body<'_>>("Makes a token")
                .details("Its text is in the answer, and never told again.")
                .takes::<tokens::NewToken>()
        },
    ),
    Route::get(
        "token_show",
        TOKEN,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::show(&call) }),
        || Description::one::<tokens::Body<'_>>("Shows a token"),
    ),
    Route::new(
        Method::PUT,
        "token_update",
        TOKEN,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::update(call)),
        || {
            Description::one::<tokens::Body<'_>>("Replaces a token, but not its text")
                .details("What the token was, and what it is to be, lies within the caller's own.")
                .takes::<tokens::TokenChange>()
        },
    ),
    Route::new(
        Method::PUT,
        "token_roll",
        "/client/v4/accounts/{account}/tokens/{id}/value",
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::roll(call)),
        || {
            Description::text("Gives a token a new text")
                .details("The text is the answer, and never told again. The old one is good no more, or for as long as the body says.")
                .may_take::<tokens::Roll>()
        },
    ),
    Route::new(
        Method::DELETE,
        "token_delete",
        TOKEN,
        may(Permission::AccountApiTokensWrite, Place::Token),
        |call| Box::pin(tokens::delete(call)),
        || Description::one::<tokens::Deleted>("Deletes a token").query::<UnderWayQuery>(),
    ),
    Route::get(
        "permission_group_list",
        GROUPS,
        may(Permission::AccountApiTokensRead, Place::Token),
        |call| Box::pin(async move { tokens::permission_groups(&call) }),
        || {
            Description::list::<tokens::PermissionGroupBody>(
                "Lists the permissions that a token may have, and the roles that stand for some",
            )
            .query::<tokens::GroupQuery>()
        },
    ),
    Route::get(
        "audit_list",
        AUDIT,
        may(Permission::AuditLogRead, Place::Account),
        |call| Box::pin(audit::list(call)),
        || Description::by_cursor::<audit::Body>("Lists the audit log").query::<audit::ListQuery>(),
    ),
    Route::get(
        "audit_state",
        "/client/v4/accounts/{account}/logs/audit/state",
        may(Permission::AuditLogRead, Place::Account),
        |call| Box::pin(async move { audit::state(&call) }),
        || Description::one::<audit::StateBody>("Tells what is known of the audit log's chain"),
    ),
    Route::new(
        Method::POST,
        "audit_verify",
        "/client/v4/accounts/{account}/logs/audit/verify",
        may(Permission::AuditLogRead, Place::Account),
        |call| Box::pin(audit::verify(call)),
        || Description::one::<audit::StateBody>("Checks the whole audit log now"),
    ),
    Route::get(
        "token_verify",
        "/client/v4/accounts/{account}/tokens/verify",
        Access::Verify,
        |call| Box::pin(async move { tokens::verify(&call) }),
        || Description::one::<tokens::Verified>("Tells whether the token of the request is good"),
    ),
    Route::get(
        "user_token_verify",
        "/client/v4/user/tokens/verify",
        Access::Verify,
        |call| Box::pin(async move { tokens::verify(&call) }),
        || Description::one::<tokens::Verified>("Tells whether the token of the request is good"),
    ),
    // Ours, beside the reference: what `keyward status` tells of the token it was given.
    Route::get(
        "token_own",
        "/client/v4/keyward/token",
        Access::AnyToken,
        |call| Box::pin(async move { tokens::own(&call) }),
        || Description::one::<tokens::Body<'_>>("Shows the token that asks"),
    ),
];
