"""When keys were last rotated, as far as Azure's activity log tells: 90 days back, which account, and not which of its keys."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rotator.azure import faults
from rotator.azure.arm import ResourceManager
from rotator.survey.accounts import time_of
from rotator.survey.estate import KEPT_FOR

API = "2015-04-01"
ACTION = "microsoft.cognitiveservices/accounts/regeneratekey/action"


async def regenerated(arm: ResourceManager, subscription: str, now: datetime) -> dict[str, datetime]:
    """The last regeneration of each account that had one, by its id in lower case. Raises Fault."""
    start = f"{now - KEPT_FOR:%Y-%m-%dT%H:%M:%SZ}"
    query = {
        "$filter": f"eventTimestamp ge '{start}' and resourceProvider eq 'Microsoft.CognitiveServices'",
        "$select": "eventTimestamp,operationName,status,resourceId",
    }
    with faults(f"the activity log of subscription {subscription}", needs="Microsoft.Insights/eventtypes/values/read"):
        return latest(
            await arm.rows(f"/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values", API, query)
        )


def latest(events: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """Each call is several events; that it succeeded is what counts."""
    found: dict[str, datetime] = {}
    for event in events:
        at = time_of(event.get("eventTimestamp"))
        done = _word(event.get("operationName")) == ACTION and _word(event.get("status")) in ("succeeded", "success")
        account = str(event.get("resourceId", "")).lower().removesuffix("/regeneratekey")
        if done and at and account:
            found[account] = max(at, found.get(account, at))
    return found


def _word(said: object) -> str:
    return str(said.get("value", "") if isinstance(said, Mapping) else said).lower()
