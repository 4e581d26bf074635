// Every method that the official SDK has for what Keyward serves. JavaScript checks no types, so each answer is
// compared with the fields that the SDK's declarations require. The arguments say which parts are tried. Which
// resources and methods there are is read from the SDK: each is tried, or belongs to a resource that is listed here as
// not served. The output tells all of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";

import Cloudflare from "cloudflare";

const account_id = process.env.KEYWARD_ACCOUNT;
const secret = process.env.KEYWARD_SECRET;
const client = new Cloudflare({
  apiToken: process.env.KEYWARD_TOKEN,
  baseURL: process.env.KEYWARD_BASE,
  maxRetries: 0,
});

const declarations = path.resolve("node_modules/cloudflare/resources");
const sources = new Map();

/** What stands between the braces behind `head`, which begins a line this far in. */
function block(text, indent, head) {
  const start = text.search(new RegExp(`^${indent}(export )?(declare )?${head} \\{$`, "m"));
  assert(start >= 0, `nothing is declared as ${head}`);
  const body = text.slice(start);
  return body.slice(0, body.search(new RegExp(`^${indent}\\}`, "m")));
}

/** The fields of an interface of the SDK's declarations: name, whether it may be absent, type. `A.B` is B of the
 * namespace A. */
function fields(file, name) {
  if (!sources.has(file)) sources.set(file, readFileSync(path.join(declarations, file), "utf8"));
  const outer = name.split(".");
  const inner = outer.pop();
  let body = sources.get(file);
  let indent = "";
  for (const namespace of outer) {
    body = block(body, indent, `namespace ${namespace}`);
    indent += "    ";
  }
  body = block(body, indent, `interface ${inner}( extends \\S+)?`);
  const found = [];
  // What stands deeper than the fields belongs to their types.
  const line_of_field = new RegExp(`^${indent} {4}(\\w+)(\\?)?: (.+);$`);
  for (const line of body.split("\n").slice(1)) {
    const field = line_of_field.exec(line);
    if (field) found.push({ name: field[1], optional: Boolean(field[2]), type: field[3] });
  }
  // Of a type without fields nothing would be checked.
  assert(found.length > 0, `${name} has no fields`);
  return found;
}

const primitives = { string: "string", number: "number", boolean: "boolean" };

/** Whether a value is of a declared type, as far as the declaration is of primitives and lists. */
function is(value, type) {
  return type.split(" | ").some((one) => {
    if (one === "null") return value === null;
    if (one in primitives) return typeof value === primitives[one];
    if (/^'.*'$/.test(one)) return value === one.slice(1, -1);
    if (/^(Array<.*>)$/.test(one)) return Array.isArray(value);
    return typeof value === "object" && value !== null;
  });
}

let checked = 0;

function typed(answer, file, name) {
  for (const field of fields(file, name)) {
    const value = answer[field.name];
    const absent = value === undefined || (field.optional && value === null);
    assert(absent ? field.optional : is(value, field.type), `${name}.${field.name}: ${JSON.stringify(value)}`);
  }
  checked += 1;
  return answer;
}

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

async function refused(status, promise) {
  const error = await promise.then(
    () => assert.fail("the call was not refused"),
    (error) => error,
  );
  assert(error instanceof Cloudflare.APIError, String(error));
  assert.equal(error.status, status, JSON.stringify(error.errors));
  assert(error.errors.length > 0);
}

// Resources, with all below them, that Keyward does not serve (docs/compatibility.md).
const unlisted = new Set([
  "aiGateway.billing",
  "aiGateway.datasets",
  "aiGateway.evaluationTypes",
  "aiGateway.evaluations",
]);
const notServed = new Set(unlisted);

