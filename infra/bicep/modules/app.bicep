// The daemon as a Container App, its log in Log Analytics, and who is told when no replica of it runs.
param name string
param location string
param image string
param registry string
param identity string
param client string
param settings string
param secrets array
param replicas int
param email string
param subnet string

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: name
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 90
  }
}

resource environment 'Microsoft.App/managedEnvironments@2024-03-01' = {
  name: name
  location: location
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
    vnetConfiguration: empty(subnet) ? null : {
      infrastructureSubnetId: subnet
      internal: true
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
    zoneRedundant: false
  }
}

var referred = [for (one, number) in secrets: {
  name: 'env-${number}'
  keyVaultUrl: one.url
  identity: identity
}]
var named = [for (one, number) in secrets: {
  name: one.env
  secretRef: 'env-${number}'
}]

resource app 'Microsoft.App/containerApps@2024-03-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity}': {}
    }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        external: true
        targetPort: 8080
        transport: 'http'
        allowInsecure: false
      }
      registries: [
        {
          server: '${registry}.azurecr.io'
          identity: identity
        }
      ]
      secrets: concat([
        {
          name: 'settings'
          value: settings
        }
      ], referred)
    }
    template: {
      terminationGracePeriodSeconds: 35
      containers: [
        {
          name: 'rotator'
          image: image
          args: ['serve', '--config', '/etc/rotator/rotator.yaml']
          env: concat([
            {
              name: 'AZURE_CLIENT_ID'
              value: client
            }
            {
              name: 'SETTINGS' // a change of a secret alone makes no new revision, and the old one keeps what it has
              value: uniqueString(settings)
            }
          ], named)
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          volumeMounts: [
            {
              volumeName: 'settings'
              mountPath: '/etc/rotator'
            }
          ]
          probes: [
            {
              type: 'Startup'
              httpGet: {
                path: '/healthz'
                port: 8080
              }
              periodSeconds: 6
              failureThreshold: 10
            }
            {
              type: 'Liveness'
              httpGet: {
                path: '/healthz'
                port: 8080
              }
              periodSeconds: 20
              timeoutSeconds: 5
              failureThreshold: 6
            }
            {
              type: 'Readiness'
              httpGet: {
                path: '/readyz'
                port: 8080
              }
              periodSeconds: 10
              timeoutSeconds: 10
              failureThreshold: 3
            }
          ]
        }
      ]
      scale: {
        minReplicas: replicas
        maxReplicas: replicas
      }
      volumes: [
        {
          name: 'settings'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'settings'
              path: 'rotator.yaml'
            }
          ]
        }
      ]
    }
  }
}

resource oncall 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  properties: {
    groupShortName: take(name, 12)
    enabled: true
    emailReceivers: [
      {
        name: 'oncall'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource down 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-down'
  location: 'global'
  properties: {
    description: 'No replica of rotator runs: a leaked key would live on.'
    severity: 1
    enabled: true
    scopes: [app.id]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'replicas'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.App/containerApps'
          metricName: 'Replicas'
          operator: 'LessThan'
          threshold: 1
          timeAggregation: 'Maximum'
        }
      ]
    }
    actions: [
      {
        actionGroupId: oncall.id
      }
    ]
  }
}

resource crashing 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-crashing'
  location: 'global'
  properties: {
    description: 'rotator starts again and again: its log says why.'
    severity: 2
    enabled: true
    scopes: [app.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'restarts'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.App/containerApps'
          metricName: 'RestartCount'
          operator: 'GreaterThan'
          threshold: 3
          timeAggregation: 'Maximum'
        }
      ]
    }
    actions: [
      {
        actionGroupId: oncall.id
      }
    ]
  }
}

output address string = 'https://${app.properties.configuration.ingress.fqdn}'
