-- breaking: yes
-- transaction: yes

-- One row per tenant: how far the completed runs have come, and who is at work. This row is the lock.
CREATE TABLE registry.reconciliation_state (
  tenant_id   uuid        NOT NULL,
  watermark   timestamptz,
  run_id      uuid,
  lease_until timestamptz,
  CONSTRAINT reconciliation_state_pkey PRIMARY KEY (tenant_id),
  CONSTRAINT reconciliation_state_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id)
);

CREATE TABLE registry.reconciliation_run (
  tenant_id    uuid        NOT NULL,
  run_id       uuid        NOT NULL,
  started_at   timestamptz NOT NULL DEFAULT now(),
  finished_at  timestamptz,
  window_start timestamptz,
  window_end   timestamptz NOT NULL,
  outcome      text        NOT NULL DEFAULT 'running',
  examined     bigint      NOT NULL DEFAULT 0,
  found_new    bigint      NOT NULL DEFAULT 0,
  persisting   bigint      NOT NULL DEFAULT 0,
  resolved     bigint      NOT NULL DEFAULT 0,
  error        text,
  CONSTRAINT reconciliation_run_pkey PRIMARY KEY (tenant_id, run_id),
  CONSTRAINT reconciliation_run_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT reconciliation_run_outcome_known CHECK (outcome IN ('running', 'complete', 'partial', 'failed'))
);

CREATE INDEX reconciliation_run_started_at ON registry.reconciliation_run (tenant_id, started_at);

-- What a run has still to examine. Rows go with the slice that examined them.
CREATE TABLE registry.reconciliation_subject (
  tenant_id uuid NOT NULL,
  run_id    uuid NOT NULL,
  family    text COLLATE "C" NOT NULL,
  subject   text COLLATE "C" NOT NULL,
  CONSTRAINT reconciliation_subject_pkey PRIMARY KEY (tenant_id, run_id, family, subject),
  CONSTRAINT reconciliation_subject_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT reconciliation_subject_family_known CHECK
    (family IN ('session', 'user_id', 'attempt', 'receipt', 'tenant'))
);

-- One disagreement about one subject. (tenant, kind, subject) is its fingerprint: a second run finds the
-- same row, never a twin. What is for operators only stays out of the tenant's sight.
CREATE TABLE registry.finding (
  tenant_id      uuid        NOT NULL,
  finding_id     uuid        NOT NULL,
  kind           text        COLLATE "C" NOT NULL,
  severity       text        NOT NULL,
  reason_code    text        NOT NULL,
  family         text        COLLATE "C" NOT NULL,
  subject_type   text        COLLATE "C" NOT NULL,
  subject        text        COLLATE "C" NOT NULL,
  status         text        NOT NULL DEFAULT 'open',
  for_operators  boolean     NOT NULL DEFAULT false,
  evidence       jsonb       NOT NULL,
  first_seen_at  timestamptz NOT NULL,
  last_seen_at   timestamptz NOT NULL,
  opened_run     uuid        NOT NULL,
  last_seen_run  uuid        NOT NULL,
  times_opened   integer     NOT NULL DEFAULT 1,
  resolved_at    timestamptz,
  resolved_run   uuid,
  CONSTRAINT finding_pkey PRIMARY KEY (tenant_id, finding_id),
  CONSTRAINT finding_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT finding_fingerprint_key UNIQUE (tenant_id, kind, subject_type, subject),
  CONSTRAINT finding_severity_known CHECK (severity IN ('info', 'warning', 'critical')),
  CONSTRAINT finding_status_known CHECK (status IN ('open', 'acknowledged', 'repaired', 'vanished')),
  CONSTRAINT finding_subject_type_known CHECK
    (subject_type IN ('session', 'user_id', 'attempt', 'callback', 'event', 'tenant'))
);

CREATE INDEX finding_open ON registry.finding (tenant_id, family, subject)
  WHERE status IN ('open', 'acknowledged');
CREATE INDEX finding_first_seen_at ON registry.finding (tenant_id, first_seen_at, finding_id);

ALTER TABLE registry.reconciliation_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.reconciliation_state TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.reconciliation_state TO registry_service;

ALTER TABLE registry.reconciliation_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.reconciliation_run TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.reconciliation_run TO registry_service;

ALTER TABLE registry.reconciliation_subject ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.reconciliation_subject TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON registry.reconciliation_subject TO registry_service;

ALTER TABLE registry.finding ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.finding TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid AND NOT for_operators);
CREATE POLICY worker ON registry.finding TO registry_worker USING (for_operators) WITH CHECK (for_operators);
GRANT SELECT, INSERT, UPDATE ON registry.finding TO registry_service, registry_worker;
