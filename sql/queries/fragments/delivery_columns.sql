-- What a delivery is shown as.
d.delivery_id, d.endpoint_id, d.type, d.user_id, d.finding_id, d.sequence, d.state, d.attempts, d.created_at, d.last_attempt_at,
CASE WHEN d.state = 'pending' THEN d.next_attempt_at END AS next_attempt_at, d.last_status, d.last_error, d.settled_at
