// Who rotator is to Azure. Nobody knows a secret of it, because it has none.
param name string
param location string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

output id string = identity.id
output name string = identity.name
output client string = identity.properties.clientId
output principal string = identity.properties.principalId
