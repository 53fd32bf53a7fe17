-- Tenants: resellers, sites. What stands in FreeRADIUS's tables has at most one owner, kept here
-- beside them; an operator of a tenant sees and touches what the tenant owns and nothing else.

CREATE TABLE mgmt_tenants (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    folded      TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL
);

-- `kind` says what `name` names: `user`, `group` and `pool` by name, `nas` by the id of its row,
-- `named-nas` by NAS-Identifier. What is not here belongs to no tenant.
CREATE TABLE mgmt_owners (
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES mgmt_tenants (id),
    PRIMARY KEY (kind, name)
);
CREATE INDEX mgmt_owners_tenant ON mgmt_owners (tenant_id, kind, name);

-- NULL: of no tenant, everything is his.
ALTER TABLE mgmt_operators ADD COLUMN tenant_id TEXT REFERENCES mgmt_tenants (id);
CREATE INDEX mgmt_operators_tenant ON mgmt_operators (tenant_id);
