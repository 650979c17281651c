-- Roles with least privileges for Postgres: flk_owner owns the tables and migrates them, flk_backend reads and writes them.
-- Run it as a superuser in the database of the programs:
--
--   psql -d flk -v owner_password=... -v backend_password=... -f roles.sql
--
-- Then create the tables as flk_owner ('flk-backend postgres migrate', and for the state 'flk-state postgres migrate'),
-- also with the jar of a new version before its programs start, and run backends and state as flk_backend.
\set ON_ERROR_STOP on
BEGIN;
CREATE ROLE flk_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE flk_backend LOGIN PASSWORD :'backend_password';

CREATE SCHEMA flk AUTHORIZATION flk_owner;
ALTER ROLE flk_owner SET search_path = flk;
ALTER ROLE flk_backend SET search_path = flk;

GRANT USAGE ON SCHEMA flk TO flk_backend;
ALTER DEFAULT PRIVILEGES FOR ROLE flk_owner IN SCHEMA flk
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO flk_backend;

-- 'flk-backend postgres check' sees the sessions of other roles, and the backend names the server after a failover.
GRANT pg_monitor TO flk_backend;
COMMIT;
