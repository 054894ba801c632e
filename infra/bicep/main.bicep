// rotator on Azure, from nothing: who it is, what it may do, where it runs, where it remembers, and who tells it of leaks.
// Deployed at a subscription. Roles are defined there; they are assigned at the resource groups that you name, and nowhere else.
targetScope = 'subscription'

@description('Where rotator itself runs.')
param location string = deployment().location

@description('The resource group of rotator itself; made if it is not there.')
param group string = 'rg-rotator'

@minLength(3)
@maxLength(20)
@description('How everything is called.')
param name string = 'rotator'

@description('The image of infra/image in your registry, by digest: NAME.azurecr.io/rotator@sha256:…')
param image string

@description('The name of that registry, and its resource group in this subscription.')
param registry object

@description('rotator.yaml. It holds no secret, only references to secrets.')
param settings string

@description('What env: references of the settings name, as secrets of a vault in vaultGroups: [{ env: GITHUB_WEBHOOK_SECRET, url: https://VAULT.vault.azure.net/secrets/NAME }]')
param secrets array = []

@description('Resource groups whose Cognitive Services accounts are rotated.')
param accountGroups array

@description('Resource groups whose accounts may also be contained: local auth switched off. None, or a choice of the ones above.')
param containGroups array = []

@description('Resource groups with the vaults that keys are published in.')
param vaultGroups array

@description('Dependents: [{ kind: app-service, group: rg-apps }], by the word that kind: says in the settings.')
param dependents array = []

@description('Identities that container groups among them have, and that are written back with them: [{ name: id-chat, group: rg-apps }].')
param linkedIdentities array = []

@description('Subnets that container groups among them are in: [{ network: vnet, name: apps, group: rg-network }].')
param linkedSubnets array = []

@description('The name of the database server: there is one of a name in the world. The host in the settings begins with it.')
param ledgerName string = '${name}-ledger'

@description('The Entra group that administers the database: { objectId, name }.')
param databaseAdministrators object

@description('Key Vaults and their groups whose events are sent: [{ vault: kv-prod, group: rg-vaults }].')
param watchedVaults array = []

@description('Whether the subscription tells of listed and regenerated keys. Azure allows one system topic a source: false where it has one.')
param watchSubscription bool = true

@description('The Entra application that stands for the webhook: { tenant, audience }. Without it, nothing is sent. See README.md.')
param webhook object = {}

@description('Who is told when rotator itself is down.')
param email string

@description('All in a network of its own: the database without a public address, the app behind an internal ingress.')
param private bool = false

@description('Backups of the database in the paired region too. False where the region has no pair.')
param geoBackup bool = true

@description('False at first: all but the app, and what needs it, is made. The app does not come up before the database knows its user. See README.md.')
param serve bool = true

@minValue(1)
@maxValue(10)
@description('Daemons that share the ledger. With two, one may die.')
param replicas int = 2

var roles = loadJsonContent('../roles.json')
var kinds = union(map(dependents, one => one.kind), [])
var wanted = union(['keys', 'secrets', 'survey'], empty(containGroups) ? [] : ['kill-switch'], empty(linkedIdentities) && empty(linkedSubnets) ? [] : ['links'], kinds)

resource home 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: group
  location: location
}

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [for role in wanted: {
  name: guid(subscription().id, name, role)
  properties: {
    roleName: '${roles[role].title} (${name})'
    description: roles[role].description
    type: 'CustomRole'
    permissions: [
      {
        actions: roles[role].actions
        notActions: []
        dataActions: roles[role].dataActions
        notDataActions: []
      }
    ]
    assignableScopes: [subscription().id]
  }
}]

module identity 'modules/identity.bicep' = {
  name: '${name}-identity'
  scope: home
  params: {
    name: name
    location: location
  }
}

module keys 'modules/grant.bicep' = [for one in accountGroups: {
  name: '${name}-keys-${uniqueString(one)}'
  scope: resourceGroup(one)
  params: {
    principal: identity.outputs.principal
    role: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, name, 'keys'))
  }
  dependsOn: [definitions]
}]

