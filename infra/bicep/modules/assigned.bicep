// One role at one identity, and at no other.
param principal string
param role string
param identity string

resource target 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identity
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(target.id, principal, role)
  scope: target
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: role
  }
}
