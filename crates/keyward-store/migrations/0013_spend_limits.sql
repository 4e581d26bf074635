-- How much may be spent with a provider key, and with a token: JSON, as gateways have it in their settings. Under the row's mac
-- where it is not NULL: rows that are older keep their codes.
PRAGMA user_version = 13;

ALTER TABLE provider_keys ADD COLUMN spend_limits TEXT; -- NULL: no limits
ALTER TABLE tokens ADD COLUMN spend_limits TEXT; -- NULL: no limits
