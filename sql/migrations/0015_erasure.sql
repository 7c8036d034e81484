-- breaking: no
-- transaction: yes

-- Ids of people who were erased, as SHA-256 only, so that what comes late about them is not recorded again.
CREATE TABLE registry.erased_subject (
  tenant_id      uuid        NOT NULL,
  subject_sha256 text        COLLATE "C" NOT NULL,
  erased_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT erased_subject_pkey PRIMARY KEY (tenant_id, subject_sha256),
  CONSTRAINT erased_subject_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id)
);

-- What an erasure under way takes out. Empty between transactions.
CREATE TABLE registry.erasure_scope (
  tenant_id uuid NOT NULL,
  kind      text COLLATE "C" NOT NULL,
  id        text COLLATE "C" NOT NULL,
  CONSTRAINT erasure_scope_pkey PRIMARY KEY (tenant_id, kind, id),
  CONSTRAINT erasure_scope_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT erasure_scope_kind_known CHECK
    (kind IN ('app_user', 'connection', 'session', 'attempt', 'event', 'callback', 'receipt'))
);

ALTER TABLE registry.erased_subject ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.erased_subject TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.erased_subject TO registry_service;

ALTER TABLE registry.erasure_scope ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.erasure_scope TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON registry.erasure_scope TO registry_service;

GRANT DELETE ON registry.app_user, registry.auth_session, registry.auth_event_key, registry.auth_event,
  registry.webhook_receipt, registry.redirect_callback, registry.correction, registry.connection,
  registry.connection_change, registry.finding, registry.finding_change TO registry_service;
GRANT UPDATE (subject, detail) ON registry.audit_entry TO registry_service;
GRANT DELETE ON registry.finding, registry.finding_change TO registry_worker;
