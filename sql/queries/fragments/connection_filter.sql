-- Which connections a page holds, beside the tenant's: $2 to $5 and $7 to $11.
  AND ($2::text IS NULL OR c.resource = $2) AND c.status = ANY ($3::text[])
  AND ($4::timestamptz IS NULL OR (c.created_at, c.user_id) > ($4, $5::text))
  AND ($7::timestamptz IS NULL OR c.created_at >= $7) AND ($8::timestamptz IS NULL OR c.created_at < $8)
  AND ($9::timestamptz IS NULL OR c.recorded_at >= $9) AND ($10::timestamptz IS NULL OR c.recorded_at < $10)
  AND ($11::timestamptz IS NULL OR coalesce(c.last_data_at, '-infinity') < $11)
