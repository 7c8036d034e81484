-- breaking: no
-- transaction: yes

-- Which connections began in a window, for telling a tenant's own from other tenants'.
GRANT SELECT (created_at) ON registry.connection TO registry_worker;
