# What rotator remembers: tokens of Entra only, no password exists. Losing it costs at most one extra mint a credential.

resource "azurerm_postgresql_flexible_server" "ledger" {
  name                          = coalesce(var.ledger_name, "${var.name}-ledger")
  location                      = var.location
  resource_group_name           = azurerm_resource_group.home.name
  version                       = "16"
  sku_name                      = "B_Standard_B2s" # a worker may open 32 connections: the smallest size takes 35 of users' in all, this one 414
  storage_mb                    = 32768
  auto_grow_enabled             = true
  backup_retention_days         = 14
  geo_redundant_backup_enabled  = var.geo_backup
  public_network_access_enabled = !var.private
  delegated_subnet_id           = var.private ? azurerm_subnet.ledger[0].id : null
  private_dns_zone_id           = var.private ? azurerm_private_dns_zone.ledger[0].id : null

  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = false
    tenant_id                     = data.azurerm_client_config.current.tenant_id
  }

  lifecycle {
    ignore_changes = [zone]
  }

  depends_on = [azurerm_private_dns_zone_virtual_network_link.ledger]
}

resource "azurerm_postgresql_flexible_server_database" "rotator" {
  name      = "rotator"
  server_id = azurerm_postgresql_flexible_server.ledger.id
  charset   = "UTF8"
  collation = "en_US.utf8"
}

resource "azurerm_postgresql_flexible_server_active_directory_administrator" "people" {
  server_name         = azurerm_postgresql_flexible_server.ledger.name
  resource_group_name = azurerm_resource_group.home.name
  tenant_id           = data.azurerm_client_config.current.tenant_id
  object_id           = var.database_administrators.object_id
  principal_name      = var.database_administrators.name
  principal_type      = "Group"
}

# Without a network of its own: Azure's own addresses may knock, and who has no token gets no further.
resource "azurerm_postgresql_flexible_server_firewall_rule" "azure" {
  count            = var.private ? 0 : 1
  name             = "azure"
  server_id        = azurerm_postgresql_flexible_server.ledger.id
  start_ip_address = "0.0.0.0"
  end_ip_address   = "0.0.0.0"
}
