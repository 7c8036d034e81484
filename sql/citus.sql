-- Optional: spreads the tenants over a Citus cluster. Run it as the owner on the coordinator, after every migration;
-- it does nothing on plain PostgreSQL, and nothing the second time.
DO $citus$
DECLARE
  -- In the order of the foreign keys: what is referred to is distributed first.
  tables CONSTANT text[] := ARRAY[
    'tenant', 'tenant_secret', 'api_key', 'app_user', 'auth_session', 'auth_event_key', 'auth_event', 'webhook_receipt',
    'webhook_receipt_count', 'redirect_callback', 'correction', 'connection', 'connection_change',
    'change_consumer', 'embedder',
    'reconciliation_state', 'reconciliation_run', 'reconciliation_subject', 'finding',
    'finding_change', 'provider_listing', 'provider_listing_user', 'provider_difference', 'endpoint', 'delivery',
    'tag', 'app_user_merge', 'audit_entry', 'idempotent_request', 'erased_subject', 'erasure_scope'];
  name text;
  distributed boolean;
BEGIN
  IF to_regclass('pg_dist_partition') IS NULL THEN
    RETURN;
  END IF;
  -- Without this the tenant's SET LOCAL stays on the coordinator, and the shards' row-level security shows no rows. The
  -- service's login has it from the database, because settings of a group role do not reach its members.
  EXECUTE format('ALTER DATABASE %I SET citus.propagate_set_commands = %L', current_database(), 'local');
  FOREACH name IN ARRAY tables LOOP
    EXECUTE 'SELECT EXISTS (SELECT 1 FROM pg_dist_partition p WHERE p.logicalrelid = $1::regclass)'
      INTO distributed USING 'registry.' || name;
    IF NOT distributed THEN
      EXECUTE 'SELECT create_distributed_table($1::regclass, $2, colocate_with => $3)'
        USING 'registry.' || name, 'tenant_id', CASE name WHEN 'tenant' THEN 'none' ELSE 'registry.tenant' END;
    END IF;
  END LOOP;
END
$citus$;
