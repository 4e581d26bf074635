"""Every method that the official SDK has for what Keyward serves, with its answers parsed strictly.

The arguments say which parts are tried. Which resources and methods there are is read from the SDK: each is tried, or
belongs to a resource that is listed here as not served. The output tells all of them.
"""

import functools
import json
import os
import sys

import cloudflare
from cloudflare import Cloudflare
from cloudflare.types.ai_gateway import CustomProviderGetResponse

ACCOUNT = os.environ["KEYWARD_ACCOUNT"]
SECRET = os.environ["KEYWARD_SECRET"]

# Resources, with all below them, that Keyward does not serve (docs/compatibility.md).
NOT_SERVED = {
    "ai_gateway.billing",
    "ai_gateway.datasets",
    "ai_gateway.evaluation_types",
    "ai_gateway.evaluations",
}

called = set()
# Every method of the resources that are served, and of those that are not.
known, not_served = set(), set()


def note(label, resource, name):
    original = getattr(resource, name)

    @functools.wraps(original)
    def noted(self, *args, **kwargs):
        called.add(f"{label}.{name}")
        return original(self, *args, **kwargs)

    setattr(resource, name, noted)


def walk(label, resource, is_served=True):
    """Takes note of a resource's methods, and of those of its sub-resources, which are properties."""
    is_served = is_served and label not in NOT_SERVED
    found_unserved = set() if is_served else {label}
    for name, value in list(vars(type(resource)).items()):
        if name.startswith(("_", "with_")):
            continue
        if isinstance(value, functools.cached_property):
            found_unserved |= walk(f"{label}.{name}", getattr(resource, name), is_served)
        elif callable(value):
            (known if is_served else not_served).add(f"{label}.{name}")
            note(label, type(resource), name)
    return found_unserved


def complete(value):
    """A parsed answer: every field that the SDK's type requires is there, and is not null unless it may be."""
    assert value is not None
    assert isinstance(value, cloudflare.BaseModel), type(value)
    type(value).model_validate(value.model_dump(by_alias=True))
    return value


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except cloudflare.APIStatusError as error:
        assert error.status_code == status, (error.status_code, error.body)
        assert error.errors and error.errors[0].code, error.body
        return error.errors[0].message
    raise AssertionError("the call was not refused")


client = Cloudflare(
    api_token=os.environ["KEYWARD_TOKEN"],
    base_url=os.environ["KEYWARD_BASE"],
    max_retries=0,
    _strict_response_validation=True,
)
unserved = walk("ai_gateway", client.ai_gateway)
unserved |= walk("secrets_store", client.secrets_store)
unserved |= walk("accounts.tokens", client.accounts.tokens)
# What the SDK has no more is listed no more.
assert NOT_SERVED <= unserved, NOT_SERVED - unserved
settings = {
    "cache_invalidate_on_update": True,
    "cache_ttl": None,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}


def gateways():
    api = client.ai_gateway
    for number in range(3):
        made = complete(api.create(account_id=ACCOUNT, id=f"python-{number}", **settings))
        assert made.id == f"python-{number}"
    listed = [complete(gateway).id for gateway in api.list(account_id=ACCOUNT, per_page=2)]
    assert listed == ["default", "python-0", "python-1", "python-2"], listed
    found = [gateway.id for gateway in api.list(account_id=ACCOUNT, search="hon-1")]
    assert found == ["python-1"], found
    assert complete(api.get("python-0", account_id=ACCOUNT)).collect_logs is True
    assert complete(api.delete("python-2", account_id=ACCOUNT)).id == "python-2"
    refused(404, api.get, "python-2", account_id=ACCOUNT)
    refused(400, api.create, account_id=ACCOUNT, id="python-0", **settings)
    message = refused(
        400, api.create, account_id=ACCOUNT, id="limited", **{**settings, "rate_limiting_limit": 5}
    )
    assert "rate_limiting_limit" in message
    url = api.urls.get("openai", account_id=ACCOUNT, gateway_id="python-0")
    assert url.endswith(f"/v1/{ACCOUNT}/python-0/openai"), url