// Which methods were called, and which there are of resources that are served, and of those that are not.
const called = new Set();
const known = new Set();
const not_served = new Set();
function walk(label, resource, above = true) {
  const isServed = above && !notServed.has(label);
  unlisted.delete(label);
  for (let at = Object.getPrototypeOf(resource); at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name === "constructor") continue;
      (isServed ? known : not_served).add(`${label}.${name}`);
      const method = at[name];
      resource[name] = function (...parameters) {
        called.add(`${label}.${name}`);
        return method.apply(this, parameters);
      };
    }
  }
  // Those below it are properties that have a client too.
  for (const [name, below] of Object.entries(resource)) {
    if (!name.startsWith("_") && below?._client) walk(`${label}.${name}`, below, isServed);
  }
}
walk("aiGateway", client.aiGateway);
walk("secretsStore", client.secretsStore);
walk("accounts.tokens", client.accounts.tokens);
// What the SDK has no more is listed no more.
assert.deepEqual([...unlisted], []);

const settings = {
  cache_invalidate_on_update: true,
  cache_ttl: null,
  collect_logs: true,
  rate_limiting_interval: 0,
  rate_limiting_limit: 0,
};

async function whoami() {
  assert((await client.user.get()).id);
  assert.equal((await client.user.tokens.verify()).status, "active");
  assert.deepEqual((await all(client.accounts.list())).map((account) => account.id), [account_id]);
  assert.equal((await client.accounts.get({ account_id })).id, account_id);
  assert.equal((await all(client.memberships.list()))[0].account.id, account_id);
}

async function gateways() {
  const api = client.aiGateway;
  const file = "ai-gateway/ai-gateway.d.ts";
  for (const number of [0, 1, 2]) {
    const made = await api.create({ account_id, id: `node-${number}`, ...settings });
    typed(made, file, "AIGatewayCreateResponse");
  }
  const listed = await all(api.list({ account_id, per_page: 2 }));
  listed.forEach((gateway) => typed(gateway, file, "AIGatewayListResponse"));
  assert.deepEqual(
    listed.map((gateway) => gateway.id).filter((id) => id.startsWith("node-")),
    ["node-0", "node-1", "node-2"],
  );
  typed(await api.get("node-0", { account_id }), file, "AIGatewayGetResponse");
  typed(await api.delete("node-2", { account_id }), file, "AIGatewayDeleteResponse");
  await refused(404, api.get("node-2", { account_id }));
  await refused(400, api.create({ account_id, id: "node-0", ...settings }));
  const url = await api.urls.get("openai", { account_id, gateway_id: "node-0" });
  assert(url.endsWith(`/v1/${account_id}/node-0/openai`), url);
}

async function gateway_settings() {
  const changed = await client.aiGateway.update("node-0", { account_id, ...settings, collect_logs: false });
  const file = "ai-gateway/ai-gateway.d.ts";
  assert.equal(typed(changed, file, "AIGatewayUpdateResponse").collect_logs, false);
  const rule = {
    id: "all",
    limitType: "cost",
    limit: 10,
    window: 60,
    provider: { mode: "filter", values: ["openai"] },
    metadata: { user: { mode: "partition" } },
  };
  const spend_limits = { enabled: true, rules: [rule] };
  const limited = await client.aiGateway.update("node-0", { account_id, ...settings, spend_limits });
  const [told] = typed(limited, file, "AIGatewayUpdateResponse").spend_limits.rules;
  assert.deepEqual(told, { ...rule, enabled: true, technique: "fixed" });
}

async function provider_configs() {
  const api = client.aiGateway.providerConfigs;
  const file = "ai-gateway/provider-configs.d.ts";
  const config = { account_id, alias: "default", default_config: true, provider_slug: "openai", secret };
  const made = typed(await api.create("node-0", config), file, "ProviderConfigCreateResponse");
  assert(!JSON.stringify(made).includes(secret));
  const listed = await all(api.list("node-0", { account_id }));
  assert.deepEqual(
    listed.map((config) => typed(config, file, "ProviderConfigListResponse").id),
    [made.id],
  );
  await refused(400, api.create("node-0", config));
}

