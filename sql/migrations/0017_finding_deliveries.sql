-- breaking: no
-- transaction: yes

-- How far a finding has escalated since it opened: ten for each degree of severity above info, and one for each bound of
-- age that it has passed; and how much of that is logged.
ALTER TABLE registry.finding
  ADD COLUMN escalation           integer NOT NULL DEFAULT 0,
  ADD COLUMN announced_escalation integer NOT NULL DEFAULT 0;

-- What stands today is no news by what it has passed so far.
UPDATE registry.finding f
SET escalation = n.escalation, announced_escalation = n.escalation
FROM (
  SELECT o.tenant_id, o.finding_id, CASE o.severity
      WHEN 'critical' THEN 20 + width_bucket(o.age, ARRAY[14400, 86400, 604800, 2592000]::double precision[])
      WHEN 'warning' THEN 10 + width_bucket(o.age, ARRAY[86400, 604800, 2592000]::double precision[])
      ELSE width_bucket(o.age, ARRAY[604800, 2592000]::double precision[]) END AS escalation
  FROM (
    SELECT x.tenant_id, x.finding_id, x.severity,
      extract(epoch FROM now() - coalesce(x.opened_at, x.first_seen_at))::double precision AS age
    FROM registry.finding x) o) n
WHERE n.tenant_id = f.tenant_id AND n.finding_id = f.finding_id;

-- Empty between transactions: what a slice has changed and not yet logged.
DROP INDEX registry.finding_unannounced;
CREATE INDEX finding_unannounced ON registry.finding (tenant_id)
  WHERE announced_status IS DISTINCT FROM status OR announced_escalation IS DISTINCT FROM escalation;

-- Which transitions of findings an endpoint wants; none unless it says so.
ALTER TABLE registry.endpoint
  ADD COLUMN finding_types text[] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT endpoint_finding_types_known CHECK
    (finding_types <@ ARRAY['finding.opened', 'finding.escalated', 'finding.resolved', 'finding.reopened']);

-- A delivery may tell of a finding instead of a connection. The transitions of one finding wait for one another, too.
ALTER TABLE registry.delivery
  ADD COLUMN finding_id uuid,
  DROP COLUMN queue,
  DROP CONSTRAINT delivery_change_numbered,
  ADD CONSTRAINT delivery_change_numbered CHECK
    ((sequence IS NULL) = (user_id IS NULL AND finding_id IS NULL) AND (user_id IS NULL OR finding_id IS NULL));
ALTER TABLE registry.delivery
  ADD COLUMN queue text COLLATE "C" NOT NULL
    GENERATED ALWAYS AS (coalesce(user_id, 'finding ' || finding_id::text, delivery_id::text)) STORED;
CREATE INDEX delivery_queue ON registry.delivery (tenant_id, endpoint_id, queue, sequence) WHERE state = 'pending';
