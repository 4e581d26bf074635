//! What a client asks about itself and its requests.

use http::Method;
use keyward_auth::Permission;

use super::{Access, Place, Route, may};
use crate::{
    api::{accounts, explain, settings, traffic, trial, user},
    openapi::Description,
};

pub(super) static ROUTES: &[Route] = &[
    Route::get(
        "settings_show",
        "/client/v4/keyward/settings",
        may(Permission::VaultRead, Place::Account),
        |call| Box::pin(async move { settings::show(&call) }),
        || {
            Description::one::<settings::Body>("Tells how the server is set up")
                .details("Nothing of it is a secret, and nothing opens anything.")
        },
    ),
    // Ours as well. A read: what it takes may hold a token, which may not stand in a URL.
    Route::new(
        Method::POST,
        "request_explain",
        "/client/v4/accounts/{account}/keyward/explain",
        may(Permission::AiGatewayRead, Place::InBody),
        |call| Box::pin(async move { explain::explain(call) }),
        || {
            Description::one::<explain::Body<'_>>("Tells what the gateway would do with a request")
                .details("Nothing is sent, no use is noted, and nothing of the request is repeated but names and its path.")
                .takes::<explain::Question>()
        },
    ),
    // What it sends is decided by the caller's right to make tokens with Run, which no API token holds itself.
    Route::new(
        Method::POST,
        "request_try",
        "/client/v4/accounts/{account}/keyward/try",
        may(Permission::AccountApiTokensWrite, Place::InBody),
        |call| Box::pin(trial::send(call)),
        || {
            Description::one::<trial::Body<'_>>("Sends a message through a gateway, and tells what became of it")
                .details("The request goes the way of every other, as that of a gateway token that the caller could make. It may cost what the provider asks for it. Nothing of it is kept but that the key was used.")
                .takes::<trial::Question>()
        },
    ),
    Route::get(
        "traffic_show",
        "/client/v4/accounts/{account}/keyward/traffic",
        may(Permission::AiGatewayRead, Place::Token),
        |call| Box::pin(traffic::show(call)),
        || {
            Description::one::<traffic::Body>("Tells how many requests there were, and how long they took")
                .details("Of the gateways, providers and keys that the token may see. Counts come within ten seconds.")
                .query::<traffic::Query>()
                .answers_from_store()
        },
    ),
    Route::get(
        "user_show",
        "/client/v4/user",
        Access::AnyToken,
        |call| Box::pin(async move { user::show(&call) }),
        || Description::one::<user::User>("Shows the token of the request, as a user"),
    ),
    Route::get(
        "account_list",
        "/client/v4/accounts",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::list(&call) }),
        || Description::page::<accounts::Account>("Lists the account of the token"),
    ),
    Route::get(
        "account_show",
        "/client/v4/accounts/{account}",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::show(&call) }),
        || Description::one::<accounts::Account>("Shows the account of the token"),
    ),
    Route::get(
        "membership_list",
        "/client/v4/memberships",
        Access::AnyToken,
        |call| Box::pin(async move { accounts::memberships(&call) }),
        || {
            Description::page::<accounts::Membership>(
                "Lists the account of the token, as a membership",
            )
        },
    ),
];
