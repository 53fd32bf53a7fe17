-- What is known of users beside FreeRADIUS's tables. Nothing here decides a packet. A user whom
-- another program has made gets his row when he is next looked for.

CREATE TABLE mgmt_users (
    -- In the order in which they were first seen.
    id         INTEGER PRIMARY KEY,
    username   TEXT NOT NULL UNIQUE,
    -- In lower case; compared by octets on both engines.
    folded     TEXT NOT NULL,
    full_name  TEXT NOT NULL,
    company    TEXT NOT NULL,
    email      TEXT NOT NULL,
    phone      TEXT NOT NULL,
    -- A JSON object of texts.
    custom     TEXT NOT NULL,
    -- Encrypted with a key that is not in the store.
    notes      TEXT,
    address    TEXT,
    -- All that is searched, in lower case.
    searched   TEXT NOT NULL,
    created_ms INTEGER NOT NULL
);
CREATE INDEX mgmt_users_folded ON mgmt_users (folded);

CREATE TABLE mgmt_user_tags (
    tag      TEXT NOT NULL,
    username TEXT NOT NULL REFERENCES mgmt_users (username) ON DELETE CASCADE,
    PRIMARY KEY (tag, username)
);
CREATE INDEX mgmt_user_tags_user ON mgmt_user_tags (username);

-- A part of a name is found by its three-letter parts.
CREATE VIRTUAL TABLE mgmt_users_searched USING fts5(
    searched, content = 'mgmt_users', content_rowid = 'id', tokenize = 'trigram', detail = 'none'
);
CREATE TRIGGER mgmt_users_searched_insert AFTER INSERT ON mgmt_users BEGIN
    INSERT INTO mgmt_users_searched (rowid, searched) VALUES (new.id, new.searched);
END;
CREATE TRIGGER mgmt_users_searched_delete AFTER DELETE ON mgmt_users BEGIN
    INSERT INTO mgmt_users_searched (mgmt_users_searched, rowid, searched)
    VALUES ('delete', old.id, old.searched);
END;
CREATE TRIGGER mgmt_users_searched_update AFTER UPDATE OF searched ON mgmt_users BEGIN
    INSERT INTO mgmt_users_searched (mgmt_users_searched, rowid, searched)
    VALUES ('delete', old.id, old.searched);
    INSERT INTO mgmt_users_searched (rowid, searched) VALUES (new.id, new.searched);
END;

-- Requests that made something, by the key their caller gave them: sent again, they make nothing.
CREATE TABLE mgmt_requests (
    operator_id TEXT NOT NULL REFERENCES mgmt_operators (id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    hash        TEXT NOT NULL,
    made        TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (operator_id, key)
);
CREATE INDEX mgmt_requests_time ON mgmt_requests (at_ms);
