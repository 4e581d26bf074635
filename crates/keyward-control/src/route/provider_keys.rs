//! Provider keys, their versions and rotations.

use http::Method;
use keyward_auth::Permission;

use super::{Place, Route, may};
use crate::{
    api::{in_use::UnderWayQuery, provider_configs},
    openapi::Description,
};

const KEYS: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs";
const KEY: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}";
const KEY_VERSIONS: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/versions";
const KEY_VERIFY: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/verify";
const KEY_ROTATIONS: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotations";
const KEY_ROTATION: &str =
    "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotation";
const ROLL_BACK: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotation/roll_back";
const DESTROY_OLD: &str = "/client/v4/accounts/{account}/ai-gateway/gateways/{gateway}/provider_configs/{id}/rotation/destroy_old";
const ALL_KEYS: &str = "/client/v4/accounts/{account}/ai-gateway/provider_configs";

pub(super) static ROUTES: &[Route] = &[
    Route::get(
        "provider_key_list",
        KEYS,
        may(Permission::AiGatewayRead, Place::Gateway),
        |call| Box::pin(async move { provider_configs::list(&call) }),
        || {
            Description::page::<provider_configs::Body>("Lists the provider keys of a gateway")
                .details("A gateway that does not exist has none.")
        },
    ),
    Route::get(
        "provider_keys_list",
        ALL_KEYS,
        may(Permission::AiGatewayRead, Place::Token),
        |call| Box::pin(async move { provider_configs::list_all(&call) }),
        || {
            Description::page::<provider_configs::Body>("Lists the provider keys of the account")
                .details("Those that the token may see, sorted by provider, gateway and alias.")
                .query::<provider_configs::ListQuery>()
        },
    ),
    Route::get(
        "provider_key_show",
        KEY,
        may(Permission::AiGatewayRead, Place::ProviderKey),
        |call| Box::pin(async move { provider_configs::show(&call) }),
        || Description::one::<provider_configs::Body>("Shows a provider key, without its value"),
    ),
    Route::get(
        "provider_key_version_list",
        KEY_VERSIONS,
        may(Permission::AiGatewayRead, Place::ProviderKey),
        |call| Box::pin(provider_configs::list_versions(call)),
        || {
            Description::list::<provider_configs::VersionBody>(
                "Lists the versions that a provider key's value had",
            )
            .details("The newest first; values of versions that were replaced are erased.")
            .answers_from_store()
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_create",
        KEYS,
        may(Permission::SecretsStoreWrite, Place::InBody),
        |call| Box::pin(provider_configs::create(call)),
        || {
            Description::one::<provider_configs::Body>("Stores a provider key")
                .details("With `verify` the provider is asked first, and a value that it does not take is not stored: 400 where it refuses the value, 424 where its answer is not certain. Where nothing is known to ask it, the value is stored, and a message says so.")
                .takes::<provider_configs::NewKey>()
                .may_conflict()
                .may_be_unproven()
        },
    ),
    // A read of the provider's, and a write here: who may not replace a key has no business with testing it.
    Route::new(
        Method::POST,
        "provider_key_verify",
        KEY_VERIFY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::verify(call)),
        || {
            Description::one::<provider_configs::VerifiedBody>("Asks the provider whether it takes a provider key")
                .details("By a request that costs nothing. Once a second and key; who asks more often is told the last answer.")
                .asks()
        },
    ),
    Route::new(
        Method::PUT,
        "provider_key_rotate",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::rotate(call)),
        || {
            Description::one::<provider_configs::Body>("Replaces the value of a provider key")
                .takes::<provider_configs::NewValue>()
                .query::<UnderWayQuery>()
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_rotate_begin",
        KEY_ROTATIONS,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::begin_rotation(call)),
        || {
            Description::one::<provider_configs::RotationBody>("Begins a rotation of a provider key")
                .details("With `verify` the new value is staged until the provider took it; then it is in use, and the old one is kept for the overlap. One at a time: 409 while another one is under way.")
                .takes::<provider_configs::NewRotation>()
                .may_conflict()
                .asks()
        },
    ),
    Route::get(
        "provider_key_rotation_show",
        KEY_ROTATION,
        may(Permission::AiGatewayRead, Place::ProviderKey),
        |call| Box::pin(async move { provider_configs::show_rotation(&call) }),
        || {
            Description::one::<provider_configs::RotationBody>(
                "Shows the rotation of a provider key that is under way, or its last one",
            )
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_rotate_roll_back",
        ROLL_BACK,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::roll_back(call)),
        || {
            Description::one::<provider_configs::RotationBody>(
                "Takes the old value of a rotation back",
            )
            .details("A value that is staged is erased. 409 where the rotation is over.")
            .may_conflict()
        },
    ),
    Route::new(
        Method::POST,
        "provider_key_rotate_finish",
        DESTROY_OLD,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::destroy_old(call)),
        || {
            Description::one::<provider_configs::RotationBody>(
                "Erases the old value of a rotation before its overlap is over",
            )
            .details("409 unless the new value is in use and the old one kept.")
            .may_conflict()
        },
    ),
    Route::new(
        Method::PATCH,
        "provider_key_edit",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::edit(call)),
        || {
            Description::one::<provider_configs::Body>("Changes a provider key, but not its value")
                .takes::<provider_configs::Edit>()
                .query::<UnderWayQuery>()
        },
    ),
    Route::new(
        Method::DELETE,
        "provider_key_delete",
        KEY,
        may(Permission::SecretsStoreWrite, Place::ProviderKey),
        |call| Box::pin(provider_configs::delete(call)),
        || {
            Description::one::<provider_configs::Body>("Deletes a provider key")
                .query::<UnderWayQuery>()
        },
    ),
];
