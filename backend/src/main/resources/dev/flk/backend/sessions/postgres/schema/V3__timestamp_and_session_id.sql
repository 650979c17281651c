-- The names under which users look for the time of a change and for the id of a session, as in
--   SELECT * FROM sync_events ORDER BY timestamp DESC LIMIT 10
-- Columns instead of views: older backends write to these tables and remove rows by ctid, which a view does not have.
-- Their statements name the columns that they write, so they work with generated columns.

-- In the order in which backends lock the tables; adding a column rewrites the table.
LOCK TABLE sync_sessions, sync_events IN ACCESS EXCLUSIVE MODE;

ALTER TABLE sync_sessions ADD COLUMN IF NOT EXISTS session_id text GENERATED ALWAYS AS (id) STORED;
CREATE INDEX IF NOT EXISTS sync_sessions_session_id ON sync_sessions (session_id);

ALTER TABLE sync_events ADD COLUMN IF NOT EXISTS "timestamp" timestamptz GENERATED ALWAYS AS (changed_at) STORED;
CREATE INDEX IF NOT EXISTS sync_events_timestamp ON sync_events ("timestamp");
