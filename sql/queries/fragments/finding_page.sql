-- A page of the findings that a filter asks for.
FROM registry.finding f
WHERE f.tenant_id = $1::uuid AND ($2::uuid IS NULL OR f.finding_id = $2)
  AND ($3::text IS NULL OR f.kind = $3)
  AND f.severity = ANY ($4::text[])
  AND CASE WHEN f.status = 'acknowledged' AND f.acknowledged_until <= now() THEN 'open' ELSE f.status END
    = ANY ($5::text[])
  AND ($9::timestamptz IS NULL OR f.first_seen_at >= $9) AND ($10::timestamptz IS NULL OR f.first_seen_at < $10)
  AND ($6::timestamptz IS NULL OR (f.first_seen_at, f.finding_id) > ($6, $7::uuid))
ORDER BY f.first_seen_at, f.finding_id LIMIT $8::bigint
