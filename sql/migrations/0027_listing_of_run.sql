-- breaking: no
-- transaction: yes

-- Which of Terra's listings a run reads, so that whoever goes on with the run takes no other run's for its own.
-- Up to which id it has collected what the last listings differ in, and whether all of it.
ALTER TABLE registry.reconciliation_run
  ADD COLUMN listing_id   uuid,
  ADD COLUMN differed_to  text COLLATE "C",
  ADD COLUMN has_differed boolean NOT NULL DEFAULT false;
