// One role at one subnet, and at no other.
param principal string
param role string
param network string
param subnet string

resource parent 'Microsoft.Network/virtualNetworks@2024-01-01' existing = {
  name: network
}

resource target 'Microsoft.Network/virtualNetworks/subnets@2024-01-01' existing = {
  parent: parent
  name: subnet
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
