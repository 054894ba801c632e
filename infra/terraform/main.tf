# rotator on Azure, from nothing: who it is, what it may do, and where.

data "azurerm_client_config" "current" {}

locals {
  roles        = jsondecode(file("${path.module}/../roles.json"))
  subscription = "/subscriptions/${var.subscription}"
  wanted = setunion(
    toset(["keys", "secrets", "survey"]),
    length(var.contain_scopes) > 0 ? toset(["kill-switch"]) : toset([]),
    length(var.link_scopes) > 0 ? toset(["links"]) : toset([]),
    toset(keys(var.dependents)),
  )
  grants = merge(
    { for scope in var.account_scopes : "keys ${scope}" => { role = "keys", scope = scope } },
    { for scope in var.contain_scopes : "kill-switch ${scope}" => { role = "kill-switch", scope = scope } },
    { for scope in var.link_scopes : "links ${scope}" => { role = "links", scope = scope } },
    { for scope in var.vault_scopes : "secrets ${scope}" => { role = "secrets", scope = scope } },
    { survey = { role = "survey", scope = local.subscription } },
    merge([
      for kind, scopes in var.dependents : { for scope in scopes : "${kind} ${scope}" => { role = kind, scope = scope } }
    ]...),
  )
}

resource "azurerm_resource_group" "home" {
  name     = "rg-${var.name}"
  location = var.location
}

resource "azurerm_user_assigned_identity" "rotator" {
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.home.name
}

# Exactly the actions of rotator/settings/permissions.py, by way of roles.json.
resource "azurerm_role_definition" "wanted" {
  for_each    = local.wanted
  name        = "${local.roles[each.key].title} (${var.name})"
  description = local.roles[each.key].description
  scope       = local.subscription

  permissions {
    actions      = local.roles[each.key].actions
    data_actions = local.roles[each.key].dataActions
  }

  assignable_scopes = [local.subscription]
}

resource "azurerm_role_assignment" "granted" {
  for_each           = local.grants
  scope              = each.value.scope
  role_definition_id = azurerm_role_definition.wanted[each.value.role].role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.rotator.principal_id
  principal_type     = "ServicePrincipal"
}

resource "azurerm_role_assignment" "pull" {
  scope                = var.registry.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.rotator.principal_id
  principal_type       = "ServicePrincipal"
}
