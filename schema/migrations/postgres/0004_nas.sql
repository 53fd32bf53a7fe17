-- How packets of a NAS must look; beside FreeRADIUS's `nas`, which has no column for it.

-- Of a row there, by its id. What is not here is left to what the NAS shows.
CREATE TABLE mgmt.mgmt_nas_settings (
    nas_id                        bigint PRIMARY KEY,
    require_message_authenticator text NOT NULL,
    limit_proxy_state             text NOT NULL
);

-- NAS without a fixed address, known by NAS-Identifier.
CREATE TABLE mgmt.mgmt_nas_named (
    identifier        text PRIMARY KEY,
    shortname         text NOT NULL,
    type              text NOT NULL,
    secret            text NOT NULL,
    description       text,
    limit_proxy_state text NOT NULL
);
