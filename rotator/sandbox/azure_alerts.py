"""The bodies of Azure's alerts, each in the shape of its documents: Event Grid, Azure Monitor, Defender, Sentinel. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def _time(now: datetime) -> str:
    """As .NET writes it: seven digits of a second."""
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond:06d}0Z"


def _event(
    kind: str, topic: str, subject: str, identifier: str, now: datetime, data: Mapping[str, Any], cloud_events: bool
) -> dict[str, Any]:
    if cloud_events:
        return {
            "id": identifier,
            "source": topic,
            "subject": subject,
            "type": kind,
            "time": _time(now),
            "data": data,
            "specversion": "1.0",
        }
    return {
        "id": identifier,
        "topic": topic,
        "subject": subject,
        "eventType": kind,
        "eventTime": _time(now),
        "data": data,
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def validation_event(code: str, now: datetime) -> dict[str, Any]:
    data = {"validationCode": code, "validationUrl": f"https://rp-westeurope.eventgrid.azure.net:553/validate?id={code}"}
    return _event("Microsoft.EventGrid.SubscriptionValidationEvent", "/subscriptions/s", "", "validation", now, data, False)


def expiry_event(
    vault_url: str, secret: str, identifier: str, now: datetime, *, expired: bool = False, cloud_events: bool = False
) -> dict[str, Any]:
    name = vault_url.partition("//")[2].partition(".")[0]
    topic = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/{name}"
    version = "0" * 31 + "1"
    data = {
        "Id": f"{vault_url}/secrets/{secret}/{version}",
        "VaultName": name,
        "ObjectType": "Secret",
        "ObjectName": secret,
        "Version": version,
        "NBF": None,
        "EXP": int((now + timedelta(days=-1 if expired else 30)).timestamp()),
    }
    kind = "Microsoft.KeyVault.SecretExpired" if expired else "Microsoft.KeyVault.SecretNearExpiry"
    return _event(kind, topic, secret, identifier, now, data, cloud_events)


def action_event(account: str, action: str, caller: str, identifier: str, now: datetime, *, cloud_events: bool = False) -> dict[str, Any]:
    operation = f"Microsoft.CognitiveServices/accounts/{action}/action"
    data = {
        "authorization": {"scope": account, "action": operation, "evidence": {"role": "Owner", "principalId": caller}},
        "claims": {"aud": "https://management.core.windows.net/", OBJECT_ID: caller},
        "correlationId": identifier,
        "resourceProvider": "Microsoft.CognitiveServices",
        "resourceUri": account,
        "operationName": operation,
        "status": "Succeeded",
        "subscriptionId": account.split("/")[2],
        "tenantId": "t",
    }
    topic = "/subscriptions/" + account.split("/")[2]
    return _event("Microsoft.Resources.ResourceActionSuccess", topic, account, identifier, now, data, cloud_events)


def common_activity(account: str, action: str, caller: str, identifier: str, now: datetime, status: str = "Succeeded") -> dict[str, Any]:
    operation = f"Microsoft.CognitiveServices/accounts/{action}/action"
    context = {
        "authorization": {"action": operation, "scope": account},
        "channels": "Operation",
        "claims": json.dumps({"aud": "https://management.core.windows.net/", OBJECT_ID: caller}),
        "caller": "someone@example.com",
        "correlationId": identifier,
        "eventSource": "Administrative",
        "eventTimestamp": _time(now),
        "eventDataId": identifier,
        "level": "Informational",
        "operationName": operation,
        "operationId": identifier,
        "status": status,
        "subStatus": "",
        "submissionTimestamp": _time(now),
    }
    return common(account, "Activity Log", "Activity Log - Administrative", context, identifier, now)


def common(
    account: str, signal: str, service: str, context: Mapping[str, Any], identifier: str, now: datetime, condition: str = "Fired"
) -> dict[str, Any]:
    essentials = {
        "alertId": f"/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/{identifier}",
        "alertRule": "rule-of-a-test",
        "severity": "Sev4",
        "signalType": signal,
        "monitorCondition": condition,
        "monitoringService": service,
        "alertTargetIDs": [account.lower()],
        "originAlertId": identifier,
        "firedDateTime": _time(now),
        "description": "An alert rule",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    return {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": essentials, "alertContext": context}}


def legacy_activity(account: str, action: str, caller: str, identifier: str, now: datetime, status: str = "Succeeded") -> dict[str, Any]:
    operation = f"Microsoft.CognitiveServices/accounts/{action}/action"
    log = {
        "authorization": {"action": operation, "scope": account},
        "channels": "Operation",
        "claims": json.dumps({OBJECT_ID: caller}),
        "caller": "someone@example.com",
        "correlationId": identifier,
        "eventTimestamp": _time(now),
        "eventDataId": identifier,
        "operationName": operation,
        "resourceId": account,
        "resourceProviderName": "Microsoft.CognitiveServices",
        "resourceType": "Microsoft.CognitiveServices/accounts",
        "status": status,
    }
    return {
        "schemaId": "Microsoft.Insights/activityLogs",
        "data": {"status": "Activated", "context": {"activityLog": log}, "properties": {}},
    }


def action_group_test(now: datetime) -> dict[str, Any]:
    """What the portal's *Test action group* sends: a virtual machine that never was is restarted."""
    machine = (
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/test-RG/providers/Microsoft.Compute/virtualMachines/test-VM"
    )
    operation = "Microsoft.Compute/virtualMachines/restart/action"
    context = {
        "authorization": {"action": operation, "scope": machine},
        "channels": "Operation",
        "claims": '{"aud":"https://management.core.windows.net/"}',
        "caller": "user@contoso.com",
        "correlationId": "12345678-1234-1234-1234-123456789abc",
        "operationName": operation,
        "status": "Succeeded",
    }
    return common(machine, "Activity Log", "Activity Log - Administrative", context, "test", now)


