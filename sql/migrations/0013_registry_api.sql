-- breaking: no
-- transaction: yes

-- What a team does with the registry inside its own transactions, as functions in the schema registry_api. They run as
-- registry_embedding, a role that cannot log in and owns nothing but them, under row-level security as the service does.
-- A team's login is granted registry_embedder, which may call them and touch no table.
DO $$
BEGIN
  CREATE ROLE registry_embedding NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
  CREATE ROLE registry_embedder NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- Whoever migrates hands the functions to their owner.
DO $$
BEGIN
  EXECUTE format('GRANT registry_embedding TO %I', current_user);
EXCEPTION WHEN invalid_grant_operation OR insufficient_privilege OR unique_violation THEN NULL;
END
$$;

CREATE SCHEMA IF NOT EXISTS registry_api;
GRANT USAGE ON SCHEMA registry TO registry_embedding;
GRANT USAGE, CREATE ON SCHEMA registry_api TO registry_embedding;
GRANT USAGE ON SCHEMA registry_api TO registry_embedder;

-- Which logins may act for which tenants. Without a row here the functions refuse, whatever a login is a member of.
CREATE TABLE registry.embedder (
  tenant_id  uuid        NOT NULL,
  login      text        COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT embedder_pkey PRIMARY KEY (tenant_id, login),
  CONSTRAINT embedder_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT embedder_login_length CHECK (octet_length(login) BETWEEN 1 AND 63)
);

CREATE INDEX embedder_login ON registry.embedder (login, tenant_id);

ALTER TABLE registry.embedder ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.embedder TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON registry.embedder TO registry_service;

-- The functions find the login's tenant before one is set; from then on they are held to it.
CREATE POLICY embedding ON registry.embedder FOR SELECT TO registry_embedding USING (true);
GRANT SELECT (tenant_id, login) ON registry.embedder TO registry_embedding;
CREATE POLICY embedding ON registry.tenant FOR SELECT TO registry_embedding USING (true);
GRANT SELECT (tenant_id, slug, disabled_at, change_offset) ON registry.tenant TO registry_embedding;

CREATE POLICY embedding ON registry.app_user TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT (tenant_id, reference_id), INSERT (tenant_id, reference_id) ON registry.app_user TO registry_embedding;
CREATE POLICY embedding ON registry.app_user_merge FOR SELECT TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT (tenant_id, reference_id, into_reference_id) ON registry.app_user_merge TO registry_embedding;
CREATE POLICY embedding ON registry.connection FOR SELECT TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT (tenant_id, user_id, reference_id, resource, status, scopes, superseded_by, last_data_at, created_at)
  ON registry.connection TO registry_embedding;
CREATE POLICY embedding ON registry.connection_change FOR SELECT TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT ON registry.connection_change TO registry_embedding;
CREATE POLICY embedding ON registry.change_consumer TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.change_consumer TO registry_embedding;

-- The id of a tenant for which this session's login may act; sets it until the calling function ends, whose own SET
-- clause puts the setting back. Nobody but the functions may call it.
CREATE FUNCTION registry_api.enter(tenant text) RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  found_id uuid;
BEGIN
  SELECT e.tenant_id INTO found_id
  FROM registry.embedder e
  JOIN registry.tenant t ON t.tenant_id = e.tenant_id
  WHERE e.login = session_user::text AND t.slug = $1 AND t.disabled_at IS NULL;
  IF found_id IS NULL THEN
    RAISE EXCEPTION 'the login "%" may not act for this tenant', session_user
      USING ERRCODE = 'insufficient_privilege',
        HINT = 'Let an operator run: registry embedder add <login> --tenant <tenant>';
  END IF;
  EXECUTE format('SET LOCAL registry.tenant_id = %L', found_id);
  RETURN found_id;
END
$$;

