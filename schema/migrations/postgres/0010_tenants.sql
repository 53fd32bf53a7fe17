-- Tenants: resellers, sites. What stands in FreeRADIUS's tables has at most one owner, kept here
-- beside them; an operator of a tenant sees and touches what the tenant owns and nothing else.

CREATE TABLE mgmt.mgmt_tenants (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    folded      text NOT NULL UNIQUE,
    description text NOT NULL
);

-- `kind` says what `name` names: `user`, `group` and `pool` by name, `nas` by the id of its row,
-- `named-nas` by NAS-Identifier. What is not here belongs to no tenant.
CREATE TABLE mgmt.mgmt_owners (
    kind      text NOT NULL,
    name      text NOT NULL,
    tenant_id text NOT NULL REFERENCES mgmt.mgmt_tenants (id),
    PRIMARY KEY (kind, name)
);
CREATE INDEX mgmt_owners_tenant ON mgmt.mgmt_owners (tenant_id, kind, name);

-- NULL: of no tenant, everything is his.
ALTER TABLE mgmt.mgmt_operators ADD COLUMN tenant_id text REFERENCES mgmt.mgmt_tenants (id);
CREATE INDEX mgmt_operators_tenant ON mgmt.mgmt_operators (tenant_id);
