-- Attempts by five minutes, so that a chart of them reads no attempt. They follow their user's owner,
-- else their NAS's, as it was then; '' is nobody.

CREATE TABLE mgmt_attempt_counts (
    bucket_ms INTEGER NOT NULL,
    tenant_id TEXT NOT NULL,
    -- '' counts accepts.
    reason    TEXT NOT NULL,
    count     INTEGER NOT NULL,
    PRIMARY KEY (bucket_ms, tenant_id, reason)
) WITHOUT ROWID;
