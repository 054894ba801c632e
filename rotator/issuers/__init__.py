"""The services that make keys. One file each; they fulfil the engine's `Issuer` and `DataPlane`."""