async function custom_providers() {
  const api = client.aiGateway.customProviders;
  const file = "ai-gateway/custom-providers.d.ts";
  const made = await api.create({
    account_id,
    name: "Node's own",
    slug: "node-own",
    base_url: "https://api.example.com/v2",
    headers: JSON.stringify({ "x-own": secret }),
  });
  typed(made, file, "CustomProviderCreateResponse");
  assert(!JSON.stringify(made).includes(secret));
  typed(await api.get(made.id, { account_id }), file, "CustomProviderGetResponse");
  const listed = await all(api.list({ account_id, search: "node" }));
  listed.forEach((provider) => typed(provider, file, "CustomProviderListResponse"));
  assert.equal(listed.length, 1);
  const again = { account_id, name: "again", slug: "node-own", base_url: "https://api.example.com" };
  await refused(409, api.create(again));
  // The SDK has no method for it: by its own client, compared with the type of the others.
  assert.equal(api.edit ?? api.update, undefined);
  const edit = { enable: false, headers: null, description: "edited" };
  const path = `/accounts/${account_id}/ai-gateway/custom-providers/${made.id}`;
  const { result: edited } = await client.patch(path, { body: edit });
  typed(edited, file, "CustomProviderGetResponse");
  assert.deepEqual([edited.enable, edited.headers, edited.description], [false, null, "edited"]);
  typed(await api.delete(made.id, { account_id }), file, "CustomProviderDeleteResponse");
  await refused(404, api.get(made.id, { account_id }));
}

/** One element of each type, as the SDK declares them. */
function elements(model) {
  const to = (elementId) => ({ elementId });
  return [
    { id: "start", type: "start", outputs: { next: to("plan") } },
    {
      id: "plan",
      type: "conditional",
      properties: { conditions: { "metadata.plan": { $eq: "free" } } },
      outputs: { true: to("limit"), false: to("model") },
    },
    {
      id: "limit",
      type: "rate",
      properties: { key: "metadata.user", limit: 20, limitType: "count", window: 60 },
      outputs: { success: to("split"), fallback: to("end") },
    },
    { id: "split", type: "percentage", outputs: { "10%": to("model"), else: to("end") } },
    {
      id: "model",
      type: "model",
      properties: { provider: "openai", model, timeout: 20000, retries: 1 },
      outputs: { success: to("end"), fallback: to("end") },
    },
    { id: "end", type: "end", outputs: {} },
  ];
}

