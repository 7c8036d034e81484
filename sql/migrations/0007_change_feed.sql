-- breaking: no
-- transaction: yes

-- Positions are transaction ids of this cluster. Where a dump is restored into a cluster whose ids begin anew, what is
-- added to them is raised, so that positions go on from the last one (`migrate apply`).
ALTER TABLE registry.tenant ADD COLUMN change_offset bigint NOT NULL DEFAULT 0;

-- The greater of the writing transaction's id and the position of the connection's change before. So a change with
-- position p was written by a transaction with an id of at most p, and once all of these have ended nothing can appear
-- at or below p any more. What was there before the feed stands at its beginning.
ALTER TABLE registry.connection_change ADD COLUMN position bigint NOT NULL DEFAULT 0;
-- For a binary that does not know the column yet.
ALTER TABLE registry.connection_change ALTER COLUMN position SET DEFAULT (pg_current_xact_id()::text::bigint);

CREATE INDEX connection_change_position ON registry.connection_change (tenant_id, position, user_id, sequence);

-- Whether positions lie ahead of the cluster's ids is asked across tenants.
CREATE POLICY worker ON registry.connection_change FOR SELECT TO registry_worker USING (true);
GRANT SELECT (tenant_id, position) ON registry.connection_change TO registry_worker;

-- How far each of a team's readers has come: the last change that it acknowledged.
CREATE TABLE registry.change_consumer (
  tenant_id       uuid        NOT NULL,
  name            text        COLLATE "C" NOT NULL,
  position        bigint      NOT NULL,
  user_id         text        COLLATE "C" NOT NULL,
  sequence        bigint      NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  acknowledged_at timestamptz,
  CONSTRAINT change_consumer_pkey PRIMARY KEY (tenant_id, name),
  CONSTRAINT change_consumer_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT change_consumer_name_shape CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$')
);

ALTER TABLE registry.change_consumer ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.change_consumer TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.change_consumer TO registry_service;
CREATE POLICY worker ON registry.change_consumer FOR SELECT TO registry_worker USING (true);
GRANT SELECT (tenant_id, position) ON registry.change_consumer TO registry_worker;
