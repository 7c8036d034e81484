-- What a connection is shown as.
c.user_id, c.resource, c.reference_id, c.status, c.scopes, c.superseded_by, c.last_data_at, c.created_at, c.recorded_at
