-- What a row of radacct does not tell of its session. Times are seconds since 1970, as there.

CREATE TABLE mgmt_session_marks (
    acctuniqueid TEXT PRIMARY KEY,
    state        TEXT NOT NULL,
    changed_at   INTEGER NOT NULL
) WITHOUT ROWID;

-- Earlier sessions under an id that their NAS has used again.
CREATE TABLE mgmt_session_reuse (
    acctuniqueid TEXT PRIMARY KEY,
    plain_id     TEXT NOT NULL,
    start        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX mgmt_session_reuse_plain ON mgmt_session_reuse (plain_id, start);
CREATE INDEX mgmt_session_reuse_start ON mgmt_session_reuse (start);

-- Accounting-On and Accounting-Off: sessions of the NAS ended by then.
CREATE TABLE mgmt_nas_reboots (
    nasipaddress TEXT NOT NULL,
    at           INTEGER NOT NULL,
    off          INTEGER NOT NULL,
    cause        TEXT,
    PRIMARY KEY (nasipaddress, at, off)
) WITHOUT ROWID;
