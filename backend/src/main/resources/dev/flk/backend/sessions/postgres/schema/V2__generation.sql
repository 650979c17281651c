-- The generation of the versions in sync_sessions: a number that grows before each restore of Redis from these tables.
-- The versions that are given out in generation g are greater than g * 2^32. Changes are only written in the newest
-- generation. "restore" identifies the restore for which the generation was begun; it is empty before the first one.
CREATE TABLE sync_generation (
    generation bigint  NOT NULL,
    restore    text    NOT NULL,
    one_row    boolean PRIMARY KEY DEFAULT true CHECK (one_row)
);

-- Tables that a backend without generations has filled may lack versions that it gave out.
INSERT INTO sync_generation (generation, restore)
SELECT 0, CASE WHEN EXISTS (SELECT FROM sync_sessions) OR EXISTS (SELECT FROM sync_events) THEN 'none' ELSE '' END;
