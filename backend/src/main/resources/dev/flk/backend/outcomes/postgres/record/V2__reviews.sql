-- Backends that write wait until the end, so no row that is not accepted is missed below.
SELECT 1 FROM flk_record FOR UPDATE;

-- The reviews of rows. The row of a review may be missing. Numbers come from the same sequence as those of versions.
CREATE TABLE flk_record_reviews (
    number     bigint  PRIMARY KEY,
    token      bigint  NOT NULL, -- drawn at random by each transaction
    shard      bytea   NOT NULL, -- in UTF-8
    epoch      bigint  NOT NULL,
    pcs_id     bytea   NOT NULL CHECK (octet_length(pcs_id) = 32),
    version    bigint  NOT NULL CHECK (version > 0),
    is_current boolean NOT NULL, -- the highest version of its row
    decision   text    NOT NULL,
    at_millis  bigint  NOT NULL,
    json       text    NOT NULL,
    log_id     text,
    sequence   bigint  NOT NULL
);
CREATE UNIQUE INDEX flk_record_reviews_row ON flk_record_reviews (pcs_id, shard, epoch, version);
CREATE INDEX flk_record_reviews_newest ON flk_record_reviews (at_millis, number) WHERE is_current;
CREATE INDEX flk_record_reviews_faults ON flk_record_reviews (shard) WHERE is_current AND decision = 'fault';

-- Versions and reviews in the order in which they were applied.
CREATE VIEW flk_record_changes AS
SELECT number, token, shard, epoch, pcs_id, json, false AS is_review FROM flk_record_versions
UNION ALL
SELECT number, token, shard, epoch, pcs_id, json, true FROM flk_record_reviews;

-- The bit 16 of the kind of a current version says that its row waits for a review.
UPDATE flk_record_versions SET kind = kind | 16 WHERE is_current AND verdict <> 'accepted';
CREATE INDEX flk_record_versions_waiting ON flk_record_versions (received_millis, number) INCLUDE (shard, reason_kind)
    WHERE is_current AND kind >= 16;