async function dynamic_routing() {
  const api = client.aiGateway.dynamicRouting;
  const file = "ai-gateway/dynamic-routing.d.ts";
  const at = { account_id, gateway_id: "node-0" };
  /** A route whose parts are what the SDK declares of `name`. */
  function whole(route, name) {
    typed(route, file, name);
    // Keyward answers with them in places where the SDK declares none.
    const declared = new Set(fields(file, name).map((field) => field.name));
    if (declared.has("version")) typed(route.version, file, `${name}.Version`);
    if (declared.has("deployment")) typed(route.deployment, file, `${name}.Deployment`);
    // One of each type, in the order in which the SDK declares them: the fourth there is the third here.
    const members = [0, 1, 3, 2, 4, 5];
    assert.equal(route.elements.length, members.length);
    route.elements.forEach((element, index) => {
      const member = `${name}.UnionMember${members[index]}`;
      typed(element, file, member);
      if (element.properties?.limit || element.properties?.model) {
        typed(element.properties, file, `${member}.Properties`);
      }
    });
    return route;
  }
  const made = await api.create("node-0", { account_id, name: "node", elements: elements("gpt-5") });
  whole(made, "DynamicRoutingCreateResponse");
  assert.deepEqual(JSON.parse(made.version.data), elements("gpt-5"));
  assert.deepEqual(whole(await api.get(made.id, at), "DynamicRoutingGetResponse"), made);
  const renamed = await api.update(made.id, { ...at, name: "node-renamed" });
  typed(renamed, file, "DynamicRoutingUpdateResponse");
  whole(renamed.route, "DynamicRoutingUpdateResponse.Route");
  assert.equal(renamed.route.name, "node-renamed");
  const listed = await api.list("node-0", { account_id, per_page: 50 });
  typed(listed.data, file, "DynamicRoutingListResponse.Data");
  listed.data.routes.forEach((route) => whole(route, "DynamicRoutingListResponse.Data.Route"));
  assert.deepEqual([listed.success, listed.data.routes.map((route) => route.id)], [true, [made.id]]);

  const saved = await api.createVersion(made.id, { ...at, elements: elements("gpt-5-mini") });
  whole(saved, "DynamicRoutingCreateVersionResponse");
  // The SDK does not declare it; Cloudflare answers with it.
  const { version_id } = saved;
  const got = await api.getVersion(version_id, { ...at, id: made.id });
  whole(got, "DynamicRoutingGetVersionResponse");
  assert.deepEqual([got.active, got.elements[4].properties.model], ["false", "gpt-5-mini"]);
  const versions = await api.listVersions(made.id, at);
  typed(versions.data, file, "DynamicRoutingListVersionsResponse.Data");
  versions.data.versions.forEach((one) => typed(one, file, "DynamicRoutingListVersionsResponse.Data.Version"));
  assert.deepEqual(versions.data.versions.map((one) => one.active), ["false", "true"]);
  const deployed = await api.createDeployment(made.id, { ...at, version_id });
  whole(deployed, "DynamicRoutingCreateDeploymentResponse");
  assert.equal(deployed.elements[4].properties.model, "gpt-5-mini");
  const back = await api.createDeployment(made.id, { ...at, version_id: made.version.version_id });
  assert.equal(back.elements[4].properties.model, "gpt-5");
  const deployments = await api.listDeployments(made.id, at);
  typed(deployments.data, file, "DynamicRoutingListDeploymentsResponse.Data");
  deployments.data.deployments.forEach((one) =>
    typed(one, file, "DynamicRoutingListDeploymentsResponse.Data.Deployment"),
  );
  assert.deepEqual(
    deployments.data.deployments.map((one) => one.version_id),
    [made.version.version_id, version_id, made.version.version_id],
  );

  const again = { account_id, name: "node-renamed", elements: elements("gpt-5") };
  await refused(400, api.create("node-0", again));
  await refused(404, api.createDeployment(made.id, { ...at, version_id: made.id }));
  whole(await api.delete(made.id, at), "DynamicRoutingDeleteResponse");
  await refused(404, api.get(made.id, at));
}

async function secrets() {
  const stores = client.secretsStore.stores;
  const store = "secrets-store/stores/stores.d.ts";
  // An account has one store at most, unless configured otherwise.
  for (const one of await all(stores.list({ account_id }))) {
    await stores.delete(typed(one, store, "StoreListResponse").id, { account_id, force: true });
  }
  const made = typed(await stores.create({ account_id, name: "node-store" }), store, "StoreCreateResponse");
  const listed = await all(stores.list({ account_id }));
  listed.forEach((one) => typed(one, store, "StoreListResponse"));
  typed(await stores.get(made.id, { account_id }), store, "StoreGetResponse");

  const api = stores.secrets;
  const file = "secrets-store/stores/secrets.d.ts";
  const body = ["node_one", "node_two"].map((name) => ({ name, value: secret, scopes: ["workers", "dex"] }));
  const [one, two] = await all(api.create(made.id, { account_id, body }));
  [one, two].forEach((secret) => typed(secret, file, "SecretCreateResponse"));
  assert(!JSON.stringify(one).includes(secret));
  const secrets = await all(api.list(made.id, { account_id, scopes: [["workers"], ["dex"]] }));
  secrets.forEach((secret) => typed(secret, file, "SecretListResponse"));
  assert.equal(secrets.length, 2);
  const at = { account_id, store_id: made.id };
  typed(await api.get(one.id, at), file, "SecretGetResponse");
  typed(await api.edit(one.id, { ...at, comment: "edited", value: secret }), file, "SecretEditResponse");
  const copy = await api.duplicate(one.id, { ...at, name: "node_three", scopes: ["workers"] });
  typed(copy, file, "SecretDuplicateResponse");
  const quota = await client.secretsStore.quota.get({ account_id });
  assert(typed(quota, "secrets-store/quota.d.ts", "QuotaGetResponse").secrets.usage >= 3);
  await refused(400, api.bulkDelete(made.id, { account_id }));
  await api.delete(one.id, at);
  await refused(404, api.get(one.id, at));
  await refused(409, stores.delete(made.id, { account_id }));
  await stores.delete(made.id, { account_id, force: true });
  await refused(404, stores.get(made.id, { account_id }));
}

