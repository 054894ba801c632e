# Vaults tell of expiry and of versions that somebody else made; the subscription tells of keys that somebody else listed or regenerated.

resource "azurerm_eventgrid_system_topic" "vault" {
  for_each            = var.webhook != null && var.serve ? var.watched_vaults : {}
  name                = "${var.name}-${each.key}"
  location            = each.value.location
  resource_group_name = each.value.group
  source_resource_id  = each.value.id
  topic_type          = "Microsoft.KeyVault.vaults"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "vault" {
  for_each              = azurerm_eventgrid_system_topic.vault
  name                  = var.name
  system_topic          = each.value.name
  resource_group_name   = each.value.resource_group_name
  event_delivery_schema = "CloudEventSchemaV1_0"
  included_event_types = [
    "Microsoft.KeyVault.SecretNearExpiry",
    "Microsoft.KeyVault.SecretExpired",
    "Microsoft.KeyVault.SecretNewVersionCreated",
  ]

  webhook_endpoint {
    url                               = "${local.address}/alerts/event-grid"
    active_directory_tenant_id        = var.webhook.tenant
    active_directory_app_id_or_uri    = var.webhook.audience
    max_events_per_batch              = 1
    preferred_batch_size_in_kilobytes = 64
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }
}

resource "azurerm_eventgrid_system_topic" "activity" {
  count               = var.webhook != null && var.serve && var.watch_subscription ? 1 : 0
  name                = "${var.name}-activity"
  location            = "Global"
  resource_group_name = azurerm_resource_group.home.name
  source_resource_id  = local.subscription
  topic_type          = "Microsoft.Resources.Subscriptions"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "activity" {
  count                 = length(azurerm_eventgrid_system_topic.activity)
  name                  = var.name
  system_topic          = azurerm_eventgrid_system_topic.activity[0].name
  resource_group_name   = azurerm_resource_group.home.name
  event_delivery_schema = "CloudEventSchemaV1_0"
  included_event_types  = ["Microsoft.Resources.ResourceActionSuccess"]

  advanced_filter {
    string_in {
      key = "data.operationName"
      values = [
        "Microsoft.CognitiveServices/accounts/listKeys/action",
        "Microsoft.CognitiveServices/accounts/regenerateKey/action",
      ]
    }
  }

  webhook_endpoint {
    url                               = "${local.address}/alerts/event-grid"
    active_directory_tenant_id        = var.webhook.tenant
    active_directory_app_id_or_uri    = var.webhook.audience
    max_events_per_batch              = 1
    preferred_batch_size_in_kilobytes = 64
  }

  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }
}
