-- breaking: yes
-- transaction: yes

CREATE TABLE registry.app_user (
  tenant_id    uuid        NOT NULL,
  reference_id text        COLLATE "C" NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT app_user_pkey PRIMARY KEY (tenant_id, reference_id),
  CONSTRAINT app_user_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  -- A longer text would not fit an index page; the same limit stands in the API.
  CONSTRAINT app_user_reference_id_length CHECK (octet_length(reference_id) BETWEEN 1 AND 1024)
);

-- One attempt to connect. What became of it is a view of facts and claims, so no outcome is stored here,
-- except that Terra refused to begin it.
CREATE TABLE registry.auth_session (
  tenant_id        uuid        NOT NULL,
  session_id       uuid        NOT NULL,
  kind             text        NOT NULL,
  attempt_sha256   bytea       NOT NULL,
  -- The attempt token itself, sealed, until Terra has answered: a repeated request must reuse it.
  sealed_attempt   bytea,
  reference_id     text        COLLATE "C",
  resource         text        COLLATE "C",
  multi_auth       boolean     NOT NULL DEFAULT false,
  return_success   text        NOT NULL,
  return_failure   text        NOT NULL,
  idempotency_key  text        COLLATE "C",
  request_sha256   bytea       NOT NULL,
  user_id          text        COLLATE "C",
  terra_session_id text        COLLATE "C",
  auth_url         text,
  answered_at      timestamptz,
  refused_reason   text,
  refused_status   integer,
  created_at       timestamptz NOT NULL DEFAULT now(),
  expires_at       timestamptz NOT NULL,
  CONSTRAINT auth_session_pkey PRIMARY KEY (tenant_id, session_id),
  CONSTRAINT auth_session_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT auth_session_kind_known CHECK (kind IN ('direct', 'widget')),
  CONSTRAINT auth_session_direct_names_a_resource CHECK (kind <> 'direct' OR resource IS NOT NULL),
  CONSTRAINT auth_session_attempt_key UNIQUE (tenant_id, attempt_sha256),
  CONSTRAINT auth_session_idempotency_key UNIQUE (tenant_id, idempotency_key)
);

-- Both ways by which an event finds its session, the sessions of one person, lists by time, and those that fall due.
CREATE INDEX auth_session_user_id ON registry.auth_session (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX auth_session_terra_session_id ON registry.auth_session (tenant_id, terra_session_id)
  WHERE terra_session_id IS NOT NULL;
CREATE INDEX auth_session_reference_id ON registry.auth_session (tenant_id, reference_id, created_at);
CREATE INDEX auth_session_created_at ON registry.auth_session (tenant_id, created_at, session_id);
CREATE INDEX auth_session_expires_at ON registry.auth_session (tenant_id, expires_at);

-- Which deliveries are one event. The key is the body's SHA-256 with `t`, and with the trace id: a trace id
-- alone stands outside the signature and must not silence another event.
CREATE TABLE registry.auth_event_key (
  tenant_id  uuid        NOT NULL,
  dedup_key  text        COLLATE "C" NOT NULL,
  event_id   uuid        NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT auth_event_key_pkey PRIMARY KEY (tenant_id, dedup_key),
  CONSTRAINT auth_event_key_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id)
);

CREATE TABLE registry.auth_event (
  tenant_id         uuid        NOT NULL,
  event_id          uuid        NOT NULL,
  recorded_at       timestamptz NOT NULL DEFAULT now(),
  signed_at         timestamptz NOT NULL,
  occurred_at       timestamptz NOT NULL,
  channel           text        NOT NULL,
  kind              text        NOT NULL,
  type              text        NOT NULL,
  status            text,
  user_id           text        COLLATE "C",
  old_user_id       text        COLLATE "C",
  reference_id      text        COLLATE "C",
  old_reference_id  text        COLLATE "C",
  resource          text        COLLATE "C",
  widget_session_id text        COLLATE "C",
  reason            text,
  trace_id          text,
  body              bytea       NOT NULL,
  body_sha256       bytea       NOT NULL,
  CONSTRAINT auth_event_pkey PRIMARY KEY (tenant_id, event_id),
  CONSTRAINT auth_event_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT auth_event_kind_known CHECK (kind IN ('auth_success', 'auth_failure', 'user_reauth',
    'deauthentication', 'access_revoked', 'connection_error', 'permission_change'))
);

-- The window of a reconciliation run; what names a connection, on either side; what names a session; the
-- failures that name only a person.
CREATE INDEX auth_event_recorded_at ON registry.auth_event (tenant_id, recorded_at, event_id);
CREATE INDEX auth_event_user_id ON registry.auth_event (tenant_id, user_id, recorded_at) WHERE user_id IS NOT NULL;
CREATE INDEX auth_event_old_user_id ON registry.auth_event (tenant_id, old_user_id) WHERE old_user_id IS NOT NULL;
CREATE INDEX auth_event_widget_session_id ON registry.auth_event (tenant_id, widget_session_id)
  WHERE widget_session_id IS NOT NULL;
