// RegistryTerra
