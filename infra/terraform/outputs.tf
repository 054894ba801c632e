locals {
  address = var.serve ? "https://${azurerm_container_app.rotator[0].ingress[0].fqdn}" : ""
}

output "address" {
  description = "Where senders of alerts find it."
  value       = local.address
}

output "ledger_host" {
  description = "For ledger: in the settings."
  value       = azurerm_postgresql_flexible_server.ledger.fqdn
}

output "identity_name" {
  description = "The user of the database."
  value       = azurerm_user_assigned_identity.rotator.name
}

output "app_subnet" {
  description = "Where the app calls from, with private = true: for the network rules of vaults and accounts that have a firewall."
  value       = var.private ? azurerm_subnet.app[0].id : ""
}
