variable "subscription" {
  description = "The id of the subscription with rotator, the accounts and the vaults."
  type        = string
}

variable "location" {
  description = "Where rotator itself runs."
  type        = string
}

variable "name" {
  description = "How everything is called."
  type        = string
  default     = "rotator"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,19}$", var.name))
    error_message = "Three to twenty lower-case letters, digits and hyphens."
  }
}

variable "image" {
  description = "The image of infra/image in your registry, by digest: NAME.azurecr.io/rotator@sha256:…"
  type        = string
}

variable "registry" {
  description = "That registry: its name, and its resource id."
  type        = object({ name = string, id = string })
}

variable "settings" {
  description = "rotator.yaml. It holds no secret, only references to secrets."
  type        = string
}

variable "secrets" {
  description = "What env: references of the settings name, as the URL of a secret in a vault of vault_scopes."
  type        = map(string)
  default     = {}
}

variable "account_scopes" {
  description = "Ids of the accounts, or resource groups of accounts, that are rotated."
  type        = set(string)
}

variable "contain_scopes" {
  description = "Ids of those whose local auth may be switched off. None, or a choice of the ones above."
  type        = set(string)
  default     = []
}

variable "vault_scopes" {
  description = "Ids of the vaults, or their resource groups, that keys are published in."
  type        = set(string)
}

variable "dependents" {
  description = "Ids of resources or groups by kind, as kind: in the settings says it."
  type        = map(set(string))
  default     = {}
}

variable "link_scopes" {
  description = "Ids of the identities that container groups among them have, and of the subnets they are in: each by itself."
  type        = set(string)
  default     = []
}

variable "ledger_name" {
  description = "The name of the database server: there is one of a name in the world. The host in the settings begins with it. NAME-ledger by default."
  type        = string
  default     = null
}

variable "database_administrators" {
  description = "The Entra group that administers the database."
  type        = object({ object_id = string, name = string })
}

variable "watched_vaults" {
  description = "Vaults whose events are sent: their ids, groups and locations, by name."
  type        = map(object({ id = string, group = string, location = string }))
  default     = {}
}

variable "watch_subscription" {
  description = "Whether the subscription tells of listed and regenerated keys. Azure allows one system topic a source: false where it has one."
  type        = bool
  default     = true
}

variable "webhook" {
  description = "The Entra application that stands for the webhook. Without it, nothing is sent."
  type        = object({ tenant = string, audience = string })
  default     = null
}

variable "email" {
  description = "Who is told when rotator itself is down."
  type        = string
}

variable "private" {
  description = "All in a network of its own: the database without a public address, the app behind an internal ingress."
  type        = bool
  default     = false
}

variable "geo_backup" {
  description = "Backups of the database in the paired region too. False where the region has no pair."
  type        = bool
  default     = true
}

variable "serve" {
  description = "False at first: all but the app, and what needs it, is made. The app does not come up before the database knows its user."
  type        = bool
  default     = true
}

variable "replicas" {
  description = "Daemons that share the ledger. With two, one may die."
  type        = number
  default     = 2
  validation {
    condition     = var.replicas >= 1 && var.replicas <= 10
    error_message = "One to ten."
  }
}
