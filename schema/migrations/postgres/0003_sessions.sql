-- What a row of radacct does not tell of its session. Times are seconds since 1970, as there.

CREATE TABLE mgmt.mgmt_session_marks (
    acctuniqueid text PRIMARY KEY,
    state        text NOT NULL,
    changed_at   bigint NOT NULL
) WITH (fillfactor = 70);

-- Earlier sessions under an id that their NAS has used again.
CREATE TABLE mgmt.mgmt_session_reuse (
    acctuniqueid text PRIMARY KEY,
    plain_id     text NOT NULL,
    start        bigint NOT NULL
);
CREATE INDEX mgmt_session_reuse_plain ON mgmt.mgmt_session_reuse (plain_id, start);
CREATE INDEX mgmt_session_reuse_start ON mgmt.mgmt_session_reuse (start);

-- Accounting-On and Accounting-Off: sessions of the NAS ended by then.
CREATE TABLE mgmt.mgmt_nas_reboots (
    nasipaddress text NOT NULL,
    at           bigint NOT NULL,
    off          boolean NOT NULL,
    cause        text,
    PRIMARY KEY (nasipaddress, at, off)
);
