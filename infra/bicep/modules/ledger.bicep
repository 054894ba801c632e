// What rotator remembers, on PostgreSQL: tokens of Entra only, no password exists. Losing it costs at most one extra mint a credential.
param name string
param location string
param administrators object
param geoBackup bool
param subnet string
param zone string

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: name
  location: location
  // Each worker may open 32 connections, and the smallest size takes 35 of users' in all; this one takes 414.
  sku: {
    name: 'Standard_B2s'
    tier: 'Burstable'
  }
  properties: {
    version: '16'
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: tenant().tenantId
    }
    storage: {
      storageSizeGB: 32
      autoGrow: 'Enabled'
    }
    backup: {
      backupRetentionDays: 14
      geoRedundantBackup: geoBackup ? 'Enabled' : 'Disabled'
    }
    highAvailability: {
      mode: 'Disabled'
    }
    network: empty(subnet) ? {
      publicNetworkAccess: 'Enabled'
    } : {
      delegatedSubnetResourceId: subnet
      privateDnsZoneArmResourceId: zone
      publicNetworkAccess: 'Disabled'
    }
  }
}

resource database 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2024-08-01' = {
  parent: server
  name: 'rotator'
  properties: {
    charset: 'UTF8'
    collation: 'en_US.utf8'
  }
}

resource administration 'Microsoft.DBforPostgreSQL/flexibleServers/administrators@2024-08-01' = {
  parent: server
  name: administrators.objectId
  properties: {
    principalName: administrators.name
    principalType: 'Group'
    tenantId: tenant().tenantId
  }
  dependsOn: [database]
}

// Without a network of its own: Azure's own addresses may knock, and who has no token gets no further.
resource azure 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2024-08-01' = if (empty(subnet)) {
  parent: server
  name: 'azure'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
  dependsOn: [administration]
}

output host string = server.properties.fullyQualifiedDomainName
