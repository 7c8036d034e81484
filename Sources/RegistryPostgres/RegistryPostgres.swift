// RegistryPostgres
