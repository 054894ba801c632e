locals {
  address = "https://${azurerm_container_app.rotator.ingress[0].fqdn}"
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
