-- What people changed: one row in the transaction of each change. Each row is sealed by an HMAC
-- over its number, the seal before it and a hash of the rest, with a key that is not in the store.

CREATE TABLE mgmt.mgmt_audit (
    sequence      bigint PRIMARY KEY,
    at_ms         bigint NOT NULL,
    operator_id   text,
    operator_name text NOT NULL,
    -- How the operator was known: a login, a token by its name, the command line.
    means         text NOT NULL,
    source        text NOT NULL,
    action        text NOT NULL,
    object_id     text NOT NULL,
    object_name   text NOT NULL,
    -- JSON: before and after, secrets masked.
    detail        text NOT NULL,
    hash          text NOT NULL,
    key_id        text NOT NULL,
    seal          text NOT NULL
);
CREATE INDEX mgmt_audit_operator ON mgmt.mgmt_audit (operator_name, sequence);
CREATE INDEX mgmt_audit_object ON mgmt.mgmt_audit (object_name, sequence);
CREATE INDEX mgmt_audit_action ON mgmt.mgmt_audit (action, sequence);
CREATE INDEX mgmt_audit_time ON mgmt.mgmt_audit (at_ms);
