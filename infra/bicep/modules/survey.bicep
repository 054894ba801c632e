// Reads, at the subscription: what discover finds and doctor asks. No key can be read with it.
targetScope = 'subscription'

param principal string
param role string

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principal, role)
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: role
  }
}
