// `Resource`, `ConnectionStatus` and what else the library's own declarations name.
@_exported public import RegistryModel
