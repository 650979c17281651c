-- The agents that have reported within a day, each with its last report. Rows are replaced often, so pages keep room for it.
CREATE TABLE flk_agents (
    id     text COLLATE "C" PRIMARY KEY,
    report text NOT NULL
) WITH (fillfactor = 50);
