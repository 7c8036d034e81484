-- breaking: yes
-- transaction: yes

-- The join of all facts about one user_id: per kind of evidence the greatest order key seen, and a status
-- that is a pure view of these registers. So any order and any repetition of the facts gives this row.
CREATE TABLE registry.connection (
  tenant_id           uuid        NOT NULL,
  user_id             text        COLLATE "C" NOT NULL,
  auth_key            text        COLLATE "C",
  degraded_key        text        COLLATE "C",
  alive_key           text        COLLATE "C",
  failed_key          text        COLLATE "C",
  revoked_key         text        COLLATE "C",
  deauthenticated_key text        COLLATE "C",
  superseded_key      text        COLLATE "C",
  superseded_by       text        COLLATE "C",
  data_key            text        COLLATE "C",
  correction_key      text        COLLATE "C",
  correction_verdict  text        COLLATE "C",
  reference_key       text        COLLATE "C",
  reference_id        text        COLLATE "C",
  resource_key        text        COLLATE "C",
  resource            text        COLLATE "C",
  scopes_key          text        COLLATE "C",
  scopes              text        COLLATE "C",
  status              text        COLLATE "C" NOT NULL GENERATED ALWAYS AS (
    CASE
      WHEN superseded_key      > coalesce(correction_key, '') THEN 'superseded'
      WHEN deauthenticated_key > coalesce(correction_key, '') THEN 'deauthenticated'
      WHEN revoked_key         > coalesce(correction_key, '') THEN 'revoked'
      WHEN correction_verdict = 'gone' THEN CASE WHEN alive_key IS NOT NULL THEN 'revoked' ELSE 'failed' END
      WHEN correction_verdict = 'alive' OR alive_key IS NOT NULL THEN
        CASE WHEN degraded_key > greatest(auth_key, data_key, '') THEN 'degraded' ELSE 'active' END
      WHEN failed_key          > coalesce(correction_key, '') THEN 'failed'
      ELSE 'pending'
    END) STORED,
  last_data_at        timestamptz GENERATED ALWAYS AS (
    to_timestamp(substr(data_key, 1, 16)::double precision / 1000000)) STORED,
  created_at          timestamptz NOT NULL DEFAULT now(),
  recorded_at         timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT connection_pkey PRIMARY KEY (tenant_id, user_id),
  CONSTRAINT connection_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT connection_user_id_length CHECK (octet_length(user_id) BETWEEN 1 AND 256),
  CONSTRAINT connection_correction_verdict_known CHECK (correction_verdict IN ('alive', 'gone'))
);

-- Lists by person, and the search for several live ids of one person at one resource; lists of a tenant by
-- time; the window of a run; what an id replaced; the search for an id across tenants.
CREATE INDEX connection_reference_id ON registry.connection (tenant_id, reference_id, resource);
CREATE INDEX connection_created_at ON registry.connection (tenant_id, created_at, user_id);
CREATE INDEX connection_recorded_at ON registry.connection (tenant_id, recorded_at);
CREATE INDEX connection_superseded_by ON registry.connection (tenant_id, superseded_by)
  WHERE superseded_by IS NOT NULL;
CREATE INDEX connection_user_id ON registry.connection (user_id, tenant_id);

-- What we believed when: one row per transition; its last row equals the state. The sequence has no gaps,
-- because the upsert of the connection holds its row lock until the commit.
CREATE TABLE registry.connection_change (
  tenant_id   uuid        NOT NULL,
  user_id     text        COLLATE "C" NOT NULL,
  sequence    bigint      NOT NULL,
  from_status text        COLLATE "C",
  to_status   text        COLLATE "C" NOT NULL,
  cause_type  text        NOT NULL,
  cause_id    text        NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT connection_change_pkey PRIMARY KEY (tenant_id, user_id, sequence),
  CONSTRAINT connection_change_connection FOREIGN KEY (tenant_id, user_id)
    REFERENCES registry.connection (tenant_id, user_id),
  CONSTRAINT connection_change_cause_known CHECK (cause_type IN ('event', 'correction', 'session', 'data'))
);

CREATE INDEX connection_change_recorded_at ON registry.connection_change (tenant_id, recorded_at);

ALTER TABLE registry.connection ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.connection TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.connection TO registry_service;
CREATE POLICY worker ON registry.connection FOR SELECT TO registry_worker USING (true);
GRANT SELECT (tenant_id, user_id, status) ON registry.connection TO registry_worker;

ALTER TABLE registry.connection_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.connection_change TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.connection_change TO registry_service;
