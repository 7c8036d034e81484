// RegistryModel
