-- How packets of a NAS must look; beside FreeRADIUS's `nas`, which has no column for it.

-- Of a row there, by its id. What is not here is left to what the NAS shows.
CREATE TABLE mgmt_nas_settings (
    nas_id                        INTEGER PRIMARY KEY,
    require_message_authenticator TEXT NOT NULL,
    limit_proxy_state             TEXT NOT NULL
);

-- NAS without a fixed address, known by NAS-Identifier.
CREATE TABLE mgmt_nas_named (
    identifier        TEXT PRIMARY KEY,
    shortname         TEXT NOT NULL,
    type              TEXT NOT NULL,
    secret            TEXT NOT NULL,
    description       TEXT,
    limit_proxy_state TEXT NOT NULL
);