def gateway_settings():
    api = client.ai_gateway
    changed = complete(
        api.update("python-0", account_id=ACCOUNT, **{**settings, "collect_logs": False, "cache_ttl": 60})
    )
    assert changed.collect_logs is False and changed.cache_ttl == 60
    rule = {
        "id": "per-user",
        "enabled": True,
        "limitType": "cost",
        "limit": 2.5,
        "window": 3600,
        "technique": "sliding",
        "model": {"mode": "filter", "values": ["gpt-5"]},
        "metadata": {"user": {"mode": "partition"}},
    }
    limited = complete(
        api.update(
            "python-0",
            account_id=ACCOUNT,
            **{**settings, "collect_logs": False},
            spend_limits={"enabled": True, "rules": [rule]},
        )
    )
    told = limited.spend_limits.rules[0]
    assert (told.id, told.limit, told.window, told.technique) == ("per-user", 2.5, 3600, "sliding"), told
    assert told.model.values == ["gpt-5"], told
    assert complete(api.get("python-0", account_id=ACCOUNT)).collect_logs is False


def provider_configs():
    api = client.ai_gateway.provider_configs
    made = complete(
        api.create(
            "python-0",
            account_id=ACCOUNT,
            alias="default",
            default_config=True,
            provider_slug="openai",
            secret=SECRET,
        )
    )
    assert made.secret_preview.endswith(SECRET[-4:]) and SECRET not in made.to_json()
    listed = [complete(config) for config in api.list("python-0", account_id=ACCOUNT)]
    assert [config.id for config in listed] == [made.id]
    refused(
        400,
        api.create,
        "python-0",
        account_id=ACCOUNT,
        alias="default",
        default_config=True,
        provider_slug="openai",
        secret=SECRET,
    )


def custom_providers():
    api = client.ai_gateway.custom_providers
    made = complete(
        api.create(
            account_id=ACCOUNT,
            name="Python's own",
            slug="python-own",
            base_url="https://api.example.com/v2",
            description="by the SDK",
            enable=True,
            headers='{"x-own":"' + SECRET + '"}',
        )
    )
    assert SECRET not in made.to_json()
    got = complete(api.get(made.id, account_id=ACCOUNT))
    assert got.slug == "python-own" and got.enable is True
    listed = [complete(provider).id for provider in api.list(account_id=ACCOUNT, search="python")]
    assert listed == [made.id]
    refused(
        409, api.create, account_id=ACCOUNT, name="again", slug="python-own", base_url="https://api.example.com"
    )
    refused(400, api.create, account_id=ACCOUNT, name="plain", slug="plain", base_url="http://api.example.com")
    # The SDK has no method for it: by its own client, parsed as the type of the others.
    assert not hasattr(api, "edit") and not hasattr(api, "update")
    path = f"/accounts/{ACCOUNT}/ai-gateway/custom-providers/{made.id}"
    edit = {"enable": False, "headers": None, "description": "edited"}
    answer = client.patch(path, body=edit, cast_to=object)
    edited = complete(CustomProviderGetResponse.model_validate(answer["result"]))
    assert (edited.enable, edited.headers, edited.description) == (False, None, "edited")
    assert edited.base_url == made.base_url
    assert complete(api.delete(made.id, account_id=ACCOUNT)).id == made.id
    refused(404, api.get, made.id, account_id=ACCOUNT)


def elements(model):
    """One element of each type, as the SDK declares them."""
    to = lambda element: {"elementId": element}
    return [
        {"id": "start", "type": "start", "outputs": {"next": to("plan")}},
        {
            "id": "plan",
            "type": "conditional",
            "properties": {"conditions": {"metadata.plan": {"$eq": "free"}}},
            "outputs": {"true": to("limit"), "false": to("model")},
        },
        {
            "id": "limit",
            "type": "rate",
            "properties": {"key": "metadata.user", "limit": 20, "limitType": "count", "window": 60},
            "outputs": {"success": to("split"), "fallback": to("end")},
        },
        {"id": "split", "type": "percentage", "outputs": {"10%": to("model"), "else": to("end")}},
        {
            "id": "model",
            "type": "model",
            "properties": {"provider": "openai", "model": model, "timeout": 20000, "retries": 1},
            "outputs": {"success": to("end"), "fallback": to("end")},
        },
        {"id": "end", "type": "end", "outputs": {}},
    ]


