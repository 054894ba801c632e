// A network of its own: one subnet for the app, one for the database, and the zone that finds the database. From the app's subnet vaults and
// accounts are reached by service endpoints, so that their firewalls can let it in by its id.
param name string
param location string

resource network 'Microsoft.Network/virtualNetworks@2024-01-01' = {
  name: name
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: ['10.80.0.0/22']
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '10.80.0.0/23'
          networkSecurityGroup: {
            id: rules.id
          }
          serviceEndpoints: [
            {
              service: 'Microsoft.KeyVault'
            }
            {
              service: 'Microsoft.CognitiveServices'
            }
          ]
          delegations: [
            {
              name: 'app'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'ledger'
        properties: {
          addressPrefix: '10.80.2.0/28'
          networkSecurityGroup: {
            id: rules.id
          }
          delegations: [
            {
              name: 'ledger'
              properties: {
                serviceName: 'Microsoft.DBforPostgreSQL/flexibleServers'
              }
            }
          ]
        }
      }
    ]
  }
}

// The defaults: from the network itself and Azure's load balancer, and from nowhere else.
resource rules 'Microsoft.Network/networkSecurityGroups@2024-01-01' = {
  name: name
  location: location
}

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = {
  name: '${name}.private.postgres.database.azure.com'
  location: 'global'
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = {
  parent: zone
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}

output appSubnet string = '${network.id}/subnets/app'
output ledgerSubnet string = '${network.id}/subnets/ledger'
output zone string = zone.id
