-- The second factor of an operator: a one-time-password app. The secret is encrypted with a key
-- that is not in the store; of recovery codes, each good once, only hashes are kept, a JSON list.

CREATE TABLE mgmt.mgmt_factors (
    operator_id text PRIMARY KEY REFERENCES mgmt.mgmt_operators (id) ON DELETE CASCADE,
    sealed      text NOT NULL,
    -- A code of it was shown once; until then it asks nobody for one.
    confirmed   boolean NOT NULL,
    -- No code of this step or an earlier one is taken again.
    last_step   bigint NOT NULL,
    recovery    text NOT NULL,
    created_ms  bigint NOT NULL
);