def dynamic_routing():
    api = client.ai_gateway.dynamic_routing
    at = {"account_id": ACCOUNT, "gateway_id": "python-0"}
    made = complete(api.create("python-0", account_id=ACCOUNT, name="python", elements=elements("gpt-5")))
    assert (made.name, made.gateway_id, made.version.active) == ("python", "python-0", "true")
    assert made.deployment.version_id == made.version.version_id
    assert json.loads(made.version.data) == elements("gpt-5")
    # Each element is parsed as the type that it is declared to be.
    types = [element.type for element in made.elements]
    assert types == ["start", "conditional", "rate", "percentage", "model", "end"], types
    plan, limit, split, model = made.elements[1:5]
    assert plan.outputs.true.element_id == "limit" and plan.properties.conditions == {"metadata.plan": {"$eq": "free"}}
    assert (limit.properties.limit_type, limit.properties.limit, limit.properties.window) == ("count", 20, 60)
    assert split.outputs["10%"].element_id == "model" and split.outputs["else"].element_id == "end"
    assert (model.properties.model, model.properties.timeout, model.properties.retries) == ("gpt-5", 20000, 1)

    assert complete(api.get(made.id, **at)) == type(api.get(made.id, **at)).model_validate(made.model_dump(by_alias=True))
    renamed = complete(api.update(made.id, name="python-renamed", **at))
    assert renamed.success is True and renamed.route.id == made.id and renamed.route.account_tag == ACCOUNT
    assert renamed.route.name == "python-renamed" and renamed.route.version.active == "true"
    other = complete(api.create("python-0", account_id=ACCOUNT, name="other", elements=elements("gpt-5")))
    listed = complete(api.list("python-0", account_id=ACCOUNT))
    assert [route.name for route in listed.data.routes] == ["other", "python-renamed"]
    assert (listed.data.page, listed.data.order_by, listed.data.order_by_direction) == (1, "name", "asc")
    second = complete(api.list("python-0", account_id=ACCOUNT, page=2, per_page=1))
    assert [route.id for route in second.data.routes] == [made.id] and second.data.per_page == 1

    saved = complete(api.create_version(made.id, elements=elements("gpt-5-mini"), **at))
    # The SDK does not declare it; Cloudflare answers with it.
    version = saved.version_id
    assert saved.id == made.id and saved.elements[4].properties.model == "gpt-5-mini"
    assert complete(api.get(made.id, **at)).version.version_id == made.version.version_id
    got = complete(api.get_version(version, id=made.id, **at))
    assert (got.active, got.version_id, got.is_valid) == ("false", version, True)
    assert json.loads(got.data) == elements("gpt-5-mini")
    versions = complete(api.list_versions(made.id, **at)).data.versions
    assert [(one.version_id, one.active) for one in versions] == [
        (version, "false"),
        (made.version.version_id, "true"),
    ]
    deployed = complete(api.create_deployment(made.id, version_id=version, **at))
    assert deployed.elements[4].properties.model == "gpt-5-mini"
    back = complete(api.create_deployment(made.id, version_id=made.version.version_id, **at))
    assert back.elements[4].properties.model == "gpt-5"
    deployments = complete(api.list_deployments(made.id, **at)).data.deployments
    assert [one.version_id for one in deployments] == [
        made.version.version_id,
        version,
        made.version.version_id,
    ]
    assert deployments[0].deployment_id == complete(api.get(made.id, **at)).deployment.deployment_id

    faulty = elements("gpt-5")
    faulty[4]["properties"]["retries"] = 50
    message = refused(400, api.create_version, made.id, elements=faulty, **at)
    assert "elements[4].properties.retries" in message, message
    refused(400, api.create, "python-0", account_id=ACCOUNT, name="other", elements=elements("gpt-5"))
    refused(404, api.list, "absent", account_id=ACCOUNT)
    refused(404, api.create_deployment, made.id, version_id=other.version.version_id, **at)
    for id in (made.id, other.id):
        assert complete(api.delete(id, **at)).id == id
    refused(404, api.get, made.id, **at)


