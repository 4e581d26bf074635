-- How many requests there were and how long they took, by provider key, class of answer and span of time.
--
-- No row has an authentication code and none stands in the audit log: they are measured and decide nothing. Who can
-- write to this file can make the figures wrong, as with `last_used_at`.
PRAGMA user_version = 6;

CREATE TABLE traffic_series (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    gateway TEXT NOT NULL,
    provider TEXT NOT NULL,
    key TEXT NOT NULL, -- empty: no stored key
    UNIQUE (account, gateway, provider, key)
) STRICT;

-- `span`: 60 or 3600 seconds; `start`: seconds since 1970; `class` and the buckets l0 to l17: keyward-registry,
-- traffic.rs. The sum of the buckets is the number of requests.
CREATE TABLE traffic (
    series INTEGER NOT NULL,
    span INTEGER NOT NULL,
    start INTEGER NOT NULL,
    class INTEGER NOT NULL,
    l0 INTEGER NOT NULL,
    l1 INTEGER NOT NULL,
    l2 INTEGER NOT NULL,
    l3 INTEGER NOT NULL,
    l4 INTEGER NOT NULL,
    l5 INTEGER NOT NULL,
    l6 INTEGER NOT NULL,
    l7 INTEGER NOT NULL,
    l8 INTEGER NOT NULL,
    l9 INTEGER NOT NULL,
    l10 INTEGER NOT NULL,
    l11 INTEGER NOT NULL,
    l12 INTEGER NOT NULL,
    l13 INTEGER NOT NULL,
    l14 INTEGER NOT NULL,
    l15 INTEGER NOT NULL,
    l16 INTEGER NOT NULL,
    l17 INTEGER NOT NULL,
    PRIMARY KEY (series, span, start, class)
) STRICT, WITHOUT ROWID;
CREATE INDEX traffic_start ON traffic (span, start);

-- Up to which moment rows were dropped because there were too many.
CREATE TABLE traffic_dropped (
    span INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;
