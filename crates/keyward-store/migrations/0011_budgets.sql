-- What was spent of budgets that are counted in memory, for the next start.
--
-- No row has an authentication code and none stands in the audit log: they are measured, every second. Who can write to this
-- file can free a budget, or use it up.
PRAGMA user_version = 11;

-- `counter`: a keyed digest of what is limited and of the value by which it is counted apart. `span`: the code of the window.
-- Amounts are billionths of a US dollar; times are milliseconds since 1970. `past_at`: from when on nothing of it matters.
CREATE TABLE budgets (
    counter BLOB PRIMARY KEY,
    span TEXT NOT NULL,
    number INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    spent_before INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    reserved_before INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    past_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX budgets_past ON budgets (past_at);
