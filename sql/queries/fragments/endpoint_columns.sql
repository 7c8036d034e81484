-- What an endpoint is shown as.
e.endpoint_id, e.url, e.description, e.statuses, e.finding_types, e.created_at, e.disabled_at, e.disabled_reason, e.failing_since,
e.last_success_at, CASE WHEN e.previous_until > now() THEN e.previous_until END AS previous_secret_until
