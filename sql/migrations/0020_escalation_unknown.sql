-- breaking: no
-- transaction: yes

-- A version that knows nothing of escalations opens findings as well, during an upgrade: how severe such a one was when it
-- opened is told by nobody, and is not zero.
ALTER TABLE registry.finding
  ALTER COLUMN escalation           SET DEFAULT -1,
  ALTER COLUMN announced_escalation SET DEFAULT -1;
