-- :rows sessions of the last 90 days, one in :open_every still open; as loaded by an import, indexes made after the rows.
DROP INDEX IF EXISTS radacct_active_session_idx, radacct_bulk_close, radacct_start_user_idx, radacct_calss_idx;
ALTER TABLE radacct DROP CONSTRAINT radacct_acctuniqueid_key;
INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, nasportid, nasporttype, acctstarttime, acctupdatetime, acctstoptime,
    acctinterval, acctsessiontime, acctauthentic, connectinfo_start, connectinfo_stop, acctinputoctets, acctoutputoctets, calledstationid,
    callingstationid, acctterminatecause, servicetype, framedprotocol, framedipaddress)
SELECT format('seed-%s', lpad(n::text, 9, '0')), md5('seed' || n), format('user%s', lpad((n * 7919 % 100000)::text, 6, '0')),
    ('10.255.0.' || n % 200)::inet, format('ae1.demux.3221225472:%s', lpad((n % 100000)::text, 6, '0')), 'Ethernet',
    now() - age, now() - age + length, CASE WHEN n % :open_every <> 0 THEN now() - age + length END, 300, extract(epoch FROM length)::bigint, 'RADIUS',
    '1000000000/1000000000', CASE WHEN n % :open_every <> 0 THEN '1000000000/1000000000' END, n::bigint * 31 % 4000000000, n::bigint * 977 % 40000000000, 'internet',
    format('02-00-00-%s', lpad((n % 100000)::text, 6, '0')), CASE WHEN n % :open_every <> 0 THEN 'User-Request' END, 'Framed-User', 'PPP',
    ('10.' || (n >> 16) % 256 || '.' || (n >> 8) % 256 || '.' || n % 256)::inet
FROM generate_series(1, :rows) n,
LATERAL (SELECT make_interval(secs => 7776000.0 * (:rows - n) / :rows + 7200) AS age, make_interval(secs => 300 * (1 + n % 20)) AS length) times;
ALTER TABLE radacct ADD CONSTRAINT radacct_acctuniqueid_key UNIQUE (acctuniqueid);
CREATE INDEX radacct_active_session_idx ON radacct (acctuniqueid) WHERE acctstoptime IS NULL;
CREATE INDEX radacct_bulk_close ON radacct (nasipaddress, acctstarttime) WHERE acctstoptime IS NULL;
CREATE INDEX radacct_start_user_idx ON radacct (acctstarttime, username);
CREATE INDEX radacct_calss_idx ON radacct (class);
