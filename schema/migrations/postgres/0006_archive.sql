-- Sessions that ended long ago, out of radacct's way: its columns, the session's marks beside them.
-- Times are seconds since 1970, addresses as PostgreSQL prints them. The job makes a partition for
-- each month.

CREATE TABLE mgmt.mgmt_radacct_archive (
    radacctid           bigint NOT NULL,
    acctsessionid       text NOT NULL,
    acctuniqueid        text NOT NULL,
    username            text,
    realm               text,
    nasipaddress        text NOT NULL,
    nasportid           text,
    nasporttype         text,
    acctstarttime       bigint,
    acctupdatetime      bigint,
    acctstoptime        bigint NOT NULL,
    acctinterval        bigint,
    acctsessiontime     bigint,
    acctauthentic       text,
    connectinfo_start   text,
    connectinfo_stop    text,
    acctinputoctets     bigint,
    acctoutputoctets    bigint,
    calledstationid     text,
    callingstationid    text,
    acctterminatecause  text,
    servicetype         text,
    framedprotocol      text,
    framedipaddress     text,
    framedipv6address   text,
    framedipv6prefix    text,
    framedinterfaceid   text,
    delegatedipv6prefix text,
    class               text,
    marks               text,
    PRIMARY KEY (radacctid, acctstoptime)
) PARTITION BY RANGE (acctstoptime);
CREATE INDEX mgmt_radacct_archive_id ON mgmt.mgmt_radacct_archive (acctuniqueid);
CREATE INDEX mgmt_radacct_archive_user ON mgmt.mgmt_radacct_archive (username, acctstarttime);