CREATE INDEX auth_event_failure_reference_id ON registry.auth_event (tenant_id, reference_id, occurred_at)
  WHERE kind = 'auth_failure';

-- Raw deliveries that did not become an event.
CREATE TABLE registry.webhook_receipt (
  tenant_id    uuid        NOT NULL,
  receipt_id   uuid        NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT now(),
  disposition  text        NOT NULL,
  reason_code  text        NOT NULL,
  signed_at    timestamptz,
  occurred_at  timestamptz,
  type         text,
  user_id      text        COLLATE "C",
  trace_id     text,
  headers      jsonb       NOT NULL,
  body         bytea       NOT NULL,
  body_sha256  bytea       NOT NULL,
  body_bytes   bigint      NOT NULL,
  CONSTRAINT webhook_receipt_pkey PRIMARY KEY (tenant_id, receipt_id),
  CONSTRAINT webhook_receipt_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT webhook_receipt_disposition_known CHECK
    (disposition IN ('rejected', 'quarantined', 'unreadable', 'unknown_type'))
);

CREATE INDEX webhook_receipt_recorded_at ON registry.webhook_receipt (tenant_id, disposition, recorded_at, receipt_id);

-- Rejected deliveries are kept up to a limit a day and counted beyond it.
CREATE TABLE registry.webhook_receipt_count (
  tenant_id   uuid        NOT NULL,
  day         date        NOT NULL,
  disposition text        NOT NULL,
  count       bigint      NOT NULL,
  last_at     timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT webhook_receipt_count_pkey PRIMARY KEY (tenant_id, day, disposition),
  CONSTRAINT webhook_receipt_count_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id)
);

-- What browsers claimed. claim_sha256 covers outcome, token and query: a reload is the same claim.
CREATE TABLE registry.redirect_callback (
  tenant_id      uuid        NOT NULL,
  callback_id    uuid        NOT NULL,
  recorded_at    timestamptz NOT NULL DEFAULT now(),
  attempt_sha256 bytea       NOT NULL,
  claim_sha256   bytea       NOT NULL,
  outcome        text        NOT NULL,
  user_id        text        COLLATE "C",
  reference_id   text        COLLATE "C",
  resource       text        COLLATE "C",
  reason         text,
  ambiguous      text[]      NOT NULL DEFAULT '{}',
  raw_query      text        NOT NULL,
  CONSTRAINT redirect_callback_pkey PRIMARY KEY (tenant_id, callback_id),
  CONSTRAINT redirect_callback_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT redirect_callback_outcome_known CHECK (outcome IN ('success', 'failure')),
  CONSTRAINT redirect_callback_claim_key UNIQUE (tenant_id, claim_sha256)
);

CREATE INDEX redirect_callback_recorded_at ON registry.redirect_callback (tenant_id, recorded_at, callback_id);
CREATE INDEX redirect_callback_attempt ON registry.redirect_callback (tenant_id, attempt_sha256);
-- Claims are free text, so only what can be an id is indexed.
CREATE INDEX redirect_callback_user_id ON registry.redirect_callback (tenant_id, user_id)
  WHERE octet_length(user_id) <= 256;

-- Facts that the registry itself observed: answers of Terra's API, acts of an operator.
CREATE TABLE registry.correction (
  tenant_id     uuid        NOT NULL,
  correction_id uuid        NOT NULL,
  recorded_at   timestamptz NOT NULL DEFAULT now(),
  occurred_at   timestamptz NOT NULL,
  user_id       text        COLLATE "C" NOT NULL,
  verdict       text        NOT NULL,
  source        text        NOT NULL,
  reason        text        NOT NULL,
  evidence      jsonb       NOT NULL DEFAULT '{}',
  CONSTRAINT correction_pkey PRIMARY KEY (tenant_id, correction_id),
  CONSTRAINT correction_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT correction_verdict_known CHECK (verdict IN ('alive', 'gone'))
);

CREATE INDEX correction_user_id ON registry.correction (tenant_id, user_id, recorded_at);

ALTER TABLE registry.app_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.app_user TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.app_user TO registry_service;

ALTER TABLE registry.auth_session ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.auth_session TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.auth_session TO registry_service;

ALTER TABLE registry.auth_event_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.auth_event_key TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.auth_event_key TO registry_service;

ALTER TABLE registry.auth_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.auth_event TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.auth_event TO registry_service;

ALTER TABLE registry.webhook_receipt ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.webhook_receipt TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.webhook_receipt TO registry_service;

ALTER TABLE registry.webhook_receipt_count ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.webhook_receipt_count TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.webhook_receipt_count TO registry_service;

ALTER TABLE registry.redirect_callback ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.redirect_callback TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.redirect_callback TO registry_service;

ALTER TABLE registry.correction ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.correction TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.correction TO registry_service;

-- A claim that names another tenant's connection can be seen across tenants only.
CREATE POLICY worker ON registry.redirect_callback FOR SELECT TO registry_worker USING (true);
GRANT SELECT (tenant_id, callback_id, recorded_at, outcome, user_id) ON registry.redirect_callback TO registry_worker;
