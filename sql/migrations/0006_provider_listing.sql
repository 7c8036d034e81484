-- breaking: no
-- transaction: yes

-- One reading of Terra's listing of a tenant's connections: gone on with page by page, then complete, or given up.
-- Only a complete one says that something is absent.
CREATE TABLE registry.provider_listing (
  tenant_id   uuid        NOT NULL,
  listing_id  uuid        NOT NULL,
  -- The moment before the first question was sent, and before the last.
  started_at  timestamptz NOT NULL,
  asked_at    timestamptz NOT NULL,
  finished_at timestamptz,
  next_page   integer     NOT NULL DEFAULT 0,
  pages       integer     NOT NULL DEFAULT 0,
  outcome     text        NOT NULL DEFAULT 'reading',
  reason      text,
  CONSTRAINT provider_listing_pkey PRIMARY KEY (tenant_id, listing_id),
  CONSTRAINT provider_listing_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT provider_listing_outcome_known CHECK (outcome IN ('reading', 'complete', 'given_up'))
);

CREATE INDEX provider_listing_started_at ON registry.provider_listing (tenant_id, outcome, started_at);

-- What a listing holds. An id that is listed several times in different ways proves nothing.
CREATE TABLE registry.provider_listing_user (
  tenant_id    uuid        NOT NULL,
  listing_id   uuid        NOT NULL,
  user_id      text        COLLATE "C" NOT NULL,
  reference_id text        COLLATE "C",
  resource     text        COLLATE "C",
  scopes       text        COLLATE "C",
  active       boolean,
  conflicting  boolean     NOT NULL DEFAULT false,
  -- The moment before the page was asked for.
  asked_at     timestamptz NOT NULL,
  CONSTRAINT provider_listing_user_pkey PRIMARY KEY (tenant_id, listing_id, user_id),
  CONSTRAINT provider_listing_user_listing FOREIGN KEY (tenant_id, listing_id)
    REFERENCES registry.provider_listing (tenant_id, listing_id)
);

-- Ids about which a complete listing and the connections differ, so that a run examines these and not everything.
CREATE TABLE registry.provider_difference (
  tenant_id  uuid NOT NULL,
  listing_id uuid NOT NULL,
  user_id    text COLLATE "C" NOT NULL,
  CONSTRAINT provider_difference_pkey PRIMARY KEY (tenant_id, listing_id, user_id),
  CONSTRAINT provider_difference_listing FOREIGN KEY (tenant_id, listing_id)
    REFERENCES registry.provider_listing (tenant_id, listing_id)
);

ALTER TABLE registry.reconciliation_subject
  DROP CONSTRAINT reconciliation_subject_family_known,
  ADD CONSTRAINT reconciliation_subject_family_known CHECK
    (family IN ('session', 'user_id', 'attempt', 'receipt', 'tenant', 'listing'));

-- What a run found it could not do, in sentences for a person, and how much it made good.
ALTER TABLE registry.reconciliation_run
  ADD COLUMN remarks  text[] NOT NULL DEFAULT '{}',
  ADD COLUMN repaired bigint NOT NULL DEFAULT 0;

ALTER TABLE registry.provider_listing ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.provider_listing TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.provider_listing TO registry_service;

ALTER TABLE registry.provider_listing_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.provider_listing_user TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.provider_listing_user TO registry_service;

ALTER TABLE registry.provider_difference ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.provider_difference TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON registry.provider_difference TO registry_service;
