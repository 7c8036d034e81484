-- breaking: no
-- transaction: yes

-- Who has taken a finding on, why and until when; since when it stands; and what the log below knows of it.
ALTER TABLE registry.finding
  ADD COLUMN opened_at           timestamptz,
  ADD COLUMN acknowledged_by     text,
  ADD COLUMN acknowledged_reason text,
  ADD COLUMN acknowledged_until  timestamptz,
  ADD COLUMN acknowledged_at     timestamptz,
  ADD COLUMN announced_status    text,
  ADD COLUMN change_sequence     bigint NOT NULL DEFAULT 0;

-- One row per transition of a finding, numbered without gaps: what stood when, who took it on, what alerts hang on.
CREATE TABLE registry.finding_change (
  tenant_id     uuid        NOT NULL,
  finding_id    uuid        NOT NULL,
  sequence      bigint      NOT NULL,
  run_id        uuid,
  from_status   text,
  to_status     text        NOT NULL,
  made_by       text,
  reason        text,
  until         timestamptz,
  for_operators boolean     NOT NULL DEFAULT false,
  recorded_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT finding_change_pkey PRIMARY KEY (tenant_id, finding_id, sequence),
  CONSTRAINT finding_change_finding FOREIGN KEY (tenant_id, finding_id)
    REFERENCES registry.finding (tenant_id, finding_id),
  CONSTRAINT finding_change_to_status_known CHECK (to_status IN ('open', 'acknowledged', 'repaired', 'vanished'))
);

INSERT INTO registry.finding_change (tenant_id, finding_id, sequence, run_id, to_status, for_operators, recorded_at)
SELECT f.tenant_id, f.finding_id, 1, f.opened_run, f.status, f.for_operators, coalesce(f.resolved_at, f.first_seen_at)
FROM registry.finding f;

UPDATE registry.finding
SET opened_at = first_seen_at, announced_status = status, change_sequence = 1
WHERE announced_status IS NULL;

-- Empty between transactions: what a slice has changed and not yet logged.
CREATE INDEX finding_unannounced ON registry.finding (tenant_id) WHERE announced_status IS DISTINCT FROM status;
CREATE INDEX finding_acknowledged_until ON registry.finding (tenant_id, acknowledged_until)
  WHERE status = 'acknowledged';
CREATE INDEX finding_change_recorded_at ON registry.finding_change (tenant_id, recorded_at);

ALTER TABLE registry.finding_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.finding_change TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid AND NOT for_operators);
CREATE POLICY worker ON registry.finding_change TO registry_worker USING (for_operators) WITH CHECK (for_operators);
GRANT SELECT, INSERT ON registry.finding_change TO registry_service, registry_worker;
