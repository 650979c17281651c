-- One row, locked by each transaction that adds or removes versions. So the numbers of versions have no gaps and become visible in
-- their order.
CREATE TABLE flk_record (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    record_id     text    NOT NULL,
    generation    bigint  NOT NULL, -- counts how often a log went back or was replaced
    last_number   bigint  NOT NULL,
    removed_up_to bigint  NOT NULL  -- the highest number of a removed version
) WITH (fillfactor = 50);
INSERT INTO flk_record (record_id, generation, last_number, removed_up_to)
VALUES (replace(gen_random_uuid()::text, '-', ''), 1, 0, 0);

-- The versions of all outcomes. Times are milliseconds since 1970. The columns after json repeat members of it.
CREATE TABLE flk_record_versions (
    number            bigint   PRIMARY KEY,
    token             bigint   NOT NULL, -- drawn at random by each transaction
    version           integer  NOT NULL CHECK (version > 0),
    is_current        boolean  NOT NULL,
    kind              smallint NOT NULL, -- combines verdict and regime, for the indexes
    shard             bytea    NOT NULL, -- in UTF-8
    epoch             bigint   NOT NULL,
    pcs_id            bytea    NOT NULL CHECK (octet_length(pcs_id) = 32),
    json              text     NOT NULL,
    received_millis   bigint   NOT NULL,
    measured_millis   bigint,
    verdict           text     NOT NULL,
    regime            text     NOT NULL,
    key_id            text     NOT NULL COLLATE "C",
    reason_kind       text     NOT NULL, -- the reason without its numbers
    claimed_d_hat     double precision,
    recomputed_d_hat  double precision,
    claimed_budget    double precision,
    recomputed_budget double precision,
    log_id            text,
    sequence          bigint   NOT NULL
);
CREATE UNIQUE INDEX flk_record_versions_current ON flk_record_versions (shard, epoch, pcs_id) WHERE is_current;
CREATE INDEX flk_record_versions_id ON flk_record_versions (pcs_id, version);
CREATE INDEX flk_record_versions_received ON flk_record_versions (kind, received_millis, number) WHERE is_current;
CREATE INDEX flk_record_versions_shard_received ON flk_record_versions (shard, kind, received_millis, number)
    WHERE is_current;
CREATE INDEX flk_record_versions_key_received ON flk_record_versions (key_id, kind, received_millis, number)
    WHERE is_current;
CREATE INDEX flk_record_versions_measured ON flk_record_versions (kind, measured_millis, number)
    WHERE is_current AND measured_millis IS NOT NULL;
CREATE INDEX flk_record_versions_shard_measured ON flk_record_versions (shard, kind, measured_millis, number)
    WHERE is_current AND measured_millis IS NOT NULL;
CREATE INDEX flk_record_versions_key_measured ON flk_record_versions (key_id, kind, measured_millis, number)
    WHERE is_current AND measured_millis IS NOT NULL;

-- Up to where the versions of each log are complete. A row is written with every group, so its page keeps room for the next version.
CREATE TABLE flk_record_positions (
    log_id   text   PRIMARY KEY,
    sequence bigint NOT NULL,
    digest   text   NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE flk_record_notes (
    name text PRIMARY KEY COLLATE "C",
    text text NOT NULL
);
