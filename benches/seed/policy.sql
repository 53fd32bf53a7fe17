-- :users users, each in one of 20 groups; 1 check, 2 own reply and 3 group reply items. Names and values: src/traffic.rs.
INSERT INTO radcheck (username, attribute, op, value)
SELECT format('user%s', lpad(n::text, 6, '0')), 'Cleartext-Password', ':=', format('secret%s', lpad(n::text, 6, '0'))
FROM generate_series(0, :users - 1) n;

INSERT INTO radreply (username, attribute, op, value)
SELECT format('user%s', lpad(n::text, 6, '0')), item.attribute, item.op, item.value
FROM generate_series(0, :users - 1) n,
LATERAL (VALUES ('Framed-IP-Address', ':=', format('10.%s.%s.%s', n >> 16, (n >> 8) & 255, n & 255)),
                ('Mikrotik-Rate-Limit', '=', format('%sM/%sM', 10 + n % 90, 20 + n % 180))) AS item (attribute, op, value);

INSERT INTO radusergroup (username, groupname, priority)
SELECT format('user%s', lpad(n::text, 6, '0')), format('plan%s', lpad((n % 20)::text, 2, '0')), 1
FROM generate_series(0, :users - 1) n;

INSERT INTO radgroupreply (groupname, attribute, op, value)
SELECT format('plan%s', lpad(n::text, 2, '0')), item.attribute, ':=', item.value
FROM generate_series(0, 19) n,
LATERAL (VALUES ('Framed-Protocol', 'PPP'), ('Acct-Interim-Interval', '300'), ('Session-Timeout', (86400 + n)::text)) AS item (attribute, value);

INSERT INTO nas (nasname, shortname, type, secret) VALUES ('127.0.0.1', 'bench', 'other', :'secret');
