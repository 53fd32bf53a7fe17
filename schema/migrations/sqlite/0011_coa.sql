-- Where a NAS takes Disconnect-Request and CoA-Request; NULL is RFC 5176's 3799.

ALTER TABLE mgmt_nas_settings ADD COLUMN coa_port INTEGER;
