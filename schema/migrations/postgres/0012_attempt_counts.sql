-- Attempts by five minutes, so that a chart of them reads no attempt. They follow their user's owner,
-- else their NAS's, as it was then; '' is nobody.

CREATE TABLE mgmt.mgmt_attempt_counts (
    bucket_ms bigint NOT NULL,
    tenant_id text NOT NULL,
    -- '' counts accepts.
    reason    text NOT NULL,
    count     bigint NOT NULL,
    PRIMARY KEY (bucket_ms, tenant_id, reason)
);
