-- breaking: yes
-- transaction: yes

-- The migrator runs as the owner of the schema. The service works as roles that own nothing, so that
-- row-level security, which does not bind an owner, binds it. CREATE ROLE knows no IF NOT EXISTS.
DO $$
BEGIN
  CREATE ROLE registry_service NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
  CREATE ROLE registry_worker NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- Whoever migrates may also run the service, unless a team grants the two roles to a login of its own.
DO $$
BEGIN
  EXECUTE format('GRANT registry_service, registry_worker TO %I', current_user);
EXCEPTION WHEN invalid_grant_operation OR insufficient_privilege OR unique_violation THEN NULL;
END
$$;

GRANT USAGE ON SCHEMA registry TO registry_service, registry_worker;

-- A binary that does not own the schema must still find out whether it fits.
GRANT SELECT ON registry.migration_log TO registry_service, registry_worker;

-- One environment of one team at Terra. The id is derived from the slug (RFC 9562, version 8), so the
-- primary key keeps slugs unique and a route is resolved without a search across tenants.
-- A NULL duration means the deployment's default.
CREATE TABLE registry.tenant (
  tenant_id                 uuid        NOT NULL,
  slug                      text        COLLATE "C" NOT NULL,
  environment               text        NOT NULL DEFAULT 'production',
  disabled_at               timestamptz,
  shadow                    boolean     NOT NULL DEFAULT false,
  dev_id                    text        NOT NULL,
  terra_base_url            text        NOT NULL,
  terra_widget_url          text        NOT NULL,
  return_urls               text[]      NOT NULL DEFAULT '{}',
  grace_seconds             double precision,
  session_expiry_seconds    double precision,
  horizon_seconds           double precision,
  signature_failing_seconds double precision,
  created_at                timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT tenant_pkey PRIMARY KEY (tenant_id),
  CONSTRAINT tenant_slug_shape CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  CONSTRAINT tenant_environment_known CHECK (environment IN ('production', 'staging', 'testing')),
  CONSTRAINT tenant_grace_positive CHECK (grace_seconds > 0),
  CONSTRAINT tenant_session_expiry_positive CHECK (session_expiry_seconds > 0),
  CONSTRAINT tenant_horizon_positive CHECK (horizon_seconds > 0),
  CONSTRAINT tenant_signature_failing_positive CHECK (signature_failing_seconds > 0)
);

-- Sealed secrets: Terra's API key and the signing secrets, several of them while one is being rotated.
CREATE TABLE registry.tenant_secret (
  tenant_id  uuid        NOT NULL,
  secret_id  uuid        NOT NULL,
  purpose    text        NOT NULL,
  sealed     bytea       NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz,
  CONSTRAINT tenant_secret_pkey PRIMARY KEY (tenant_id, secret_id),
  CONSTRAINT tenant_secret_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT tenant_secret_purpose_known CHECK (purpose IN ('terra_api_key', 'terra_signing'))
);

-- Keys to the registry. Only the SHA-256 is stored; the key itself carries its tenant.
CREATE TABLE registry.api_key (
  tenant_id    uuid        NOT NULL,
  key_id       uuid        NOT NULL,
  key_sha256   bytea       NOT NULL,
  name         text        NOT NULL,
  scopes       text[]      NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz,
  CONSTRAINT api_key_pkey PRIMARY KEY (tenant_id, key_id),
  CONSTRAINT api_key_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT api_key_sha256_length CHECK (octet_length(key_sha256) = 32),
  CONSTRAINT api_key_sha256_key UNIQUE (tenant_id, key_sha256)
);

ALTER TABLE registry.tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.tenant TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.tenant TO registry_service;
CREATE POLICY worker ON registry.tenant FOR SELECT TO registry_worker USING (true);
GRANT SELECT ON registry.tenant TO registry_worker;

ALTER TABLE registry.tenant_secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.tenant_secret TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.tenant_secret TO registry_service;

ALTER TABLE registry.api_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.api_key TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.api_key TO registry_service;
