-- How far the history goes; locked by who commits, so that revisions have one order and no gaps. Times are microseconds since 1970.
CREATE TABLE flk_state (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    format       integer NOT NULL,
    history_id   text    NOT NULL,
    revision     bigint  NOT NULL,
    committed_at bigint  NOT NULL,
    floor        bigint  NOT NULL,
    floor_at     bigint  NOT NULL,
    removed      bigint  NOT NULL, -- up to where what is below the floor is gone
    touches      bigint  NOT NULL DEFAULT 0, -- transactions that only renewed lifetimes
    touched_at   bigint  NOT NULL DEFAULT 0 -- the time of the newest of them
) WITH (fillfactor = 50);

-- How far a namespace is trimmed: for readers, and up to where that is done.
CREATE TABLE flk_state_trimmed (
    namespace text   PRIMARY KEY COLLATE "C",
    up_to     bigint NOT NULL,
    removed   bigint NOT NULL
);

-- The newest revision of each agent of which a removal left no version.
CREATE TABLE flk_state_removed (
    namespace text   NOT NULL COLLATE "C",
    agent_id  text   NOT NULL COLLATE "C",
    revision  bigint NOT NULL,
    PRIMARY KEY (namespace, agent_id)
);

-- The times of the newest transactions that only renewed lifetimes, by their numbers.
CREATE TABLE flk_state_touches (
    number     bigint PRIMARY KEY,
    touched_at bigint NOT NULL
);

CREATE TABLE flk_state_events (
    revision     bigint  PRIMARY KEY,
    committed_at bigint  NOT NULL,
    changes      integer NOT NULL
);
CREATE INDEX flk_state_events_time ON flk_state_events (committed_at);

-- A value is kept as it was written; NULL is a deletion.
CREATE TABLE flk_state_versions (
    namespace    text    COLLATE "C" NOT NULL CHECK (namespace ~ '^[A-Za-z0-9._-]{1,64}$'),
    agent_id     text    COLLATE "C" NOT NULL CHECK (octet_length(agent_id) BETWEEN 1 AND 256),
    key          text    COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 1024),
    version      bigint  NOT NULL CHECK (version > 0),
    revision     bigint  NOT NULL CHECK (revision > 0),
    place        integer NOT NULL CHECK (place > 0),
    committed_at bigint  NOT NULL,
    value        text    CHECK (octet_length(value) BETWEEN 1 AND 2097152),
    ttl          bigint, -- the lifetime with which it was written, in microseconds; NULL for none
    PRIMARY KEY (namespace, agent_id, key, version)
);
CREATE UNIQUE INDEX flk_state_versions_order ON flk_state_versions (revision, place);

-- The newest version of each key; its value as a document, where Postgres can hold it.
CREATE TABLE flk_state_newest (
    namespace  text    COLLATE "C" NOT NULL,
    agent_id   text    COLLATE "C" NOT NULL,
    key        text    COLLATE "C" NOT NULL,
    version    bigint  NOT NULL,
    revision   bigint  NOT NULL,
    is_there   boolean NOT NULL,
    document   jsonb,
    expires_at bigint, -- the end of the lifetime; NULL without one
    PRIMARY KEY (namespace, agent_id, key)
);
-- what lists of agents and namespaces go by
CREATE INDEX flk_state_newest_there ON flk_state_newest (namespace, agent_id) WHERE is_there;
CREATE INDEX flk_state_newest_expiry ON flk_state_newest (expires_at) WHERE expires_at IS NOT NULL;
-- New entries wait in a list, which backends move into the index apart from commits. Above this many kilobytes, and above the
-- 4 MiB of the default, a commit would have to do it.
CREATE INDEX flk_state_newest_documents ON flk_state_newest USING gin (document jsonb_path_ops)
    WITH (gin_pending_list_limit = 65536);

CREATE FUNCTION flk_state_document(value text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN value::jsonb;
EXCEPTION WHEN others THEN
    RETURN NULL;
END $$;

-- What a request was answered, to be told again.
CREATE TABLE flk_state_requests (
    caller       bytea    NOT NULL,
    request_id   bytea    NOT NULL CHECK (octet_length(request_id) <= 64),
    content      text     NOT NULL,
    revision     bigint   NOT NULL,
    committed_at bigint   NOT NULL,
    versions     bigint[] NOT NULL,
    expires_at   bigint   NOT NULL,
    PRIMARY KEY (caller, request_id)
);
CREATE INDEX flk_state_requests_expiry ON flk_state_requests (expires_at);
