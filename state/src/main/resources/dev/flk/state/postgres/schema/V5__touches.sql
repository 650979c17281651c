-- The number of transactions that only renewed lifetimes, and the time of the newest; backends of earlier versions do not count theirs.
-- A restored dump of an earlier version may leave both columns and the table behind, hence IF NOT EXISTS.
ALTER TABLE flk_state
    ADD COLUMN IF NOT EXISTS touches    bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS touched_at bigint NOT NULL DEFAULT 0;
-- The times of the newest of them, in microseconds since 1970, by their numbers.
CREATE TABLE IF NOT EXISTS flk_state_touches (
    number     bigint PRIMARY KEY,
    touched_at bigint NOT NULL
);
TRUNCATE flk_state_touches;
