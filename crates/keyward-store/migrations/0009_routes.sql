-- Dynamic routes, the versions of their elements, and which of them was deployed when.
PRAGMA user_version = 9;

CREATE TABLE routes (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    gateway TEXT NOT NULL,
    name TEXT NOT NULL,
    deployed TEXT NOT NULL, -- the id of a version
    versions INTEGER NOT NULL, -- the number of the newest
    deployments INTEGER NOT NULL, -- the number of the newest
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    UNIQUE (account, gateway, name)
) STRICT;

-- Rows are never changed.
CREATE TABLE route_versions (
    account TEXT NOT NULL,
    route TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    elements TEXT NOT NULL, -- JSON
    comment TEXT,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (account, route, number)
) STRICT;
CREATE UNIQUE INDEX route_versions_id ON route_versions (account, route, id);

-- Rows are never changed.
CREATE TABLE route_deployments (
    account TEXT NOT NULL,
    route TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL, -- the id of one that may be gone
    comment TEXT,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (account, route, number)
) STRICT;
