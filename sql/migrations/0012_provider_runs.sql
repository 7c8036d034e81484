-- breaking: no
-- transaction: yes

-- What a run does beside comparing what is recorded, and how far it has come with it, so that any process can go on:
-- Terra's listing (`provider` says how it ended), then the repairs, oldest finding first.
ALTER TABLE registry.reconciliation_run
  ADD COLUMN asks_provider boolean NOT NULL DEFAULT false,
  ADD COLUMN provider      text,
  ADD COLUMN repair        text    NOT NULL DEFAULT 'none',
  ADD COLUMN repaired_to   timestamptz,
  ADD COLUMN repaired_id   uuid,
  ADD COLUMN is_partial    boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT reconciliation_run_provider_known CHECK (provider IN ('complete', 'incomplete')),
  ADD CONSTRAINT reconciliation_run_repair_known CHECK (repair IN ('none', 'safe'));

-- Since when an id differs, over all listings: a webhook may still be on its way, whatever number of listings is read.
ALTER TABLE registry.provider_difference ADD COLUMN since timestamptz;

-- When a run has last asked for Terra's listing to its end.
ALTER TABLE registry.reconciliation_state ADD COLUMN provider_at timestamptz;

-- What the schedule does for a tenant: how often it asks for the listing (0 is never), and how far it may go.
ALTER TABLE registry.tenant
  ADD COLUMN provider_every_seconds double precision,
  ADD COLUMN repair                 text NOT NULL DEFAULT 'none',
  ADD CONSTRAINT tenant_provider_every_known CHECK (provider_every_seconds >= 0),
  ADD CONSTRAINT tenant_repair_known CHECK (repair IN ('none', 'safe'));
