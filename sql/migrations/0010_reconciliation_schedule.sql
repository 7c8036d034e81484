-- breaking: no
-- transaction: yes

-- The queue of tenants. `place_at` orders it: the time at which a run is due, or while one is under way the end of its
-- last slice. `version` tells whether a row has moved since somebody looked. Who is at work holds `lease_id`; a run
-- that nobody holds is gone on with by whoever comes next.
ALTER TABLE registry.reconciliation_state
  ADD COLUMN lease_id      uuid,
  ADD COLUMN place_at      timestamptz NOT NULL DEFAULT 'epoch',
  ADD COLUMN due_at        timestamptz,
  ADD COLUMN started_at    timestamptz,
  ADD COLUMN missed        bigint      NOT NULL DEFAULT 0,
  ADD COLUMN paused_at     timestamptz,
  ADD COLUMN paused_by     text,
  ADD COLUMN paused_reason text,
  ADD COLUMN version       bigint      NOT NULL DEFAULT 0;

INSERT INTO registry.reconciliation_state (tenant_id)
SELECT t.tenant_id FROM registry.tenant t
ON CONFLICT (tenant_id) DO NOTHING;

CREATE INDEX reconciliation_state_place ON registry.reconciliation_state (place_at) WHERE paused_at IS NULL;

-- How far a run has come: up to where facts are collected, so that another process can go on with it.
ALTER TABLE registry.reconciliation_run
  ADD COLUMN collected_to timestamptz,
  ADD COLUMN missed       bigint NOT NULL DEFAULT 0;

-- Who is due is found across tenants, in this one small table.
CREATE POLICY worker ON registry.reconciliation_state FOR SELECT TO registry_worker USING (true);
GRANT SELECT ON registry.reconciliation_state TO registry_worker;