-- The connections of one app user that ever were connected, oldest first: its own and those of who was merged into it, or
-- none where it was merged itself.
CREATE FUNCTION registry_api.connections(tenant text, reference_id text)
RETURNS TABLE (user_id text, resource text, status text, scopes text, superseded_by text, last_data_at timestamptz,
  created_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
#variable_conflict use_column
DECLARE
  id uuid := registry_api.enter($1);
BEGIN
  RETURN QUERY
  SELECT c.user_id, c.resource, c.status, c.scopes, c.superseded_by, c.last_data_at, c.created_at
  FROM registry.connection c
  WHERE c.tenant_id = id AND c.status NOT IN ('pending', 'failed')
    AND c.reference_id = ANY (ARRAY(
      SELECT $2 COLLATE "C"
      WHERE NOT EXISTS (SELECT FROM registry.app_user_merge g WHERE g.tenant_id = id AND g.reference_id = $2)
      UNION ALL
      SELECT f.reference_id FROM registry.app_user_merge f WHERE f.tenant_id = id AND f.into_reference_id = $2))
  ORDER BY c.created_at, c.user_id;
END
$$;

-- One connection by Terra's id, in whatever state: whose it is, and whether it is alive.
CREATE FUNCTION registry_api.connection(tenant text, user_id text)
RETURNS TABLE (reference_id text, resource text, status text, scopes text, superseded_by text, last_data_at timestamptz,
  created_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
#variable_conflict use_column
DECLARE
  id uuid := registry_api.enter($1);
BEGIN
  RETURN QUERY
  SELECT coalesce(
      (SELECT m.into_reference_id FROM registry.app_user_merge m
       WHERE m.tenant_id = id AND m.reference_id = c.reference_id), c.reference_id),
    c.resource, c.status, c.scopes, c.superseded_by, c.last_data_at, c.created_at
  FROM registry.connection c WHERE c.tenant_id = id AND c.user_id = $2;
END
$$;

-- Makes the registry know an app user, in the transaction that makes the team's own; false where it was known.
CREATE FUNCTION registry_api.app_user_ensure(tenant text, reference_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
#variable_conflict use_column
DECLARE
  id uuid := registry_api.enter($1);
BEGIN
  INSERT INTO registry.app_user (tenant_id, reference_id) VALUES (id, $2)
  ON CONFLICT (tenant_id, reference_id) DO NOTHING;
  RETURN FOUND;
END
$$;

-- The next changes of a consumer, which is made at its first call and stays locked until the transaction ends: another
-- transaction of the same consumer waits, and then sees what this one acknowledged.
CREATE FUNCTION registry_api.changes(tenant text, consumer text, max_changes integer DEFAULT 100)
RETURNS TABLE (cursor text, user_id text, sequence bigint, from_status text, to_status text, reference_id text,
  resource text, cause_type text, cause_id text, recorded_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
#variable_conflict use_column
DECLARE
  id uuid := registry_api.enter($1);
  here record;
BEGIN
  IF $3 IS NULL OR $3 NOT BETWEEN 1 AND 10000 THEN
    RAISE EXCEPTION 'max_changes takes a number from 1 to 10000' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO registry.change_consumer (tenant_id, name, position, user_id, sequence) VALUES (id, $2, 0, '', 0)
  ON CONFLICT (tenant_id, name) DO NOTHING;
  SELECT c.position, c.user_id, c.sequence INTO here
  FROM registry.change_consumer c WHERE c.tenant_id = id AND c.name = $2 FOR UPDATE;
  RETURN QUERY
  SELECT h.position || ':' || h.sequence || ':' || h.user_id, h.user_id, h.sequence, h.from_status, h.to_status,
    coalesce(
      (SELECT m.into_reference_id FROM registry.app_user_merge m
       WHERE m.tenant_id = id AND m.reference_id = c.reference_id), c.reference_id),
    c.resource, h.cause_type, h.cause_id, h.recorded_at
  FROM registry.connection_change h
  JOIN registry.connection c ON c.tenant_id = id AND c.user_id = h.user_id
  WHERE h.tenant_id = id AND (h.position, h.user_id, h.sequence) > (here.position, here.user_id, here.sequence)
    AND h.position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
      + (SELECT t.change_offset FROM registry.tenant t WHERE t.tenant_id = id)
  ORDER BY h.position, h.user_id, h.sequence LIMIT $3;
END
$$;

-- Says that a consumer is done with everything up to a change; true where it went forward.
CREATE FUNCTION registry_api.acknowledge(tenant text, consumer text, cursor text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
#variable_conflict use_column
DECLARE
  id uuid := registry_api.enter($1);
  parts text[] := regexp_match($3, '^([0-9]{1,18}):([0-9]{1,18}):(.*)$');
BEGIN
  IF parts IS NULL OR parts[1]::bigint >= (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + t.change_offset
    FROM registry.tenant t WHERE t.tenant_id = id)
  THEN
    RAISE EXCEPTION 'this is not a cursor of registry_api.changes' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE registry.change_consumer c
  SET position = parts[1]::bigint, user_id = parts[3], sequence = parts[2]::bigint, acknowledged_at = now()
  WHERE c.tenant_id = id AND c.name = $2
    AND (c.position, c.user_id, c.sequence) < (parts[1]::bigint, parts[3], parts[2]::bigint);
  IF FOUND THEN RETURN true; END IF;
  IF NOT EXISTS (SELECT FROM registry.change_consumer c WHERE c.tenant_id = id AND c.name = $2) THEN
    RAISE EXCEPTION 'this consumer has never read: call registry_api.changes first' USING ERRCODE = 'no_data_found';
  END IF;
  RETURN false;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA registry_api FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry_api.connections(text, text), registry_api.connection(text, text),
  registry_api.app_user_ensure(text, text), registry_api.changes(text, text, integer),
  registry_api.acknowledge(text, text, text) TO registry_embedder;
ALTER FUNCTION registry_api.enter(text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.connections(text, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.connection(text, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.app_user_ensure(text, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.changes(text, text, integer) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.acknowledge(text, text, text) OWNER TO registry_embedding;
REVOKE CREATE ON SCHEMA registry_api FROM registry_embedding;
