-- What people changed: one row in the transaction of each change. Each row is sealed by an HMAC
-- over its number, the seal before it and a hash of the rest, with a key that is not in the store.

CREATE TABLE mgmt_audit (
    sequence      INTEGER PRIMARY KEY,
    at_ms         INTEGER NOT NULL,
    operator_id   TEXT,
    operator_name TEXT NOT NULL,
    -- How the operator was known: a login, a token by its name, the command line.
    means         TEXT NOT NULL,
    source        TEXT NOT NULL,
    action        TEXT NOT NULL,
    object_id     TEXT NOT NULL,
    object_name   TEXT NOT NULL,
    -- JSON: before and after, secrets masked.
    detail        TEXT NOT NULL,
    hash          TEXT NOT NULL,
    key_id        TEXT NOT NULL,
    seal          TEXT NOT NULL
);
CREATE INDEX mgmt_audit_operator ON mgmt_audit (operator_name, sequence);
CREATE INDEX mgmt_audit_object ON mgmt_audit (object_name, sequence);
CREATE INDEX mgmt_audit_action ON mgmt_audit (action, sequence);
CREATE INDEX mgmt_audit_time ON mgmt_audit (at_ms);
