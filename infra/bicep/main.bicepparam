using 'main.bicep'

param image = 'contoso.azurecr.io/rotator@sha256:0000000000000000000000000000000000000000000000000000000000000000'
param registry = { name: 'contoso', group: 'rg-shared' }
param settings = loadTextContent('rotator.yaml')
param secrets = [
  { env: 'GITHUB_WEBHOOK_SECRET', url: 'https://kv-prod.vault.azure.net/secrets/rotator-github-webhook' }
]
param accountGroups = ['rg-ai']
param containGroups = []
param vaultGroups = ['rg-vaults']
param dependents = [
  { kind: 'app-service', group: 'rg-apps' }
]
param ledgerName = 'contoso-rotator-ledger'
param databaseAdministrators = { objectId: '00000000-0000-0000-0000-000000000000', name: 'database-administrators' }
param watchedVaults = [
  { vault: 'kv-prod', group: 'rg-vaults' }
]
param webhook = { tenant: '00000000-0000-0000-0000-000000000000', audience: 'api://00000000-0000-0000-0000-000000000000' }
param email = 'oncall@example.com'
