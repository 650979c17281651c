-- The first outcome recorded for a certificate; it stands while now < expires_at_millis.
CREATE TABLE flk_outcomes (
    pcs_id            bytea    PRIMARY KEY CHECK (octet_length(pcs_id) = 32),
    status            smallint NOT NULL,
    body              bytea    NOT NULL,
    digest            bytea    NOT NULL CHECK (octet_length(digest) = 32),
    signed_digest     text     NOT NULL,
    expires_at_millis bigint   NOT NULL,
    log_id            text     -- the log that has the body of the certificate
);
CREATE INDEX flk_outcomes_expiry ON flk_outcomes (expires_at_millis);

-- How far each backend's log is decided and recorded, with the token of the transaction that wrote it. A row is written with every
-- group, so its page keeps room for the next version of it.
CREATE TABLE flk_positions (
    log_id         text   PRIMARY KEY,
    complete_up_to bigint NOT NULL,
    token          text   NOT NULL
) WITH (fillfactor = 50);

-- Other content under an id that is decided: kept in the log once for each digest.
CREATE TABLE flk_evidence (
    pcs_id            bytea  NOT NULL CHECK (octet_length(pcs_id) = 32),
    digest            bytea  NOT NULL CHECK (octet_length(digest) = 32),
    expires_at_millis bigint NOT NULL,
    PRIMARY KEY (pcs_id, digest)
);
CREATE INDEX flk_evidence_expiry ON flk_evidence (expires_at_millis);

-- The logs whose outcomes are in this database, each with the JSON of what its backend reported last.
CREATE TABLE flk_logs (
    log_id text PRIMARY KEY,
    entry  text NOT NULL
) WITH (fillfactor = 50);