def logs():
    api = client.ai_gateway.logs
    at = {"account_id": ACCOUNT, "gateway_id": "default"}

    def listed(**query):
        return [complete(entry).id for entry in api.list("default", account_id=ACCOUNT, **query)]

    plain = [entry for entry in api.list("default", account_id=ACCOUNT, provider="openai", per_page=2)]
    assert [(entry.status_code, entry.tokens_in, entry.duration) for entry in plain] == [
        (200, 30, 300),
        (429, 20, 200),
        (200, 10, 100),
    ], plain
    newest, failed, oldest = [complete(entry).id for entry in plain]
    assert (plain[0].model, plain[0].path, plain[0].cost) == ("gpt-5", "v1/chat/completions", 0.03)
    # A client sends its filters field by field: keys, operators, values.
    openai = {"key": "provider", "operator": "eq", "value": ["openai"]}
    dear = {"key": "cost", "operator": "gt", "value": [0.015]}
    assert listed(filters=[openai, dear]) == [newest, failed]
    assert listed(filters=[{"key": "id", "operator": "eq", "value": [oldest, failed]}]) == [failed, oldest]
    assert listed(provider="openai", success=False) == [failed]
    assert listed(provider="openai", min_cost=0.02, max_duration=200.0) == [failed]
    assert listed(provider="openai", order_by="success", order_by_direction="asc", meta_info=True)[0] == failed
    refused(400, listed, filters=[{"key": "colour", "operator": "eq", "value": ["red"]}])
    # Cloudflare answers with an object, and the SDK declares a text.
    lenient = Cloudflare(api_token=client.api_token, base_url=os.environ["KEYWARD_BASE"], max_retries=0)
    [tagged] = lenient.ai_gateway.logs.list("default", account_id=ACCOUNT, provider="anthropic")
    assert tagged.metadata == {"team": "blue"}, tagged

    shown = complete(api.get(newest, **at))
    assert (shown.request_head, shown.request_head_complete, shown.request_size) == ('{"model":"gpt-5"}', True, 17)
    assert api.request(newest, **at) == {"model": "gpt-5"}
    assert api.response(newest, **at) == {"choices": []}
    refused(404, api.request, oldest, **at)
    assert api.edit(oldest, feedback=1.0, score=80.0, **at) == {}
    assert listed(provider="openai", feedback=1) == [oldest]
    refused(400, api.edit, oldest, feedback=2.0, **at)
    assert complete(api.delete("default", account_id=ACCOUNT, limit=1, filters=[openai])).success is True
    assert listed(provider="openai") == [failed, oldest]
    refused(404, api.get, newest, **at)


