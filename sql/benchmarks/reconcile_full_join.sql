-- What scripts/bench reconcile compares a whole pass with: the bare join of events and callbacks that lists where they
-- differ. It sees nothing of sessions, connections, times, or several facts about one thing.
SELECT e.event_id, b.callback_id
FROM (
  SELECT x.event_id, x.user_id, x.reference_id, x.resource FROM registry.auth_event x
  JOIN registry.tenant t ON t.tenant_id = x.tenant_id WHERE x.kind = 'auth_success') e
FULL JOIN (
  SELECT x.callback_id, x.user_id, x.reference_id, x.resource FROM registry.redirect_callback x
  JOIN registry.tenant t ON t.tenant_id = x.tenant_id WHERE x.outcome = 'success') b ON b.user_id = e.user_id
WHERE e.event_id IS NULL OR b.callback_id IS NULL OR b.reference_id <> e.reference_id OR b.resource <> e.resource
