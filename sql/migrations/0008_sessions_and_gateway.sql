-- breaking: yes
-- transaction: yes

-- A mobile session has a token and no redirect, and one begun through the gateway only the redirects that its client
-- gave. Where there is no URL, no browser is waited for.
ALTER TABLE registry.auth_session
  ALTER COLUMN return_success DROP NOT NULL,
  ALTER COLUMN return_failure DROP NOT NULL,
  DROP CONSTRAINT auth_session_kind_known,
  ADD CONSTRAINT auth_session_kind_known CHECK (kind IN ('direct', 'widget', 'mobile')),
  ADD COLUMN channel text NOT NULL DEFAULT 'api',
  ADD CONSTRAINT auth_session_channel_known CHECK (channel IN ('api', 'gateway')),
  -- The stable code of the refusal, so that a repetition of the request gets the same problem.
  ADD COLUMN refused_code text,
  -- The connection that the attempt is to replace.
  ADD COLUMN replaces text COLLATE "C",
  -- Whether the browser that comes back must be the one that began.
  ADD COLUMN is_bound boolean NOT NULL DEFAULT false,
  -- The token of a phone, sealed, where a repetition of the request must give the same one.
  ADD COLUMN sealed_token bytea;

-- Whether the browser showed the cookie of its session; NULL where none was asked for.
ALTER TABLE registry.redirect_callback ADD COLUMN is_bound boolean;

ALTER TABLE registry.tenant ADD COLUMN binds_browser boolean NOT NULL DEFAULT false;
