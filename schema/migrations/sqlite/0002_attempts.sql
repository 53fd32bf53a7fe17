-- What radpostauth has no room for. Times are milliseconds since 1970.

CREATE TABLE mgmt_attempts (
    id              INTEGER PRIMARY KEY,
    at_ms           INTEGER NOT NULL,
    username        TEXT NOT NULL,
    accepted        INTEGER NOT NULL,
    reason          TEXT NOT NULL,
    nas_ip          TEXT NOT NULL,
    nas_name        TEXT NOT NULL,
    nas_port        TEXT,
    calling_station TEXT,
    called_station  TEXT
);
CREATE INDEX mgmt_attempts_user ON mgmt_attempts (username, id);
CREATE INDEX mgmt_attempts_time ON mgmt_attempts (at_ms);

-- Rejects, explained; bounded per user and in all.
CREATE TABLE mgmt_traces (
    id       INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    username TEXT NOT NULL,
    reason   TEXT NOT NULL,
    nas_ip   TEXT NOT NULL,
    trace    TEXT NOT NULL
);
CREATE INDEX mgmt_traces_user ON mgmt_traces (username, id);
CREATE INDEX mgmt_traces_time ON mgmt_traces (at_ms);

CREATE TABLE mgmt_last_accepts (
    username        TEXT PRIMARY KEY,
    at_ms           INTEGER NOT NULL,
    nas_ip          TEXT NOT NULL,
    calling_station TEXT,
    trace           TEXT
) WITHOUT ROWID;
