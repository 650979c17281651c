-- The logs whose outcomes are in this database, each with the JSON of what its backend reported last.
CREATE TABLE flk_logs (
    log_id text PRIMARY KEY,
    entry  text NOT NULL
) WITH (fillfactor = 50);

-- The log that has the body of the certificate; NULL if an earlier version recorded the outcome.
ALTER TABLE flk_outcomes ADD COLUMN log_id text;
