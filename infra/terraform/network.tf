# Only with private = true: one subnet for the app, one for the database, and the zone that finds the database. From the app's subnet vaults
# and accounts are reached by service endpoints, so that their firewalls can let it in by its id.

resource "azurerm_virtual_network" "rotator" {
  count               = var.private ? 1 : 0
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.home.name
  address_space       = ["10.80.0.0/22"]
}

# The defaults: from the network itself and Azure's load balancer, and from nowhere else.
resource "azurerm_network_security_group" "rotator" {
  count               = var.private ? 1 : 0
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.home.name
}

resource "azurerm_subnet" "app" {
  count                = var.private ? 1 : 0
  name                 = "app"
  resource_group_name  = azurerm_resource_group.home.name
  virtual_network_name = azurerm_virtual_network.rotator[0].name
  address_prefixes     = ["10.80.0.0/23"]
  service_endpoints    = ["Microsoft.KeyVault", "Microsoft.CognitiveServices"]

  delegation {
    name = "app"
    service_delegation {
      name    = "Microsoft.App/environments"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet" "ledger" {
  count                = var.private ? 1 : 0
  name                 = "ledger"
  resource_group_name  = azurerm_resource_group.home.name
  virtual_network_name = azurerm_virtual_network.rotator[0].name
  address_prefixes     = ["10.80.2.0/28"]

  delegation {
    name = "ledger"
    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet_network_security_group_association" "app" {
  count                     = var.private ? 1 : 0
  subnet_id                 = azurerm_subnet.app[0].id
  network_security_group_id = azurerm_network_security_group.rotator[0].id
}

resource "azurerm_subnet_network_security_group_association" "ledger" {
  count                     = var.private ? 1 : 0
  subnet_id                 = azurerm_subnet.ledger[0].id
  network_security_group_id = azurerm_network_security_group.rotator[0].id
}

resource "azurerm_private_dns_zone" "ledger" {
  count               = var.private ? 1 : 0
  name                = "${var.name}.private.postgres.database.azure.com"
  resource_group_name = azurerm_resource_group.home.name
}

resource "azurerm_private_dns_zone_virtual_network_link" "ledger" {
  count                 = var.private ? 1 : 0
  name                  = var.name
  resource_group_name   = azurerm_resource_group.home.name
  private_dns_zone_name = azurerm_private_dns_zone.ledger[0].name
  virtual_network_id    = azurerm_virtual_network.rotator[0].id
}
