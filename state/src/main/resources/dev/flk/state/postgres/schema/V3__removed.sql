-- The newest revision of each agent of which a removal left no version. Removals up to flk_state.unnoted were not noted here.
CREATE TABLE flk_state_removed (
    namespace text   NOT NULL COLLATE "C",
    agent_id  text   NOT NULL COLLATE "C",
    revision  bigint NOT NULL,
    PRIMARY KEY (namespace, agent_id)
);
ALTER TABLE flk_state ADD COLUMN unnoted bigint NOT NULL DEFAULT 0;
UPDATE flk_state SET unnoted = greatest(floor, (SELECT max(up_to) FROM flk_state_trimmed));
