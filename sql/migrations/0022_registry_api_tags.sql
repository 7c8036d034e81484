-- breaking: no
-- transaction: yes

-- Tags inside a team's own transactions, by the rules of the library: its `Tag` and `TagChanges` say the same.
CREATE POLICY embedding ON registry.tag TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE, UPDATE (value) ON registry.tag TO registry_embedding;

-- What has the tags is locked while they change, as the library does. To lock takes a right to change some column, and a
-- policy that is not about reading alone: the tenant is the one column that the policy lets nobody change.
DROP POLICY embedding ON registry.connection;
CREATE POLICY embedding ON registry.connection TO registry_embedding
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT UPDATE (tenant_id) ON registry.connection, registry.app_user TO registry_embedding;

GRANT CREATE ON SCHEMA registry_api TO registry_embedding;

-- Sets or takes away a tag of what the calling function has locked; true where that changed something. Nobody but the
-- functions may call it.
CREATE FUNCTION registry_api.change_tag(
  id uuid, subject_type text, subject text, key text, is_set boolean, value text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  IF NOT coalesce($4 COLLATE "C" ~ '^[a-z][a-z0-9_.-]{0,63}$', false) THEN
    RAISE EXCEPTION 'a key is 1 to 64 of a-z, 0-9, _, -, ., beginning with a letter'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF NOT $5 THEN
    DELETE FROM registry.tag t
    WHERE t.tenant_id = $1 AND t.subject_type = $2 AND t.subject = $3 AND t.key = $4;
    RETURN FOUND;
  END IF;
  IF $6 IS NULL OR char_length($6) > 256 THEN
    RAISE EXCEPTION 'a value has up to 256 characters, and is not NULL' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF (SELECT count(*) FROM registry.tag t
      WHERE t.tenant_id = $1 AND t.subject_type = $2 AND t.subject = $3 AND t.key <> $4) >= 32
  THEN
    RAISE EXCEPTION 'a thing has at most 32 tags: take others away' USING ERRCODE = 'program_limit_exceeded';
  END IF;
  INSERT INTO registry.tag AS t (tenant_id, subject_type, subject, key, value) VALUES ($1, $2, $3, $4, $6)
  ON CONFLICT (tenant_id, subject_type, subject, key) DO UPDATE SET value = excluded.value
  WHERE t.tenant_id = $1 AND t.value IS DISTINCT FROM excluded.value;
  RETURN FOUND;
END
$$;

-- Locks an app user until the transaction ends. Nobody but the functions may call it.
CREATE FUNCTION registry_api.hold_app_user(id uuid, reference_id text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM FROM registry.app_user a WHERE a.tenant_id = $1 AND a.reference_id = $2 FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the registry knows no such app user' USING ERRCODE = 'no_data_found',
      HINT = 'Call registry_api.app_user_ensure first.';
  END IF;
END
$$;

-- Locks a connection until the transaction ends. Nobody but the functions may call it.
CREATE FUNCTION registry_api.hold_connection(id uuid, user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM FROM registry.connection c WHERE c.tenant_id = $1 AND c.user_id = $2 FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the registry knows no such connection' USING ERRCODE = 'no_data_found';
  END IF;
END
$$;

-- Sets a tag of an app user; true where it was not so before.
CREATE FUNCTION registry_api.app_user_tag(tenant text, reference_id text, key text, value text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
DECLARE
  id uuid := registry_api.enter($1);
BEGIN
  PERFORM registry_api.hold_app_user(id, $2);
  RETURN registry_api.change_tag(id, 'app_user', $2, $3, true, $4);
END
$$;

-- Takes a tag of an app user away; true where there was one.
CREATE FUNCTION registry_api.app_user_untag(tenant text, reference_id text, key text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
DECLARE
  id uuid := registry_api.enter($1);
BEGIN
  PERFORM registry_api.hold_app_user(id, $2);
  RETURN registry_api.change_tag(id, 'app_user', $2, $3, false, NULL);
END
$$;

-- Sets a tag of a connection, in whatever state it is; true where it was not so before.
CREATE FUNCTION registry_api.connection_tag(tenant text, user_id text, key text, value text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
DECLARE
  id uuid := registry_api.enter($1);
BEGIN
  PERFORM registry_api.hold_connection(id, $2);
  RETURN registry_api.change_tag(id, 'connection', $2, $3, true, $4);
END
$$;

-- Takes a tag of a connection away; true where there was one.
CREATE FUNCTION registry_api.connection_untag(tenant text, user_id text, key text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET registry.tenant_id = '' AS $$
DECLARE
  id uuid := registry_api.enter($1);
BEGIN
  PERFORM registry_api.hold_connection(id, $2);
  RETURN registry_api.change_tag(id, 'connection', $2, $3, false, NULL);
END
$$;

REVOKE ALL ON FUNCTION registry_api.change_tag(uuid, text, text, text, boolean, text),
  registry_api.hold_app_user(uuid, text), registry_api.hold_connection(uuid, text),
  registry_api.app_user_tag(text, text, text, text), registry_api.app_user_untag(text, text, text),
  registry_api.connection_tag(text, text, text, text), registry_api.connection_untag(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry_api.app_user_tag(text, text, text, text),
  registry_api.app_user_untag(text, text, text), registry_api.connection_tag(text, text, text, text),
  registry_api.connection_untag(text, text, text) TO registry_embedder;
ALTER FUNCTION registry_api.change_tag(uuid, text, text, text, boolean, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.hold_app_user(uuid, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.hold_connection(uuid, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.app_user_tag(text, text, text, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.app_user_untag(text, text, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.connection_tag(text, text, text, text) OWNER TO registry_embedding;
ALTER FUNCTION registry_api.connection_untag(text, text, text) OWNER TO registry_embedding;
REVOKE CREATE ON SCHEMA registry_api FROM registry_embedding;
