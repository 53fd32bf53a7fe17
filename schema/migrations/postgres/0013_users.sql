-- What is known of users beside FreeRADIUS's tables. Nothing here decides a packet. A user whom
-- another program has made gets his row when he is next looked for.

CREATE TABLE mgmt.mgmt_users (
    -- In the order in which they were first seen.
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username   text NOT NULL UNIQUE,
    -- In lower case; compared by octets on both engines.
    folded     text COLLATE "C" NOT NULL,
    full_name  text NOT NULL,
    company    text NOT NULL,
    email      text NOT NULL,
    phone      text NOT NULL,
    -- A JSON object of texts.
    custom     text NOT NULL,
    -- Encrypted with a key that is not in the store.
    notes      text,
    address    text,
    -- All that is searched, in lower case.
    searched   text NOT NULL,
    created_ms bigint NOT NULL
);
CREATE INDEX mgmt_users_folded ON mgmt.mgmt_users (folded);

CREATE TABLE mgmt.mgmt_user_tags (
    tag      text COLLATE "C" NOT NULL,
    username text NOT NULL REFERENCES mgmt.mgmt_users (username) ON DELETE CASCADE,
    PRIMARY KEY (tag, username)
);
CREATE INDEX mgmt_user_tags_user ON mgmt.mgmt_user_tags (username);

-- A part of a name is found by its three-letter parts where that can be had.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX mgmt_users_searched ON mgmt.mgmt_users USING gin (searched gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    NULL;
END $$;

-- Requests that made something, by the key their caller gave them: sent again, they make nothing.
CREATE TABLE mgmt.mgmt_requests (
    operator_id text NOT NULL REFERENCES mgmt.mgmt_operators (id) ON DELETE CASCADE,
    key         text NOT NULL,
    hash        text NOT NULL,
    made        text NOT NULL,
    at_ms       bigint NOT NULL,
    PRIMARY KEY (operator_id, key)
);
CREATE INDEX mgmt_requests_time ON mgmt.mgmt_requests (at_ms);
