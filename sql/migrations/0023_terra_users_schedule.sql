-- breaking: no
-- transaction: yes

-- A tenant may carry, sealed as its other secrets, how the database is reached in which Terra keeps its table
-- `terra_users`; the schedule then copies the table whenever it asks for the listing.
ALTER TABLE registry.tenant_secret
  DROP CONSTRAINT tenant_secret_purpose_known,
  ADD CONSTRAINT tenant_secret_purpose_known
    CHECK (purpose IN ('terra_api_key', 'terra_signing', 'terra_users_url'));

ALTER TABLE registry.tenant ADD COLUMN copies_terra_users boolean NOT NULL DEFAULT false;

-- Whether a run copies it, and how that ended, so that a process that goes on with the run does not copy it again.
ALTER TABLE registry.reconciliation_run
  ADD COLUMN copies_terra_users boolean NOT NULL DEFAULT false,
  ADD COLUMN terra_users        text,
  ADD CONSTRAINT reconciliation_run_terra_users_known CHECK (terra_users IN ('complete', 'incomplete'));

-- When a run has last copied it to its end.
ALTER TABLE registry.reconciliation_state ADD COLUMN terra_users_at timestamptz;
