-- breaking: yes
-- transaction: yes

-- Where a tenant wants to be told. An endpoint that is removed stays as a row without its URL and secrets, because a
-- change that is being written at that moment may still name it.
CREATE TABLE registry.endpoint (
  tenant_id         uuid        NOT NULL,
  endpoint_id       uuid        NOT NULL,
  url               text,
  description       text        NOT NULL DEFAULT '',
  -- The states whose changes are wanted; NULL wants all.
  statuses          text[],
  sealed_secret     bytea,
  -- While a secret is being rotated the one before it signs too.
  sealed_previous   bytea,
  previous_until    timestamptz,
  created_at        timestamptz NOT NULL DEFAULT now(),
  disabled_at       timestamptz,
  disabled_reason   text,
  removed_at        timestamptz,
  -- The first failure since the last success.
  failing_since     timestamptz,
  last_success_at   timestamptz,
  -- Until when the endpoint asked to be left alone.
  paused_until      timestamptz,
  -- Which process delivers to it; the row is the lock.
  lease_id          uuid,
  lease_until       timestamptz,
  CONSTRAINT endpoint_pkey PRIMARY KEY (tenant_id, endpoint_id),
  CONSTRAINT endpoint_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT endpoint_complete CHECK (removed_at IS NOT NULL OR url IS NOT NULL AND sealed_secret IS NOT NULL),
  CONSTRAINT endpoint_disabled_reason_known CHECK (disabled_reason IN ('operator', 'gone', 'failing'))
);

-- One notification to one endpoint, with the body as it was made at the time of the change. Its id is derived from
-- endpoint and change, so a change cannot be written twice. It leads to its tenant and not to its endpoint: endpoints
-- are never deleted, and every change of a tenant would lock its endpoints' rows.
CREATE TABLE registry.delivery (
  tenant_id       uuid        NOT NULL,
  delivery_id     uuid        NOT NULL,
  endpoint_id     uuid        NOT NULL,
  type            text        NOT NULL,
  user_id         text        COLLATE "C",
  sequence        bigint,
  -- What waits for one another: the changes of one connection. Others wait for nobody.
  queue           text        COLLATE "C" NOT NULL
    GENERATED ALWAYS AS (coalesce(user_id, delivery_id::text)) STORED,
  body            text        NOT NULL,
  state           text        NOT NULL DEFAULT 'pending',
  attempts        integer     NOT NULL DEFAULT 0,
  -- When it was first due, or made due again by hand: three days count from here.
  due_since       timestamptz NOT NULL DEFAULT now(),
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  created_at      timestamptz NOT NULL DEFAULT now(),
  last_attempt_at timestamptz,
  last_status     integer,
  last_error      text,
  -- When it was delivered, or given up.
  settled_at      timestamptz,
  CONSTRAINT delivery_pkey PRIMARY KEY (tenant_id, delivery_id),
  CONSTRAINT delivery_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id),
  CONSTRAINT delivery_state_known CHECK (state IN ('pending', 'delivered', 'failed')),
  CONSTRAINT delivery_change_numbered CHECK ((user_id IS NULL) = (sequence IS NULL)),
  CONSTRAINT delivery_settled CHECK ((state = 'pending') = (settled_at IS NULL))
);

-- What is due at an endpoint; what of a connection comes first; lists by time, by endpoint and by connection; what can
-- be cleaned away.
CREATE INDEX delivery_due ON registry.delivery (tenant_id, endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX delivery_queue ON registry.delivery (tenant_id, endpoint_id, queue, sequence) WHERE state = 'pending';
CREATE INDEX delivery_created_at ON registry.delivery (tenant_id, created_at, delivery_id);
CREATE INDEX delivery_endpoint ON registry.delivery (tenant_id, endpoint_id, created_at, delivery_id);
CREATE INDEX delivery_user_id ON registry.delivery (tenant_id, user_id, sequence) WHERE user_id IS NOT NULL;
CREATE INDEX delivery_settled_at ON registry.delivery (tenant_id, endpoint_id, settled_at) WHERE state <> 'pending';

-- A change locks its tenant's row for sharing before its deliveries are written, and who adds an endpoint locks it
-- alone: so a change either sees the endpoint, or was committed before it was added.
ALTER TABLE registry.connection_change
  ADD CONSTRAINT connection_change_tenant FOREIGN KEY (tenant_id) REFERENCES registry.tenant (tenant_id);

ALTER TABLE registry.endpoint ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.endpoint TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON registry.endpoint TO registry_service;
-- Which endpoints have something due, and which have something old: neither where they are nor what is sent.
CREATE POLICY worker ON registry.endpoint FOR SELECT TO registry_worker USING (true);
GRANT SELECT (tenant_id, endpoint_id, disabled_at, removed_at, failing_since, paused_until, lease_until)
  ON registry.endpoint TO registry_worker;

ALTER TABLE registry.delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY service ON registry.delivery TO registry_service
  USING (tenant_id = nullif(current_setting('registry.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.delivery TO registry_service;
CREATE POLICY worker ON registry.delivery FOR SELECT TO registry_worker USING (true);
GRANT SELECT (tenant_id, endpoint_id, state, next_attempt_at, created_at, settled_at)
  ON registry.delivery TO registry_worker;
