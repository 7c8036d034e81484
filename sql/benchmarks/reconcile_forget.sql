-- Takes away again what was loaded as new, and lets the next run begin now. The history ends a day ago.
SET session_replication_role = replica;
DELETE FROM registry.connection_change WHERE recorded_at > now() - interval '1 hour';
DELETE FROM registry.connection WHERE recorded_at > now() - interval '1 hour';
DELETE FROM registry.redirect_callback WHERE recorded_at > now() - interval '1 hour';
DELETE FROM registry.auth_event WHERE recorded_at > now() - interval '1 hour';
DELETE FROM registry.auth_session WHERE created_at > now() - interval '1 hour';
UPDATE registry.reconciliation_state SET watermark = now();
