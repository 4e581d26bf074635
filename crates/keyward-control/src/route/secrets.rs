//! Secrets stores and their secrets.

use http::Method;
use keyward_auth::Permission;

use super::{Place, Route, may};
use crate::{
    api::{in_use::UnderWayQuery, secrets, secrets_stores},
    openapi::Description,
};

const STORES: &str = "/client/v4/accounts/{account}/secrets_store/stores";
const STORE: &str = "/client/v4/accounts/{account}/secrets_store/stores/{store}";
const SECRETS: &str = "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets";
const SECRET: &str = "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets/{id}";
const DUPLICATE: &str =
    "/client/v4/accounts/{account}/secrets_store/stores/{store}/secrets/{id}/duplicate";
const QUOTA: &str = "/client/v4/accounts/{account}/secrets_store/quota";

pub(super) static ROUTES: &[Route] = &[
    Route::get(
        "secrets_store_list",
        STORES,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(async move { secrets_stores::list(&call) }),
        || {
            Description::page::<secrets_stores::Body>("Lists secrets stores")
                .query::<secrets_stores::ListQuery>()
        },
    ),
    Route::new(
        Method::POST,
        "secrets_store_create",
        STORES,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets_stores::create(call)),
        || {
            Description::one::<secrets_stores::Body>("Makes a secrets store")
                .details("Takes a list of them as well, and then answers with a list.")
                .takes::<secrets_stores::NewStore>()
                .may_conflict()
        },
    ),
    Route::get(
        "secrets_store_show",
        STORE,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(async move { secrets_stores::show(&call) }),
        || Description::one::<secrets_stores::Body>("Shows a secrets store"),
    ),
    Route::new(
        Method::DELETE,
        "secrets_store_delete",
        STORE,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets_stores::delete(call)),
        || {
            Description::one::<secrets_stores::DeletedBody>("Deletes a secrets store")
                .query::<secrets_stores::DeleteQuery>()
                .query::<UnderWayQuery>()
                .may_conflict()
        },
    ),
    Route::get(
        "secret_list",
        SECRETS,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(secrets::list(call)),
        || {
            Description::page::<secrets::Body>("Lists secrets")
                .query::<secrets::ListQuery>()
                .answers_from_store()
        },
    ),
    Route::new(
        Method::POST,
        "secret_create",
        SECRETS,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::create(call)),
        || {
            Description::list::<secrets::Body>("Stores secrets: all of them, or none")
                .details(
                    "With the scope `ai_gateway`, the name says which gateway, provider and alias the value is \
                     for; it is sealed for that provider's origins and never goes elsewhere.",
                )
                .takes_list::<secrets::NewSecretBody>()
                .may_conflict()
        },
    ),
    Route::new(
        Method::DELETE,
        "secret_bulk_delete",
        SECRETS,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::delete_several(call)),
        || {
            Description::list::<secrets::Body>("Deletes secrets: all of them, or none")
                .details("Takes plain ids as well. Without ids nothing is deleted.")
                .takes_list::<secrets::SecretReference>()
                .query::<UnderWayQuery>()
        },
    ),
    Route::get(
        "secret_show",
        SECRET,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(secrets::show(call)),
        || {
            Description::one::<secrets::Body>("Shows a secret, without its value")
                .answers_from_store()
        },
    ),
    Route::new(
        Method::PATCH,
        "secret_edit",
        SECRET,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::edit(call)),
        || {
            Description::one::<secrets::Body>("Changes a secret's value, scopes or comment")
                .takes::<secrets::Edit>()
                .query::<UnderWayQuery>()
                .may_conflict()
        },
    ),
    Route::new(
        Method::DELETE,
        "secret_delete",
        SECRET,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::delete(call)),
        || {
            Description::one::<secrets::Body>(
                "Deletes a secret; provider keys that use it stop at once",
            )
            .query::<UnderWayQuery>()
        },
    ),
    Route::new(
        Method::POST,
        "secret_duplicate",
        DUPLICATE,
        may(Permission::SecretsStoreWrite, Place::Account),
        |call| Box::pin(secrets::duplicate(call)),
        || {
            Description::one::<secrets::Body>(
                "Copies a secret; the copy goes where the value may go",
            )
            .takes::<secrets::Copy>()
            .may_conflict()
        },
    ),
    Route::get(
        "secrets_store_quota",
        QUOTA,
        may(Permission::SecretsStoreRead, Place::Account),
        |call| Box::pin(async move { secrets_stores::quota(&call) }),
        || {
            Description::one::<secrets_stores::Quota>(
                "Tells how many secrets the account may have, and has",
            )
        },
    ),
];
