-- breaking: yes
-- transaction: yes

-- When a connection last changed otherwise than by data that came again: what a run since the last one has to judge, and
-- what is newer than a listing. An older binary would not move it, so it must not write any more. The table is rewritten.
ALTER TABLE registry.connection ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE registry.connection ALTER COLUMN changed_at TYPE timestamptz USING recorded_at;
CREATE INDEX connection_changed_at ON registry.connection (tenant_id, changed_at);

-- What has been open for too long, found without reading what stands.
CREATE INDEX finding_escalation ON registry.finding (tenant_id, severity, escalation, opened_at) WHERE status = 'open';
