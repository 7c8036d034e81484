-- breaking: no
-- transaction: yes

-- Since when all that waits for an endpoint is due, because it was enabled or answers again; NULL once every delivery says
-- so. Whoever serves the endpoint tells them, in slices, before it goes on; a process that is killed leaves the mark.
ALTER TABLE registry.endpoint
  ADD COLUMN backlog_due_at timestamptz,
  -- Whether they have all their attempts before them again.
  ADD COLUMN backlog_resets boolean NOT NULL DEFAULT false;
GRANT SELECT (backlog_due_at) ON registry.endpoint TO registry_worker;
