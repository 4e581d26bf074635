-- The last rotation of each secret, and what else is kept of a key's life.
PRAGMA user_version = 7;

CREATE TABLE rotations (
    account TEXT NOT NULL,
    secret TEXT NOT NULL,
    request TEXT NOT NULL,
    from_version INTEGER, -- NULL: the secret had no value
    to_version INTEGER NOT NULL,
    overlap INTEGER NOT NULL, -- milliseconds
    verify INTEGER NOT NULL,
    phase TEXT NOT NULL,
    phase_since INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    reason TEXT,
    reason_charge TEXT,
    reason_code INTEGER,
    attempts INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (account, secret),
    FOREIGN KEY (account, secret) REFERENCES secrets (account, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- Under the row's mac where they are not NULL: rows that are older keep their codes.
ALTER TABLE provider_keys ADD COLUMN status_code INTEGER;
ALTER TABLE provider_keys ADD COLUMN expires_action TEXT; -- NULL: stop

-- Those that a rotation keeps beside a current version, so that a start reads no others.
CREATE INDEX secret_versions_beside ON secret_versions (state) WHERE state IN ('staged', 'retiring');
