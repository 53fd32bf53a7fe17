-- What radpostauth has no room for. Times are milliseconds since 1970.

CREATE TABLE mgmt.mgmt_attempts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms           bigint NOT NULL,
    username        text NOT NULL,
    accepted        boolean NOT NULL,
    reason          text NOT NULL,
    nas_ip          text NOT NULL,
    nas_name        text NOT NULL,
    nas_port        text,
    calling_station text,
    called_station  text
);
CREATE INDEX mgmt_attempts_user ON mgmt.mgmt_attempts (username, id);
CREATE INDEX mgmt_attempts_time ON mgmt.mgmt_attempts (at_ms);

-- Rejects, explained; bounded per user and in all.
CREATE TABLE mgmt.mgmt_traces (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms    bigint NOT NULL,
    username text NOT NULL,
    reason   text NOT NULL,
    nas_ip   text NOT NULL,
    trace    text NOT NULL
);
CREATE INDEX mgmt_traces_user ON mgmt.mgmt_traces (username, id);
CREATE INDEX mgmt_traces_time ON mgmt.mgmt_traces (at_ms);

CREATE TABLE mgmt.mgmt_last_accepts (
    username        text PRIMARY KEY,
    at_ms           bigint NOT NULL,
    nas_ip          text NOT NULL,
    calling_station text,
    trace           text
) WITH (fillfactor = 70);
