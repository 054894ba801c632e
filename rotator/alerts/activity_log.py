"""What Azure's activity log says of an account's keys, in whichever envelope it comes: Event Grid, Azure Monitor (two schemas), Defender.

An operation is logged when it starts, is accepted and ends; only one that ended well counts. `claims` is an object, a JSON text, or a text
that is not JSON.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from rotator.alerts.delivery import Ignored, Malformed, Origin, Record, Regenerated
from rotator.alerts.reading import account_in, field, identity, mapping, text, word

_OPERATION = re.compile(r"microsoft\.cognitiveservices/accounts/(listkeys|regeneratekey)/action", re.IGNORECASE)
_OBJECT_ID = ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid", "objectidentifier")
_UNFINISHED = frozenset({"started", "accepted", "failed", "canceled", "cancelled", "failure", "inprogress", "resolved"})


def operation_of(event: Mapping[str, Any]) -> str:
    return text(event, "operationName") or text(mapping(field(event, "authorization")), "action")


def keys_touched(event: Mapping[str, Any], origin: Origin, *subjects: str) -> Record:
    """Regenerated, or why it is ignored. `subjects` are further places where the account may be named. Raises Malformed."""
    found = _OPERATION.fullmatch(operation_of(event).strip())
    if not found:
        return Ignored(because="an operation that touches no key of an AI account")
    if word(text(event, "status")).lower().replace(" ", "") in _UNFINISHED:
        return Ignored(because="an operation that has not ended well")
    authorization = mapping(field(event, "authorization"))
    account = account_in(text(event, "resourceUri", "resourceId"), text(authorization, "scope"), *subjects)
    if not account:
        raise Malformed("an operation on keys that does not say whose")
    action: Literal["listed", "regenerated"] = "listed" if found[1].lower() == "listkeys" else "regenerated"
    correlation = identity(text(event, "correlationId"))
    return Regenerated(origin=origin, account=account, action=action, caller=caller_of(event), correlation=correlation)


def caller_of(event: Mapping[str, Any]) -> str:
    """The object id in the claims, or who the log says called, or nothing."""
    claims = mapping(field(event, "claims"))
    said = next((claims[name] for name in _OBJECT_ID if isinstance(claims.get(name), str)), "")
    evidence = mapping(field(mapping(field(event, "authorization")), "evidence"))
    return word(said or text(evidence, "principalId") or text(event, "caller"))
