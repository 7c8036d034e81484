-- breaking: yes
-- transaction: yes

-- What 0015 made: digests of other things in another form, which cannot be made out of one another.
DROP TABLE registry.erased_subject, registry.erasure_scope;

-- Whom an erasure took out, so that nothing is written about them again: the SHA-256 of tenant, kind and id. Who writes
-- what comes from outside looks here in the statement that writes.
CREATE TABLE registry.erased_subject (
  tenant_id uuid        NOT NULL,
  digest    bytea       NOT NULL,
  erased_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT erased_subject_pkey PRIMARY KEY (tenant_id, digest),
  CONSTRAINT erased_subject_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT erased_subject_digest_length CHECK (octet_length(digest) = 32)
);

-- What erasures that are under way take out, so that one that was broken off can be gone on with. The rows of an app user
-- go with the app user.
CREATE TABLE registry.erasure_scope (
  tenant_id    uuid NOT NULL,
  reference_id text COLLATE "C" NOT NULL,
  kind         text COLLATE "C" NOT NULL,
  id           text COLLATE "C" NOT NULL,
  CONSTRAINT erasure_scope_pkey PRIMARY KEY (tenant_id, reference_id, kind, id),
  CONSTRAINT erasure_scope_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT erasure_scope_kind_known CHECK
    (kind IN ('app_user', 'user_id', 'session', 'attempt', 'terra_session', 'event', 'callback', 'receipt'))
);

ALTER TABLE registry.erased_subject ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.erased_subject TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT ON registry.erased_subject TO registry_service;
CREATE POLICY embedding ON registry.erased_subject FOR SELECT TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT (tenant_id, digest) ON registry.erased_subject TO registry_embedding;

ALTER TABLE registry.erasure_scope ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.erasure_scope TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON registry.erasure_scope TO registry_service;

GRANT DELETE ON registry.app_user, registry.auth_session, registry.auth_event_key, registry.auth_event,
  registry.webhook_receipt, registry.redirect_callback, registry.correction, registry.connection,
  registry.connection_change TO registry_service;
GRANT DELETE ON registry.finding, registry.finding_change TO registry_service, registry_worker;
GRANT UPDATE (subject, detail) ON registry.audit_entry TO registry_service;

-- The sessions that were to replace an id that goes.
CREATE INDEX auth_session_replaces ON registry.auth_session (tenant_id, replaces) WHERE replaces IS NOT NULL;

-- A place in the feed at a change of somebody who was erased is noted as the beginning of its position.
CREATE OR REPLACE FUNCTION registry_api.acknowledge(tenant text, consumer text, cursor text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
#variable_conflict use_column
DECLARE
  id uuid := registry_api.enter($1);
  parts text[] := regexp_match($3, '^([0-9]{1,18}):([0-9]{1,18}):(.*)$');
  is_known boolean;
BEGIN
  IF parts IS NULL OR parts[1]::bigint >= (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + t.change_offset
    FROM registry.tenant t WHERE t.tenant_id = id)
  THEN
    RAISE EXCEPTION 'this is not a cursor of registry_api.changes' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  is_known := NOT EXISTS (
    SELECT FROM registry.erased_subject x
    WHERE x.tenant_id = id AND x.digest = sha256(convert_to(
      '36:' || id || '7:user_id' || octet_length(parts[3]) || ':' || parts[3], 'UTF8')));
  UPDATE registry.change_consumer c
  SET position = parts[1]::bigint, user_id = CASE WHEN is_known THEN parts[3] ELSE '' END,
    sequence = CASE WHEN is_known THEN parts[2]::bigint ELSE 0 END, acknowledged_at = now()
  WHERE c.tenant_id = id AND c.name = $2
    AND (c.position, c.user_id, c.sequence) < (parts[1]::bigint, parts[3], parts[2]::bigint);
  IF FOUND THEN RETURN true; END IF;
  IF NOT EXISTS (SELECT FROM registry.change_consumer c WHERE c.tenant_id = id AND c.name = $2) THEN
    RAISE EXCEPTION 'this consumer has never read: call registry_api.changes first' USING ERRCODE = 'no_data_found';
  END IF;
  RETURN false;
END
$$;
