-- Which models a token is for. Under the row's mac where it is not NULL: rows that are older keep their codes.
PRAGMA user_version = 8;

ALTER TABLE tokens ADD COLUMN models TEXT; -- NULL: every model
