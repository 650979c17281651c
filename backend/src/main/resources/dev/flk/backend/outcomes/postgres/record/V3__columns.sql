-- The tables of 0.1.0, which its backends can no longer use. Backends copy their rows.
DROP VIEW flk_record_changes;
ALTER TABLE flk_record RENAME TO flk_record_before;
ALTER TABLE flk_record_versions RENAME TO flk_record_versions_before;
ALTER TABLE flk_record_reviews RENAME TO flk_record_reviews_before;
CREATE TABLE flk_record_copied (number bigint NOT NULL); -- up to where
INSERT INTO flk_record_copied VALUES (0);

-- One row, locked by each transaction that changes rows, so that their numbers become visible in their order.
CREATE TABLE flk_record (
    history    bigint  NOT NULL, -- differs for each history of changes; cursors contain it
    generation integer NOT NULL, -- of all logs
    beginning  bigint  NOT NULL, -- the number before the first one
    removed    bigint  NOT NULL, -- the highest number that was removed
    salvaged   bigint  NOT NULL  -- the number of versions that come from no log
) WITH (fillfactor = 50);
INSERT INTO flk_record
SELECT ('x' || left(record_id, 16))::bit(64)::bigint, 1, 1::bigint << 44, (1::bigint << 44) + removed_up_to, 0
FROM flk_record_before;
DROP TABLE flk_record_before;

ALTER TABLE flk_record_positions ADD COLUMN generation integer NOT NULL DEFAULT 1; -- 0: the log went back

-- Each version of each outcome. Texts have U+0000 as twice U+0001, and U+0001 as U+0001 U+0002.
CREATE TABLE flk_record_outcomes (
    n                 bigint   PRIMARY KEY, -- the place in the order of all versions and reviews
    before            bigint   NOT NULL,    -- the n of the version before; 0 for the first one
    is_current        boolean  NOT NULL,
    waits             boolean  NOT NULL,    -- for a review
    verdict           smallint NOT NULL,    -- 0 accepted, 1 escalated, 2 rejected
    regime            text,                 -- recomputed
    shard             text     NOT NULL COLLATE "C",
    epoch             bigint   NOT NULL,
    id                bigint   NOT NULL,    -- the first 8 bytes of pcs_id, with the first bit flipped
    pcs_id            bytea,                -- null if it is the hash of Merkle root, epoch and shard
    merkle_root       bytea,
    policy            text     NOT NULL,
    key_id            text,
    cause             text,                 -- the reason without its numbers
    reason            text,
    received          bigint   NOT NULL,    -- milliseconds since 1970, as measured
    measured          bigint,               -- the end of the window
    start_seconds     bigint,
    start_nanos       integer,
    end_seconds       bigint,
    end_nanos         integer,
    claimed_d_hat     double precision NOT NULL,
    d_hat             double precision,     -- recomputed
    budget            double precision,     -- claimed
    recomputed_budget double precision,
    coh_star          double precision,
    r                 double precision,
    scales            text,
    names             text,                 -- of scales, if they are not their numbers
    counts            text,
    summary_name      text,
    summary_count     bigint,
    summary_least     double precision,
    summary_greatest  double precision,
    summary_mean      double precision,
    summary_deviation double precision
);
CREATE INDEX flk_record_outcomes_id ON flk_record_outcomes (id);
CREATE INDEX flk_record_outcomes_received ON flk_record_outcomes (received, n) INCLUDE (verdict) WHERE is_current;
CREATE INDEX flk_record_outcomes_verdict ON flk_record_outcomes (verdict, received, n) WHERE is_current AND verdict <> 0;
CREATE INDEX flk_record_outcomes_shard ON flk_record_outcomes (shard, received, n) INCLUDE (verdict) WHERE is_current;
CREATE INDEX flk_record_outcomes_epoch ON flk_record_outcomes (shard, epoch, id, n) WHERE is_current;
CREATE INDEX flk_record_outcomes_key ON flk_record_outcomes (coalesce(key_id, ''), received, n) WHERE is_current;
CREATE INDEX flk_record_outcomes_measured ON flk_record_outcomes (measured, n) INCLUDE (verdict)
    WHERE is_current AND measured IS NOT NULL;
CREATE INDEX flk_record_outcomes_waiting ON flk_record_outcomes (received, n) INCLUDE (shard, cause)
    WHERE is_current AND waits;

-- Each version of each review, whose outcome may be missing.
CREATE TABLE flk_record_reviews (
    n          bigint  PRIMARY KEY,
    is_current boolean NOT NULL,
    shard      text    NOT NULL COLLATE "C",
    epoch      bigint  NOT NULL,
    id         bigint  NOT NULL,
    pcs_id     bytea   NOT NULL,
    version    bigint  NOT NULL,
    decision   text    NOT NULL,
    at_millis  bigint  NOT NULL,
    decided_at text    NOT NULL,
    author     text    NOT NULL,
    note       text    NOT NULL
);
CREATE INDEX flk_record_reviews_id ON flk_record_reviews (id);
CREATE INDEX flk_record_reviews_at ON flk_record_reviews (at_millis, n) WHERE is_current;
CREATE INDEX flk_record_reviews_fault ON flk_record_reviews (shard) WHERE is_current AND decision = 'fault';