def defender_alert(shape: str, account: str, alert_type: str, identifier: str, now: datetime, status: str = "Active") -> Any:
    """One alert as workflow, api, activity-log, action-group or sentinel tells it."""
    name = account.rpartition("/")[2]
    match shape:
        case "workflow":
            return {
                "VendorName": "Microsoft",
                "AlertType": alert_type,
                "StartTimeUtc": _time(now),
                "EndTimeUtc": _time(now),
                "TimeGenerated": _time(now),
                "Severity": "High",
                "Status": status,
                "ProductName": "Microsoft Defender for Cloud",
                "SystemAlertId": identifier,
                "AlertDisplayName": "Access from a suspicious IP",
                "CompromisedEntity": name,
                "AzureResourceId": account,
                "ResourceIdentifiers": [{"$id": "2", "AzureResourceId": account, "Type": "AzureResource"}],
                "Entities": [{"$id": "1", "Address": "203.0.113.7", "Type": "ip"}],
            }
        case "api":
            place = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Security/locations/westeurope/alerts/{identifier}"
            return {
                "id": place,
                "name": identifier,
                "type": "Microsoft.Security/Locations/alerts",
                "properties": {
                    "alertType": alert_type,
                    "systemAlertId": identifier,
                    "alertDisplayName": "Access from a suspicious IP",
                    "severity": "High",
                    "status": status,
                    "timeGeneratedUtc": _time(now),
                    "compromisedEntity": name,
                    "resourceIdentifiers": [{"azureResourceId": account, "type": "AzureResource"}],
                    "alertUri": f"https://portal.azure.com/#blade/alertId/{identifier}",
                },
            }
        case "activity-log":
            return _logged(account, alert_type, identifier, now)
        case "action-group":
            return common(
                account, "Activity Log", "Activity Log - Security", _logged(account, alert_type, identifier, now), identifier, now
            )
        case "sentinel":
            return _sentinel(account, alert_type, identifier, now, status)
        case _:
            raise ValueError(f"shape {shape!r} is none of workflow, api, activity-log, action-group, sentinel")


def _logged(account: str, alert_type: str, identifier: str, now: datetime) -> dict[str, Any]:
    def both(value: str) -> dict[str, str]:
        return {"value": value, "localizedValue": value}

    place = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Security/locations/westeurope/alerts/{identifier}"
    return {
        "channels": "Operation",
        "correlationId": identifier,
        "eventDataId": identifier,
        "eventName": both("Access from a suspicious IP"),
        "category": both("Security"),
        "eventTimestamp": _time(now),
        "level": "Informational",
        "operationName": both("Microsoft.Security/locations/alerts/activate/action"),
        "resourceId": place,
        "resourceType": both("Microsoft.Security/locations/alerts"),
        "status": both("Active"),
        "properties": {"alertType": alert_type, "severity": "High", "resourceType": "Cognitive Services", "compromisedEntity": account},
    }


def _sentinel(account: str, alert_type: str, identifier: str, now: datetime, status: str) -> dict[str, Any]:
    alert = {"kind": "SecurityAlert", "properties": {"alertType": alert_type, "systemAlertId": identifier, "severity": "High"}}
    entity = {"kind": "AzureResource", "properties": {"resourceId": account}}
    properties = {
        "title": "Access from a suspicious IP",
        "severity": "High",
        "status": "New" if status == "Active" else status,
        "incidentNumber": 42,
        "createdTimeUtc": _time(now),
        "incidentUrl": "https://portal.azure.com/#asset/Microsoft_Azure_Security_Insights/Incident/42",
        "alerts": [alert],
        "relatedEntities": [entity],
    }
    return {
        "eventUniqueId": identifier,
        "objectSchemaType": "Incident",
        "object": {"id": "/subscriptions/s/x", "name": "42", "properties": properties},
    }
