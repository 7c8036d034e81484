// ConnectionRegistryHummingbird
