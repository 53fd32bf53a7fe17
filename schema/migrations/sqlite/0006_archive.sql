-- Sessions that ended long ago, out of radacct's way: its columns, the session's marks beside them.
-- Times are seconds since 1970, addresses as PostgreSQL prints them. On PostgreSQL in a partition
-- for each month.

CREATE TABLE mgmt_radacct_archive (
    radacctid           INTEGER NOT NULL,
    acctsessionid       TEXT NOT NULL,
    acctuniqueid        TEXT NOT NULL,
    username            TEXT,
    realm               TEXT,
    nasipaddress        TEXT NOT NULL,
    nasportid           TEXT,
    nasporttype         TEXT,
    acctstarttime       INTEGER,
    acctupdatetime      INTEGER,
    acctstoptime        INTEGER NOT NULL,
    acctinterval        INTEGER,
    acctsessiontime     INTEGER,
    acctauthentic       TEXT,
    connectinfo_start   TEXT,
    connectinfo_stop    TEXT,
    acctinputoctets     INTEGER,
    acctoutputoctets    INTEGER,
    calledstationid     TEXT,
    callingstationid    TEXT,
    acctterminatecause  TEXT,
    servicetype         TEXT,
    framedprotocol      TEXT,
    framedipaddress     TEXT,
    framedipv6address   TEXT,
    framedipv6prefix    TEXT,
    framedinterfaceid   TEXT,
    delegatedipv6prefix TEXT,
    class               TEXT,
    marks               TEXT,
    PRIMARY KEY (radacctid, acctstoptime)
) WITHOUT ROWID;
CREATE INDEX mgmt_radacct_archive_id ON mgmt_radacct_archive (acctuniqueid);
CREATE INDEX mgmt_radacct_archive_user ON mgmt_radacct_archive (username, acctstarttime);
