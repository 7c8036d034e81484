// TerraSandbox
