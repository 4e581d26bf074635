-- What is told of each request: keyward-registry, log.rs.
--
-- No row has an authentication code and none stands in the audit log: they tell and decide nothing. Who can write to this
-- file can make the log wrong, as with `last_used_at`.
PRAGMA user_version = 10;

-- Gateways of which there are entries, and how many.
CREATE TABLE log_scope (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    gateway TEXT NOT NULL,
    entries INTEGER NOT NULL,
    UNIQUE (account, gateway)
) STRICT;

-- Texts that many entries share. Rows are never removed: what stands in `log` would lose its text. So there are 10,000 at
-- most; texts beyond stand in `log` itself.
CREATE TABLE log_name (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- ANY: the number of a text in `log_name`, or its bytes as a BLOB where that was full. `id`: the UUIDv7, whose first 48 bits
-- are the milliseconds of the request, so that the newest of a gateway stand together. `event_id`: NULL where it is the
-- same. `cost`: billionths of a dollar. `duration`: milliseconds. `feedback` and `score`: hundredths. `metadata`: a JSON
-- array of arrays of name, kind (t, n, b) and text.
CREATE TABLE log (
    scope INTEGER NOT NULL,
    id BLOB NOT NULL,
    event_id TEXT,
    provider ANY NOT NULL,
    model ANY,
    path ANY NOT NULL,
    request_content_type ANY,
    response_content_type ANY,
    status INTEGER,
    success INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    step INTEGER,
    input INTEGER,
    cache_read INTEGER,
    cache_write INTEGER,
    cache_write_hour INTEGER,
    output INTEGER,
    reasoning INTEGER,
    cost INTEGER,
    custom_cost INTEGER NOT NULL,
    metadata TEXT,
    provider_key ANY,
    token ANY,
    user_agent ANY,
    authentication INTEGER NOT NULL,
    byok INTEGER NOT NULL,
    compat INTEGER NOT NULL,
    error_code INTEGER,
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    feedback INTEGER,
    score INTEGER,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_provider ON log (scope, provider, id);
CREATE INDEX log_model ON log (scope, model, id);
CREATE INDEX log_status ON log (scope, status, id);
-- What failed is what is looked for most, and is little.
CREATE INDEX log_failed ON log (scope, id) WHERE success = 0;

-- Bodies, of gateways that keep them. With rowids: they are long.
CREATE TABLE log_body (
    scope INTEGER NOT NULL,
    id BLOB NOT NULL,
    request BLOB,
    response BLOB,
    UNIQUE (scope, id)
) STRICT;
