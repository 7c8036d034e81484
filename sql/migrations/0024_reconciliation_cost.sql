-- breaking: no
-- transaction: yes

-- Live connections that nobody is named for, by their beginning, for the run over everything. There are few.
CREATE INDEX connection_unattributed ON registry.connection (tenant_id, created_at)
  WHERE reference_id IS NULL AND status IN ('active', 'degraded');

-- After which standing finding the next run goes on to look at a part of them, and after which once a run is complete; NULL
-- is the beginning.
ALTER TABLE registry.reconciliation_run
  ADD COLUMN standing_family  text COLLATE "C",
  ADD COLUMN standing_subject text COLLATE "C";
ALTER TABLE registry.reconciliation_state
  ADD COLUMN standing_family  text COLLATE "C",
  ADD COLUMN standing_subject text COLLATE "C",
  ADD CONSTRAINT reconciliation_state_standing_whole CHECK ((standing_family IS NULL) = (standing_subject IS NULL));

-- What a run has opened and resolved, counted at its end without reading what others have.
CREATE INDEX finding_opened_run ON registry.finding (tenant_id, opened_run) INCLUDE (for_operators)
  WHERE status IN ('open', 'acknowledged');
CREATE INDEX finding_resolved_run ON registry.finding (tenant_id, resolved_run, status) INCLUDE (for_operators)
  WHERE resolved_run IS NOT NULL;

-- What a slice has changed and not yet logged, as a column, because of a comparison the planner takes it that nearly all
-- rows fulfil it, and reads them all.
ALTER TABLE registry.finding ADD COLUMN is_unannounced boolean NOT NULL GENERATED ALWAYS AS (
  announced_status IS DISTINCT FROM status OR announced_escalation IS DISTINCT FROM escalation) STORED;
DROP INDEX registry.finding_unannounced;
CREATE INDEX finding_unannounced ON registry.finding (tenant_id) WHERE is_unannounced;
