// ConnectionRegistry
