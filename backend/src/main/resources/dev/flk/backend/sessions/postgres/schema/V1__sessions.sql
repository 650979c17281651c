-- The newest version of each session. A version only replaces an older one.
CREATE TABLE sync_sessions (
    id         text        PRIMARY KEY,
    version    bigint      NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('live', 'deleted', 'expired')),
    state      json        CHECK ((state IS NOT NULL) = (kind = 'live')),
    changed_at timestamptz NOT NULL,
    expires_at timestamptz CHECK ((expires_at IS NOT NULL) = (kind = 'live'))
);

-- Every change of a session, once.
CREATE TABLE sync_events (
    session_id text        NOT NULL,
    version    bigint      NOT NULL,
    kind       text        NOT NULL,
    state      json,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (session_id, version)
);
CREATE INDEX sync_events_changed_at ON sync_events (changed_at);
