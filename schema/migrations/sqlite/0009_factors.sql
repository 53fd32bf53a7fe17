-- The second factor of an operator: a one-time-password app. The secret is encrypted with a key
-- that is not in the store; of recovery codes, each good once, only hashes are kept, a JSON list.

CREATE TABLE mgmt_factors (
    operator_id TEXT PRIMARY KEY REFERENCES mgmt_operators (id) ON DELETE CASCADE,
    sealed      TEXT NOT NULL,
    -- A code of it was shown once; until then it asks nobody for one.
    confirmed   INTEGER NOT NULL,
    -- No code of this step or an earlier one is taken again.
    last_step   INTEGER NOT NULL,
    recovery    TEXT NOT NULL,
    created_ms  INTEGER NOT NULL
);