def secrets():
    stores = client.secrets_store.stores
    # An account has one store at most, unless configured otherwise.
    refused(409, stores.create, account_id=ACCOUNT, name="python-store")
    for store in stores.list(account_id=ACCOUNT):
        stores.delete(complete(store).id, account_id=ACCOUNT, force=True)
    made = complete(stores.create(account_id=ACCOUNT, name="python-store"))
    assert made.id in [complete(store).id for store in stores.list(account_id=ACCOUNT)]
    assert complete(stores.get(made.id, account_id=ACCOUNT)).name == "python-store"

    api = stores.secrets
    body = [
        {"name": name, "value": SECRET, "scopes": ["workers", "dex"], "comment": "by the SDK"}
        for name in ("python_one", "python_two")
    ]
    one, two = [complete(secret) for secret in api.create(made.id, account_id=ACCOUNT, body=body)]
    assert SECRET not in one.to_json()
    listed = [complete(secret).id for secret in api.list(made.id, account_id=ACCOUNT, scopes=["workers", "dex"])]
    assert sorted(listed) == sorted([one.id, two.id])
    found = [secret.id for secret in api.list(made.id, account_id=ACCOUNT, search="two")]
    assert found == [two.id]
    assert complete(api.get(one.id, account_id=ACCOUNT, store_id=made.id)).status in ("pending", "active")
    edited = complete(
        api.edit(one.id, account_id=ACCOUNT, store_id=made.id, comment="edited", scopes=["workers"], value=SECRET)
    )
    assert edited.comment == "edited"
    copy = complete(
        api.duplicate(one.id, account_id=ACCOUNT, store_id=made.id, name="python_three", scopes=["workers"])
    )
    assert copy.name == "python_three"
    quota = complete(client.secrets_store.quota.get(account_id=ACCOUNT))
    assert quota.secrets.usage >= 3
    # Without ids nothing is deleted.
    refused(400, api.bulk_delete, made.id, account_id=ACCOUNT)
    api.delete(one.id, account_id=ACCOUNT, store_id=made.id)
    refused(404, api.get, one.id, account_id=ACCOUNT, store_id=made.id)
    api.bulk_delete(made.id, account_id=ACCOUNT, extra_body=[{"id": copy.id}])
    assert [secret.id for secret in api.list(made.id, account_id=ACCOUNT)] == [two.id]
    refused(409, stores.delete, made.id, account_id=ACCOUNT)
    stores.delete(made.id, account_id=ACCOUNT, force=True)
    refused(404, stores.get, made.id, account_id=ACCOUNT)


def tokens():
    api = client.accounts.tokens
    groups = list(api.permission_groups.list(account_id=ACCOUNT))
    read = next(group.id for group in groups if group.name == "AI Gateway Read")
    assert read in [group.id for group in api.permission_groups.get(account_id=ACCOUNT)]
    policies = [
        {
            "effect": "allow",
            "resources": {f"com.cloudflare.api.account.{ACCOUNT}": "*"},
            "permission_groups": [{"id": read}],
        }
    ]
    made = complete(api.create(account_id=ACCOUNT, name="python", policies=policies))
    assert made.value.startswith("kw_api_")
    assert made.id in [complete(token).id for token in api.list(account_id=ACCOUNT)]
    assert complete(api.get(made.id, account_id=ACCOUNT)).name == "python"
    assert complete(api.verify(account_id=ACCOUNT)).status == "active"
    assert complete(api.delete(made.id, account_id=ACCOUNT)).id == made.id
    refused(404, api.get, made.id, account_id=ACCOUNT)


def token_changes():
    api = client.accounts.tokens
    policies = [
        {
            "effect": "allow",
            "resources": {f"com.cloudflare.api.account.{ACCOUNT}": "*"},
            "permission_groups": [{"name": "AI Gateway Read"}],
        }
    ]
    made = complete(api.create(account_id=ACCOUNT, name="changing", policies=policies))
    changed = complete(api.update(made.id, account_id=ACCOUNT, name="renamed", policies=policies))
    assert changed.name == "renamed"
    rolled = api.value.update(made.id, account_id=ACCOUNT)
    assert rolled.startswith("kw_api_") and rolled != made.value
    assert complete(client.with_options(api_token=rolled).accounts.tokens.verify(account_id=ACCOUNT)).id == made.id


def whoami():
    assert complete(client.user.get()).id
    assert complete(client.user.tokens.verify()).status == "active"
    assert [complete(account).id for account in client.accounts.list()] == [ACCOUNT]
    assert complete(client.accounts.get(account_id=ACCOUNT)).id == ACCOUNT
    assert [complete(membership).account.id for membership in client.memberships.list()] == [ACCOUNT]
    stranger = client.with_options(api_token="kw_api_unknown")
    refused(401, stranger.user.tokens.verify)


for part in sys.argv[1:]:
    globals()[part]()

told = {"called": sorted(called), "not_called": sorted(known - called), "not_served": sorted(not_served)}
print(json.dumps(told))
