subscription   = "00000000-0000-0000-0000-000000000000"
location       = "westeurope"
image          = "contoso.azurecr.io/rotator@sha256:0000000000000000000000000000000000000000000000000000000000000000"
registry       = { name = "contoso", id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-shared/providers/Microsoft.ContainerRegistry/registries/contoso" }
settings       = <<-YAML
  identity: managed-identity
  ledger: postgresql://rotator@contoso-rotator-ledger.postgres.database.azure.com/rotator?sslmode=verify-full&sslrootcert=system
  ledger_login: entra
  web: {host: 0.0.0.0, port: 8080, metrics_port: 9090}
  alerts:
    event-grid: {entra: {tenant: 00000000-0000-0000-0000-000000000000, audience: 'api://00000000-0000-0000-0000-000000000000'}}
  credentials:
    - name: chat-prod
      account: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/chat-prod
      secret: https://kv-prod.vault.azure.net/secrets/chat-prod-key
YAML
account_scopes = ["/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ai"]
vault_scopes   = ["/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-vaults"]
dependents = {
  app-service = ["/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-apps"]
}
ledger_name             = "contoso-rotator-ledger"
database_administrators = { object_id = "00000000-0000-0000-0000-000000000000", name = "database-administrators" }
email                   = "oncall@example.com"
