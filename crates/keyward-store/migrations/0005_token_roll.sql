-- The text that a roll replaced, while it stays good beside the new one. Under the row's mac.
PRAGMA user_version = 5;

ALTER TABLE tokens ADD COLUMN retiring_digest BLOB;
ALTER TABLE tokens ADD COLUMN retiring_until INTEGER;
CREATE UNIQUE INDEX tokens_retiring_digest ON tokens (retiring_digest);
