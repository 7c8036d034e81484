-- The migrator's own statements. The owner runs those that write, before any migration has; any role may read the log.

-- name: migration_schema_create
-- role: owner
-- Two first runs at once can both pass the check of IF NOT EXISTS: one gets 23505 or 42P06 and tries again.
CREATE SCHEMA IF NOT EXISTS registry;

-- name: migration_log_create
-- role: owner
CREATE TABLE IF NOT EXISTS registry.migration_log (
  number integer CONSTRAINT migration_log_pkey PRIMARY KEY,
  name text NOT NULL,
  checksum text NOT NULL CONSTRAINT migration_log_checksum_is_sha256 CHECK (checksum ~ '^[0-9a-f]{64}$'),
  breaking boolean NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: migration_log_exists
-- role: worker
SELECT to_regclass('registry.migration_log') IS NOT NULL AS found;

-- name: migration_log_lock
-- role: owner
-- Holds until the transaction's end; conflicts with itself and with writers, so reading `migrate status` goes on.
LOCK TABLE registry.migration_log IN SHARE ROW EXCLUSIVE MODE;

-- name: migration_log_list
-- role: worker
SELECT number, name, checksum, breaking, applied_at
FROM registry.migration_log
ORDER BY number;

-- name: migration_log_insert
-- role: owner
INSERT INTO registry.migration_log (number, name, checksum, breaking)
VALUES ($1, $2, $3, $4);
