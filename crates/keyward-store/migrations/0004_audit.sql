-- What a line of the audit log tells since this schema: from where, with what result, and how often.
--
-- `format` says what the hash of a line covers (keyward-store, audit/line.rs). The lines that are there already
-- keep theirs, so that the chain stays as it was signed.

PRAGMA user_version = 4;

ALTER TABLE audit ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
ALTER TABLE audit ADD COLUMN source TEXT; -- NULL: no address is known, or there is none
ALTER TABLE audit ADD COLUMN result TEXT NOT NULL DEFAULT 'done';
ALTER TABLE audit ADD COLUMN times INTEGER NOT NULL DEFAULT 1;

CREATE INDEX audit_account ON audit (subject_account, seq);

-- What each line of format 2 wrote, row by row: the digest of the row as it was written, NULL where it was
-- removed. `rows_digest` of the line covers them.
CREATE TABLE audit_rows (
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    account TEXT NOT NULL, -- empty: the vault
    id TEXT NOT NULL,
    digest BLOB,
    PRIMARY KEY (seq, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_rows_row ON audit_rows (kind, account, id, seq);

-- What signs checkpoints is derived from this key of the keyring.
CREATE TABLE audit_signer (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    keyring_key INTEGER NOT NULL,
    public_key BLOB NOT NULL
) STRICT;
