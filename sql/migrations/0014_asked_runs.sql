-- breaking: yes
-- transaction: yes

-- Runs that were asked for and not yet begun are rows like the others, so that whoever asked can look, and no process has
-- to live until one is over.
ALTER TABLE registry.reconciliation_run
  ADD COLUMN is_full boolean NOT NULL DEFAULT false,
  DROP CONSTRAINT reconciliation_run_outcome_known,
  ADD CONSTRAINT reconciliation_run_outcome_known
    CHECK (outcome IN ('queued', 'running', 'complete', 'partial', 'failed'));

CREATE INDEX reconciliation_run_queued ON registry.reconciliation_run (tenant_id, started_at, run_id)
  WHERE outcome = 'queued';

-- Since when a run that was asked for waits or is under way: such a tenant is due, whatever the schedule says.
ALTER TABLE registry.reconciliation_state ADD COLUMN asked_at timestamptz;
