-- Who manages. Ids are UUIDv7, times milliseconds since 1970. Of what opens a door only a hash is
-- kept.

-- Roles of the site's own; the built-in ones are no rows. Permissions are a JSON list of names.
CREATE TABLE mgmt_roles (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    folded      TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    permissions TEXT NOT NULL
);

-- `role` is a built-in role's name or the id of one of the site's own.
CREATE TABLE mgmt_operators (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    folded        TEXT NOT NULL UNIQUE,
    full_name     TEXT NOT NULL,
    email         TEXT NOT NULL,
    role          TEXT NOT NULL,
    disabled      INTEGER NOT NULL,
    must_change   INTEGER NOT NULL,
    password_hash TEXT,
    password_ms   INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL,
    last_login_ms INTEGER
);
CREATE INDEX mgmt_operators_role ON mgmt_operators (role);

-- A browser that has signed in.
CREATE TABLE mgmt_logins (
    id          TEXT PRIMARY KEY,
    operator_id TEXT NOT NULL REFERENCES mgmt_operators (id) ON DELETE CASCADE,
    secret_hash TEXT NOT NULL UNIQUE,
    created_ms  INTEGER NOT NULL,
    seen_ms     INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    source      TEXT NOT NULL,
    agent       TEXT NOT NULL
);
CREATE INDEX mgmt_logins_operator ON mgmt_logins (operator_id, id);
CREATE INDEX mgmt_logins_seen ON mgmt_logins (seen_ms);

-- A program's way in: what its operator may do, and of that only `scopes`, a JSON list.
CREATE TABLE mgmt_tokens (
    id          TEXT PRIMARY KEY,
    operator_id TEXT NOT NULL REFERENCES mgmt_operators (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    scopes      TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    used_ms     INTEGER
);
CREATE INDEX mgmt_tokens_operator ON mgmt_tokens (operator_id);
