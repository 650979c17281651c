-- The end of the lifetime of a key, in microseconds since 1970; NULL for a key without a lifetime.
ALTER TABLE flk_state_newest ADD COLUMN expires_at bigint;
CREATE INDEX flk_state_newest_expiry ON flk_state_newest (expires_at) WHERE expires_at IS NOT NULL;
-- The lifetime with which a version was written, in microseconds; NULL for none.
ALTER TABLE flk_state_versions ADD COLUMN ttl bigint;
