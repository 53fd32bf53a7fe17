-- Who manages. Ids are UUIDv7, times milliseconds since 1970. Of what opens a door only a hash is
-- kept.

-- Roles of the site's own; the built-in ones are no rows. Permissions are a JSON list of names.
CREATE TABLE mgmt.mgmt_roles (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    folded      text NOT NULL UNIQUE,
    description text NOT NULL,
    permissions text NOT NULL
);

-- `role` is a built-in role's name or the id of one of the site's own.
CREATE TABLE mgmt.mgmt_operators (
    id            text PRIMARY KEY,
    name          text NOT NULL,
    folded        text NOT NULL UNIQUE,
    full_name     text NOT NULL,
    email         text NOT NULL,
    role          text NOT NULL,
    disabled      boolean NOT NULL,
    must_change   boolean NOT NULL,
    password_hash text,
    password_ms   bigint NOT NULL,
    created_ms    bigint NOT NULL,
    last_login_ms bigint
);
CREATE INDEX mgmt_operators_role ON mgmt.mgmt_operators (role);

-- A browser that has signed in.
CREATE TABLE mgmt.mgmt_logins (
    id          text PRIMARY KEY,
    operator_id text NOT NULL REFERENCES mgmt.mgmt_operators (id) ON DELETE CASCADE,
    secret_hash text NOT NULL UNIQUE,
    created_ms  bigint NOT NULL,
    seen_ms     bigint NOT NULL,
    expires_ms  bigint NOT NULL,
    source      text NOT NULL,
    agent       text NOT NULL
);
CREATE INDEX mgmt_logins_operator ON mgmt.mgmt_logins (operator_id, id);
CREATE INDEX mgmt_logins_seen ON mgmt.mgmt_logins (seen_ms);

-- A program's way in: what its operator may do, and of that only `scopes`, a JSON list.
CREATE TABLE mgmt.mgmt_tokens (
    id          text PRIMARY KEY,
    operator_id text NOT NULL REFERENCES mgmt.mgmt_operators (id) ON DELETE CASCADE,
    name        text NOT NULL,
    secret_hash text NOT NULL UNIQUE,
    scopes      text NOT NULL,
    created_ms  bigint NOT NULL,
    expires_ms  bigint NOT NULL,
    used_ms     bigint
);
CREATE INDEX mgmt_tokens_operator ON mgmt.mgmt_tokens (operator_id);