async function logs() {
  const api = client.aiGateway.logs;
  const file = "ai-gateway/logs.d.ts";
  const at = { account_id, gateway_id: "default" };
  const listed = async (query) => {
    const entries = await all(api.list("default", { account_id, ...query }));
    return entries.map((entry) => typed(entry, file, "LogListResponse").id);
  };
  const [newest, failed, oldest, ...more] = await listed({ provider: "openai", per_page: 2 });
  assert.deepEqual(more, []);
  // A client sends its filters one after the other.
  const openai = { key: "provider", operator: "eq", value: ["openai"] };
  const ids = { key: "id", operator: "eq", value: [oldest, failed] };
  assert.deepEqual(await listed({ filters: [openai, ids] }), [failed, oldest]);
  assert.deepEqual(await listed({ provider: "openai", success: false, meta_info: true }), [failed]);
  const wrong = { key: "colour", operator: "eq", value: ["red"] };
  await refused(400, listed({ filters: [wrong] }));
  // Cloudflare answers with an object, and the SDK declares a text.
  const [tagged] = await all(api.list("default", { account_id, provider: "anthropic" }));
  assert.deepEqual(tagged.metadata, { team: "blue" });

  const shown = typed(await api.get(newest, at), file, "LogGetResponse");
  assert.equal(shown.request_head, '{"model":"gpt-5"}');
  assert.deepEqual(await api.request(newest, at), { model: "gpt-5" });
  assert.deepEqual(await api.response(newest, at), { choices: [] });
  await refused(404, api.request(oldest, at));
  assert.deepEqual(await api.edit(oldest, { ...at, feedback: 1, metadata: { seen: true } }), {});
  assert.equal((await api.get(oldest, at)).feedback, 1);
  const deleted = await api.delete("default", { account_id, limit: 1, filters: [openai] });
  assert.equal(typed(deleted, file, "LogDeleteResponse").success, true);
  await refused(404, api.get(newest, at));
}

async function tokens() {
  const api = client.accounts.tokens;
  const groups = await all(api.permissionGroups.list({ account_id }));
  const read = groups.find((group) => group.name === "AI Gateway Read").id;
  assert((await api.permissionGroups.get({ account_id })).some((group) => group.id === read));
  const policies = [
    {
      effect: "allow",
      resources: { [`com.cloudflare.api.account.${account_id}`]: "*" },
      permission_groups: [{ id: read }],
    },
  ];
  const made = await api.create({ account_id, name: "node", policies });
  assert(made.value.startsWith("kw_api_"));
  assert((await all(api.list({ account_id }))).some((token) => token.id === made.id));
  assert.equal((await api.get(made.id, { account_id })).name, "node");
  assert.equal((await api.verify({ account_id })).status, "active");
  assert.equal((await api.delete(made.id, { account_id })).id, made.id);
}

async function token_changes() {
  const api = client.accounts.tokens;
  const policies = [
    {
      effect: "allow",
      resources: { [`com.cloudflare.api.account.${account_id}`]: "*" },
      permission_groups: [{ name: "AI Gateway Read" }],
    },
  ];
  const made = await api.create({ account_id, name: "changing", policies });
  assert.equal((await api.update(made.id, { account_id, name: "renamed", policies })).name, "renamed");
  assert.notEqual(await api.value.update(made.id, { account_id, body: {} }), made.value);
}

const parts = { whoami, gateways, gateway_settings, provider_configs, custom_providers, dynamic_routing, logs, secrets, tokens, token_changes };
for (const part of process.argv.slice(2)) await parts[part]();

const not_called = [...known].filter((name) => !called.has(name)).sort();
const told = { called: [...called].sort(), checked, not_called, not_served: [...not_served].sort() };
console.log(JSON.stringify(told));
