-- breaking: yes
-- transaction: yes

-- What a team notes about its app users and connections. A row per tag, because row-level security keeps an index on
-- a json column from being used.
CREATE TABLE registry.tag (
  tenant_id    uuid        NOT NULL,
  subject_type text        COLLATE "C" NOT NULL,
  subject      text        COLLATE "C" NOT NULL,
  key          text        COLLATE "C" NOT NULL,
  -- NULL within the transaction that takes the tag away.
  value        text        COLLATE "C",
  created_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT tag_pkey PRIMARY KEY (tenant_id, subject_type, subject, key),
  CONSTRAINT tag_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT tag_subject_type_known CHECK (subject_type IN ('app_user', 'connection')),
  CONSTRAINT tag_key_length CHECK (octet_length(key) BETWEEN 1 AND 64),
  CONSTRAINT tag_value_length CHECK (octet_length(value) <= 1024)
);

CREATE INDEX tag_value ON registry.tag (tenant_id, subject_type, key, value, subject);

-- Lists of app users by time.
CREATE INDEX app_user_created_at ON registry.app_user (tenant_id, created_at, reference_id);

-- Which app user another one turned out to be: an anonymous one who signed in. Facts keep the id that they name, and
-- whoever reads looks here; so it does not matter whether a fact comes before or after. into_reference_id is never
-- merged itself: a merge of it moves these rows on.
CREATE TABLE registry.app_user_merge (
  tenant_id         uuid        NOT NULL,
  reference_id      text        COLLATE "C" NOT NULL,
  into_reference_id text        COLLATE "C" NOT NULL,
  recorded_at       timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT app_user_merge_pkey PRIMARY KEY (tenant_id, reference_id),
  CONSTRAINT app_user_merge_from FOREIGN KEY (tenant_id, reference_id)
    REFERENCES registry.app_user (tenant_id, reference_id),
  CONSTRAINT app_user_merge_into FOREIGN KEY (tenant_id, into_reference_id)
    REFERENCES registry.app_user (tenant_id, reference_id),
  CONSTRAINT app_user_merge_not_itself CHECK (reference_id <> into_reference_id)
);

CREATE INDEX app_user_merge_into ON registry.app_user_merge (tenant_id, into_reference_id);
CREATE INDEX app_user_merge_recorded_at ON registry.app_user_merge (tenant_id, recorded_at);

-- Who did what by hand.
CREATE TABLE registry.audit_entry (
  tenant_id   uuid        NOT NULL,
  audit_id    uuid        NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  actor       text        NOT NULL,
  action      text        NOT NULL,
  subject     text        COLLATE "C" NOT NULL,
  detail      jsonb       NOT NULL DEFAULT '{}',
  CONSTRAINT audit_entry_pkey PRIMARY KEY (tenant_id, audit_id),
  CONSTRAINT audit_entry_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id)
);

CREATE INDEX audit_entry_recorded_at ON registry.audit_entry (tenant_id, recorded_at, audit_id);

-- The first answer to a request that named itself with an Idempotency-Key. Without a status the request is under way,
-- or was until its lease ended. The answer is sealed, because it may show a secret.
CREATE TABLE registry.idempotent_request (
  tenant_id       uuid        NOT NULL,
  operation       text        COLLATE "C" NOT NULL,
  idempotency_key text        COLLATE "C" NOT NULL,
  request_sha256  bytea       NOT NULL,
  claim_id        uuid        NOT NULL,
  lease_until     timestamptz NOT NULL,
  status          integer,
  location        text,
  sealed_body     bytea,
  created_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT idempotent_request_pkey PRIMARY KEY (tenant_id, operation, idempotency_key),
  CONSTRAINT idempotent_request_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id)
);

CREATE INDEX idempotent_request_created_at ON registry.idempotent_request (tenant_id, created_at);

ALTER TABLE registry.tag ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.tag TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.tag TO registry_service;

ALTER TABLE registry.app_user_merge ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.app_user_merge TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.app_user_merge TO registry_service;

ALTER TABLE registry.audit_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.audit_entry TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.audit_entry TO registry_service;

ALTER TABLE registry.idempotent_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.idempotent_request TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.idempotent_request TO registry_service;

-- A row is locked while what belongs to it is changed; no statement writes it.
GRANT UPDATE ON registry.app_user TO registry_service;
