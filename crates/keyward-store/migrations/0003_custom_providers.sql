-- Custom providers: upstream APIs that an operator adds to an account.

CREATE TABLE custom_providers (
    id TEXT PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    slug TEXT NOT NULL, -- without `custom-`
    base_url TEXT NOT NULL,
    placement TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    details TEXT NOT NULL,
    headers BLOB, -- sealed; NULL: none
    headers_number INTEGER,
    headers_masks TEXT,
    headers_sealed INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL,
    UNIQUE (account, slug)
) STRICT;
