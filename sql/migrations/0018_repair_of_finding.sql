-- breaking: no
-- transaction: yes

-- What the last repair did about a finding, why, when, and by which correction.
ALTER TABLE registry.finding
  ADD COLUMN repair_act        text,
  ADD COLUMN repair_reason     text,
  ADD COLUMN repair_at         timestamptz,
  ADD COLUMN repair_correction uuid,
  ADD CONSTRAINT finding_repair_act_known CHECK (repair_act IN ('confirmed', 'ended', 'left', 'undone')),
  ADD CONSTRAINT finding_repair_whole CHECK (
    (repair_act IS NULL) = (repair_reason IS NULL) AND (repair_act IS NULL) = (repair_at IS NULL));
