-- The generated columns session_id and "timestamp" are the names under which users look for the id of a session and the
-- time of a change, as in SELECT * FROM sync_events ORDER BY timestamp DESC LIMIT 10.

-- The newest version of each session. A version only replaces an older one.
CREATE TABLE sync_sessions (
    id         text        PRIMARY KEY,
    version    bigint      NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('live', 'deleted', 'expired')),
    state      json        CHECK ((state IS NOT NULL) = (kind = 'live')),
    changed_at timestamptz NOT NULL,
    expires_at timestamptz CHECK ((expires_at IS NOT NULL) = (kind = 'live')),
    session_id text        GENERATED ALWAYS AS (id) STORED
);
CREATE INDEX sync_sessions_session_id ON sync_sessions (session_id);

-- Every change of a session, once.
CREATE TABLE sync_events (
    session_id  text        NOT NULL,
    version     bigint      NOT NULL,
    kind        text        NOT NULL,
    state       json,
    changed_at  timestamptz NOT NULL,
    "timestamp" timestamptz GENERATED ALWAYS AS (changed_at) STORED,
    PRIMARY KEY (session_id, version)
);
CREATE INDEX sync_events_changed_at ON sync_events (changed_at);
CREATE INDEX sync_events_timestamp ON sync_events ("timestamp");

-- The generation of the versions in sync_sessions: a number that grows before each restore of Redis from these tables.
-- The versions that are given out in generation g are greater than g * 2^32. Changes are only written in the newest
-- generation. "restore" identifies the restore for which the generation was begun; it is empty before the first one.
CREATE TABLE sync_generation (
    generation bigint  NOT NULL,
    restore    text    NOT NULL,
    one_row    boolean PRIMARY KEY DEFAULT true CHECK (one_row)
);
INSERT INTO sync_generation (generation, restore) VALUES (0, '');
