# The daemon as a Container App, its log in Log Analytics, and who is told when no replica of it runs.

resource "azurerm_log_analytics_workspace" "rotator" {
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.home.name
  sku                 = "PerGB2018"
  retention_in_days   = 90
}

resource "azurerm_container_app_environment" "rotator" {
  name                           = var.name
  location                       = var.location
  resource_group_name            = azurerm_resource_group.home.name
  logs_destination               = "log-analytics"
  log_analytics_workspace_id     = azurerm_log_analytics_workspace.rotator.id
  infrastructure_subnet_id       = var.private ? azurerm_subnet.app[0].id : null
  internal_load_balancer_enabled = var.private ? true : null

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }
}

resource "azurerm_container_app" "rotator" {
  count                        = var.serve ? 1 : 0
  name                         = var.name
  resource_group_name          = azurerm_resource_group.home.name
  container_app_environment_id = azurerm_container_app_environment.rotator.id
  workload_profile_name        = "Consumption"
  revision_mode                = "Single"

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.rotator.id]
  }

  registry {
    server   = "${var.registry.name}.azurecr.io"
    identity = azurerm_user_assigned_identity.rotator.id
  }

  secret {
    name  = "settings"
    value = var.settings
  }

  dynamic "secret" {
    for_each = var.secrets
    content {
      name                = replace(lower(secret.key), "_", "-")
      key_vault_secret_id = secret.value
      identity            = azurerm_user_assigned_identity.rotator.id
    }
  }

  ingress {
    external_enabled           = true
    target_port                = 8080
    transport                  = "http"
    allow_insecure_connections = false

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas                     = var.replicas
    max_replicas                     = var.replicas
    termination_grace_period_seconds = 35

    container {
      name   = "rotator"
      image  = var.image
      args   = ["serve", "--config", "/etc/rotator/settings"]
      cpu    = 0.5
      memory = "1Gi"

      env {
        name  = "AZURE_CLIENT_ID"
        value = azurerm_user_assigned_identity.rotator.client_id
      }

      # A change of a secret alone makes no new revision, and the old one keeps what it has.
      env {
        name  = "SETTINGS"
        value = sha256(var.settings)
      }

      dynamic "env" {
        for_each = var.secrets
        content {
          name        = env.key
          secret_name = replace(lower(env.key), "_", "-")
        }
      }

      volume_mounts {
        name = "settings"
        path = "/etc/rotator"
      }

      startup_probe {
        transport               = "HTTP"
        path                    = "/healthz"
        port                    = 8080
        interval_seconds        = 6
        failure_count_threshold = 10
      }

      liveness_probe {
        transport               = "HTTP"
        path                    = "/healthz"
        port                    = 8080
        interval_seconds        = 20
        timeout                 = 5
        failure_count_threshold = 6
      }

      readiness_probe {
        transport               = "HTTP"
        path                    = "/readyz"
        port                    = 8080
        interval_seconds        = 10
        timeout                 = 10
        failure_count_threshold = 3
      }
    }

    # One file a secret, by the name of the secret: the settings are /etc/rotator/settings.
    volume {
      name         = "settings"
      storage_type = "Secret"
    }
  }

  depends_on = [azurerm_role_assignment.granted, azurerm_role_assignment.pull, azurerm_postgresql_flexible_server_database.rotator]
}

resource "azurerm_monitor_action_group" "oncall" {
  name                = var.name
  resource_group_name = azurerm_resource_group.home.name
  short_name          = substr(var.name, 0, 12)

  email_receiver {
    name                    = "oncall"
    email_address           = var.email
    use_common_alert_schema = true
  }
}

resource "azurerm_monitor_metric_alert" "crashing" {
  count               = var.serve ? 1 : 0
  name                = "${var.name}-crashing"
  resource_group_name = azurerm_resource_group.home.name
  description         = "rotator starts again and again: its log says why."
  scopes              = [azurerm_container_app.rotator[0].id]
  severity            = 2
  frequency           = "PT5M"
  window_size         = "PT15M"

  criteria {
    metric_namespace = "Microsoft.App/containerApps"
    metric_name      = "RestartCount"
    aggregation      = "Maximum"
    operator         = "GreaterThan"
    threshold        = 3
  }

  action {
    action_group_id = azurerm_monitor_action_group.oncall.id
  }
}

resource "azurerm_monitor_metric_alert" "down" {
  count               = var.serve ? 1 : 0
  name                = "${var.name}-down"
  resource_group_name = azurerm_resource_group.home.name
  description         = "No replica of rotator runs: a leaked key would live on."
  scopes              = [azurerm_container_app.rotator[0].id]
  severity            = 1
  frequency           = "PT1M"
  window_size         = "PT5M"

  criteria {
    metric_namespace = "Microsoft.App/containerApps"
    metric_name      = "Replicas"
    aggregation      = "Maximum"
    operator         = "LessThan"
    threshold        = 1
  }

  action {
    action_group_id = azurerm_monitor_action_group.oncall.id
  }
}
