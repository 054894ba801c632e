// A vault tells that a secret of it is about to expire, or that somebody else made a version.
param name string
param vault string
param endpoint string
param webhook object

resource source 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vault
}

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' = {
  name: '${name}-${vault}'
  location: source.location
  properties: {
    source: source.id
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

resource events 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = {
  parent: topic
  name: name
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    destination: {
      endpointType: 'WebHook'
      properties: {
        endpointUrl: endpoint
        azureActiveDirectoryTenantId: webhook.tenant
        azureActiveDirectoryApplicationIdOrUri: webhook.audience
        maxEventsPerBatch: 1
      }
    }
    filter: {
      includedEventTypes: [
        'Microsoft.KeyVault.SecretNearExpiry'
        'Microsoft.KeyVault.SecretExpired'
        'Microsoft.KeyVault.SecretNewVersionCreated'
      ]
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}