module contain 'modules/grant.bicep' = [for one in containGroups: {
  name: '${name}-contain-${uniqueString(one)}'
  scope: resourceGroup(one)
  params: {
    principal: identity.outputs.principal
    role: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, name, 'kill-switch'))
  }
  dependsOn: [definitions]
}]

module published 'modules/grant.bicep' = [for one in vaultGroups: {
  name: '${name}-secrets-${uniqueString(one)}'
  scope: resourceGroup(one)
  params: {
    principal: identity.outputs.principal
    role: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, name, 'secrets'))
  }
  dependsOn: [definitions]
}]

module moved 'modules/grant.bicep' = [for one in dependents: {
  name: '${name}-moves-${uniqueString(one.kind, one.group)}'
  scope: resourceGroup(one.group)
  params: {
    principal: identity.outputs.principal
    role: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, name, one.kind))
  }
  dependsOn: [definitions]
}]

module assigned 'modules/assigned.bicep' = [for one in linkedIdentities: {
  name: '${name}-assigns-${uniqueString(one.name, one.group)}'
  scope: resourceGroup(one.group)
  params: {
    principal: identity.outputs.principal
    role: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, name, 'links'))
    identity: one.name
  }
  dependsOn: [definitions]
}]

module joined 'modules/joined.bicep' = [for one in linkedSubnets: {
  name: '${name}-joins-${uniqueString(one.network, one.name, one.group)}'
  scope: resourceGroup(one.group)
  params: {
    principal: identity.outputs.principal
    role: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, name, 'links'))
    network: one.network
    subnet: one.name
  }
  dependsOn: [definitions]
}]

module surveyed 'modules/survey.bicep' = {
  name: '${name}-survey'
  params: {
    principal: identity.outputs.principal
    role: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, name, 'survey'))
  }
  dependsOn: [definitions]
}

module pulled 'modules/pull.bicep' = {
  name: '${name}-pull'
  scope: resourceGroup(registry.group)
  params: {
    principal: identity.outputs.principal
    registry: registry.name
  }
}

module network 'modules/network.bicep' = if (private) {
  name: '${name}-network'
  scope: home
  params: {
    name: name
    location: location
  }
}

module ledger 'modules/ledger.bicep' = {
  name: '${name}-ledger'
  scope: home
  params: {
    name: ledgerName
    location: location
    administrators: databaseAdministrators
    geoBackup: geoBackup
    subnet: private ? network.outputs.ledgerSubnet : ''
    zone: private ? network.outputs.zone : ''
  }
}

module app 'modules/app.bicep' = if (serve) {
  name: '${name}-app'
  scope: home
  params: {
    name: name
    location: location
    image: image
    registry: registry.name
    identity: identity.outputs.id
    client: identity.outputs.client
    settings: settings
    secrets: secrets
    replicas: replicas
    email: email
    subnet: private ? network.outputs.appSubnet : ''
  }
  dependsOn: [keys, contain, published, moved, assigned, joined, surveyed, pulled, ledger]
}

module activity 'modules/activity.bicep' = if (serve && watchSubscription && !empty(webhook)) {
  name: '${name}-activity'
  scope: home
  params: {
    name: name
    endpoint: '${app.outputs.address}/alerts/event-grid'
    webhook: webhook
  }
}

module expiry 'modules/expiry.bicep' = [for one in (serve && !empty(webhook) ? watchedVaults : []): {
  name: '${name}-expiry-${uniqueString(one.vault)}'
  scope: resourceGroup(one.group)
  params: {
    name: name
    vault: one.vault
    endpoint: '${app.outputs.address}/alerts/event-grid'
    webhook: webhook
  }
}]

@description('Where senders of alerts find it.')
output address string = serve ? app.outputs.address : ''

@description('For ledger: in the settings.')
output ledgerHost string = ledger.outputs.host

@description('The name of the identity: the user of the database.')
output identityName string = identity.outputs.name

@description('Where the app calls from, with private = true: for the network rules of vaults and accounts that have a firewall.')
output appSubnet string = private ? network.outputs.appSubnet : ''
