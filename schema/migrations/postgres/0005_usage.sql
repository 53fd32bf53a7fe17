-- What was used, by user, NAS, Called-Station-Id and hour: kept with each row of radacct, so that
-- nobody has to add those up. Hours are seconds since 1970, each the beginning of one. The hour is
-- first in the key: what is written is together then, however many hours of before there are.

CREATE TABLE mgmt.mgmt_usage (
    username        text NOT NULL,
    hour            bigint NOT NULL,
    nasipaddress    text NOT NULL,
    calledstationid text NOT NULL,
    input_octets    bigint NOT NULL,
    output_octets   bigint NOT NULL,
    session_seconds bigint NOT NULL,
    -- Sessions that began in this hour.
    sessions        bigint NOT NULL,
    PRIMARY KEY (hour, username, nasipaddress, calledstationid)
) WITH (fillfactor = 70);

-- Sessions with a radacctid above `upto` are counted by who writes them. The others were there
-- before: a job counts them, up to `filled`; who writes one of those it has counted, counts it on.
CREATE TABLE mgmt.mgmt_usage_state (
    id          integer PRIMARY KEY CHECK (id = 1),
    upto        bigint NOT NULL,
    filled      bigint NOT NULL,
    -- No session in the archive ended later.
    archived_to bigint NOT NULL
);
INSERT INTO mgmt.mgmt_usage_state VALUES (1, 9223372036854775807, 0, 0);
