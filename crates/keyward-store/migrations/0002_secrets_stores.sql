-- Secrets stand in stores. The store that an account begins with has an id that follows from the account's, so
-- that secrets which are older than stores are in it: their column is NULL, and their codes stay good.

PRAGMA user_version = 2;

CREATE TABLE secrets_stores (
    account TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (account, id)
) STRICT;

ALTER TABLE secrets ADD COLUMN store TEXT; -- NULL: the store that the account began with
