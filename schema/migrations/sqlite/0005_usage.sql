-- What was used, by user, NAS, Called-Station-Id and hour: kept with each row of radacct, so that
-- nobody has to add those up. Hours are seconds since 1970, each the beginning of one. The hour is
-- first in the key: what is written is together then, however many hours of before there are.

CREATE TABLE mgmt_usage (
    username        TEXT NOT NULL,
    hour            INTEGER NOT NULL,
    nasipaddress    TEXT NOT NULL,
    calledstationid TEXT NOT NULL,
    -- A sum that overflows would become a REAL.
    input_octets    INTEGER NOT NULL CHECK (typeof(input_octets) = 'integer'),
    output_octets   INTEGER NOT NULL CHECK (typeof(output_octets) = 'integer'),
    session_seconds INTEGER NOT NULL CHECK (typeof(session_seconds) = 'integer'),
    -- Sessions that began in this hour.
    sessions        INTEGER NOT NULL,
    PRIMARY KEY (hour, username, nasipaddress, calledstationid)
) WITHOUT ROWID;

-- Sessions with a radacctid above `upto` are counted by who writes them. The others were there
-- before: a job counts them, up to `filled`; who writes one of those it has counted, counts it on.
CREATE TABLE mgmt_usage_state (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    upto        INTEGER NOT NULL,
    filled      INTEGER NOT NULL,
    -- No session in the archive ended later.
    archived_to INTEGER NOT NULL
);
INSERT INTO mgmt_usage_state VALUES (1, 9223372036854775807, 0, 0);
