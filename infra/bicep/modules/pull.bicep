// The image, and nothing else of the registry.
param principal string
param registry string

var acrPull = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')

resource images 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registry
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(images.id, principal, acrPull)
  scope: images
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: acrPull
  }
}
