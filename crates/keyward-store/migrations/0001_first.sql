-- Times are whole milliseconds since 1970; ids are text in the form that people see; lists are JSON.
-- `revision` and `mac` authenticate a row that decides: see keyward-registry, row_mac.rs.

PRAGMA application_id = 1264013892; -- "KWRD"
PRAGMA user_version = 1;

CREATE TABLE revision (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO revision (one, value) VALUES (1, 0);

CREATE TABLE vault_meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    vault TEXT NOT NULL,
    keyring BLOB NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE slots (
    position INTEGER PRIMARY KEY,
    slot BLOB NOT NULL
) STRICT;

CREATE TABLE accounts (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE gateways (
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (account, id)
) STRICT;

CREATE TABLE secrets (
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    comment TEXT NOT NULL,
    scopes TEXT NOT NULL,
    current INTEGER,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (account, id)
) STRICT;

CREATE TABLE secret_versions (
    account TEXT NOT NULL,
    secret TEXT NOT NULL,
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    sealed BLOB, -- NULL once the version is destroyed
    preview TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (account, secret, number),
    FOREIGN KEY (account, secret) REFERENCES secrets (account, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE provider_keys (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    gateway TEXT NOT NULL,
    provider TEXT NOT NULL,
    alias TEXT NOT NULL,
    secret TEXT NOT NULL,
    default_config INTEGER NOT NULL,
    rate_limit INTEGER,
    rate_limit_period INTEGER,
    disabled_at INTEGER,
    expires_at INTEGER,
    status TEXT NOT NULL,
    status_reason TEXT,
    status_since INTEGER,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    evidence TEXT,        -- not under the mac: measured, decides nothing
    last_used_at INTEGER, -- the same
    UNIQUE (account, gateway, provider, alias)
) STRICT;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    permissions TEXT NOT NULL,
    gateways TEXT,  -- NULL: every one
    providers TEXT, -- the same
    aliases TEXT,   -- the same
    classes INTEGER NOT NULL,
    networks_allow TEXT NOT NULL,
    networks_deny TEXT NOT NULL,
    not_before INTEGER,
    expires_at INTEGER,
    disabled INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    last_used_at INTEGER -- not under the mac
) STRICT;

-- The change feed keeps the newest revision of each subject, so it grows with what exists and not with time.
CREATE TABLE feed (
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (kind, account, id)
) STRICT;
CREATE INDEX feed_revision ON feed (revision);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_account TEXT, -- NULL: the vault, which serves every account
    subject_id TEXT NOT NULL,
    rows_digest BLOB NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
