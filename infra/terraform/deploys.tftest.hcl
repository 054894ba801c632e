# What would be made, with Azure's answers made up: `terraform init && terraform test` needs no account and changes nothing.
mock_provider "azurerm" {
  mock_resource "azurerm_container_app" {
    defaults = {
      ingress = { fqdn = "rotator.example.azurecontainerapps.io" }
    }
  }
}

variables {
  subscription            = "00000000-0000-0000-0000-000000000000"
  location                = "westeurope"
  image                   = "contoso.azurecr.io/rotator@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  registry                = { name = "contoso", id = "/subscriptions/0/resourceGroups/rg-shared/providers/Microsoft.ContainerRegistry/registries/contoso" }
  settings                = "identity: managed-identity"
  secrets                 = { GITHUB_WEBHOOK_SECRET = "https://kv-prod.vault.azure.net/secrets/rotator-github-webhook" }
  account_scopes          = ["/subscriptions/0/resourceGroups/rg-ai"]
  vault_scopes            = ["/subscriptions/0/resourceGroups/rg-vaults"]
  dependents              = { app-service = ["/subscriptions/0/resourceGroups/rg-apps"] }
  database_administrators = { object_id = "00000000-0000-0000-0000-000000000000", name = "database-administrators" }
  email                   = "oncall@example.com"
}

run "the_kill_switch_is_granted_to_nobody_who_did_not_ask" {
  assert {
    condition     = toset(keys(azurerm_role_definition.wanted)) == toset(["keys", "secrets", "survey", "app-service"])
    error_message = "Other roles than those that the variables ask for."
  }
  assert {
    condition     = length(azurerm_role_assignment.granted) == 4
    error_message = "Other grants than keys, secrets, survey and one kind."
  }
  assert {
    condition     = length(azurerm_virtual_network.rotator) + length(azurerm_eventgrid_system_topic.activity) == 0
    error_message = "A network or events that nobody asked for."
  }
}

run "other_settings_are_another_revision" {
  assert {
    condition     = contains([for one in azurerm_container_app.rotator[0].template[0].container[0].env : one.value], sha256(var.settings))
    error_message = "Changed settings would reach no replica."
  }
}

run "contained_accounts_need_the_kill_switch" {
  variables {
    contain_scopes = ["/subscriptions/0/resourceGroups/rg-ai"]
  }
  assert {
    condition     = azurerm_role_assignment.granted["kill-switch /subscriptions/0/resourceGroups/rg-ai"].scope == "/subscriptions/0/resourceGroups/rg-ai"
    error_message = "The kill switch is not where it was asked for."
  }
}

run "what_dependents_are_linked_to_is_granted_there_alone" {
  variables {
    link_scopes = ["/subscriptions/0/resourceGroups/rg-apps/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-chat"]
  }
  assert {
    condition     = toset([for one in azurerm_role_assignment.granted : one.scope if endswith(one.scope, "/id-chat")]) == var.link_scopes
    error_message = "The identity that a dependent has may not be assigned, or more than that may be."
  }
}

run "before_the_database_knows_its_user_nothing_serves" {
  variables {
    serve          = false
    webhook        = { tenant = "00000000-0000-0000-0000-000000000000", audience = "api://00000000-0000-0000-0000-000000000001" }
    watched_vaults = { kv-prod = { id = "/subscriptions/0/resourceGroups/rg-vaults/providers/Microsoft.KeyVault/vaults/kv-prod", group = "rg-vaults", location = "westeurope" } }
  }
  assert {
    condition     = length(azurerm_container_app.rotator) + length(azurerm_eventgrid_system_topic.vault) + length(azurerm_monitor_metric_alert.down) == 0
    error_message = "The app, or what needs it, is made too early."
  }
  assert {
    condition     = length(azurerm_role_assignment.granted) > 0 && azurerm_postgresql_flexible_server.ledger.name == "rotator-ledger"
    error_message = "What the app needs is not made first."
  }
}

run "a_private_ledger_has_no_public_address" {
  variables {
    private = true
  }
  assert {
    condition     = !azurerm_postgresql_flexible_server.ledger.public_network_access_enabled && length(azurerm_postgresql_flexible_server_firewall_rule.azure) == 0
    error_message = "The database can be reached from outside."
  }
  assert {
    condition     = azurerm_container_app_environment.rotator.internal_load_balancer_enabled
    error_message = "The app can be reached from outside."
  }
  assert {
    condition     = length(azurerm_subnet.app[0].service_endpoints) == 2 && output.app_subnet == azurerm_subnet.app[0].id
    error_message = "Firewalls of vaults and accounts cannot let the app in."
  }
}

run "events_are_signed_for_the_application_that_was_named" {
  variables {
    webhook        = { tenant = "00000000-0000-0000-0000-000000000000", audience = "api://00000000-0000-0000-0000-000000000001" }
    watched_vaults = { kv-prod = { id = "/subscriptions/0/resourceGroups/rg-vaults/providers/Microsoft.KeyVault/vaults/kv-prod", group = "rg-vaults", location = "westeurope" } }
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.vault["kv-prod"].webhook_endpoint[0].active_directory_app_id_or_uri == var.webhook.audience
    error_message = "Events of the vault are not signed for rotator."
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.activity[0].webhook_endpoint[0].url == "https://rotator.example.azurecontainerapps.io/alerts/event-grid"
    error_message = "Events of the subscription go elsewhere."
  }
}
