"""Azure Policy: the built-in policies that would stand in a rotation's way, by what they do where they are assigned.

Only what is known here is judged: a policy of somebody's own may forbid anything, and shows itself when it does. An initiative is opened,
and its policies are looked for in it; which effect it gives them may not be told, and then this is said.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rotator.core.credential import Credential
from rotator.core.snapshot import Unseen
from rotator.doctor.findings import About, Finding, Subject

UNKNOWN = "unknown"
HARMLESS = frozenset({"audit", "auditifnotexists", "disabled"})
"""Effects that only report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A built-in policy: of what it is, its effect where nobody says another, and what it does to a rotation."""

    subject: Subject
    default: str
    does: str


KNOWN: Mapping[str, Known] = {
    "14de9e63-1b31-492e-a5a3-c3f7fd57f555": Known(
        subject=Subject.ACCOUNT, default="modify", does="switches local auth off at the next write of the account: every key dies at once"
    ),
    "d45520cb-31ca-44ba-8da2-fcf914608544": Known(
        subject=Subject.ACCOUNT, default="deployifnotexists", does="switches local auth off by itself: every key dies at once"
    ),
    "71ef260a-8f18-47b7-abcb-62d0673d94dc": Known(
        subject=Subject.ACCOUNT, default="audit", does="refuses a write of an account with keys: after `contain` there is no way back"
    ),
    "75262d3e-ba4a-4f43-85f8-9f72c090e5e3": Known(
        subject=Subject.VAULT, default="audit", does="refuses a secret without a content type; a publish keeps the one that is there"
    ),
    "342e8053-e12e-4c44-be01-c3c2f318400f": Known(
        subject=Subject.VAULT, default="audit", does="refuses a secret that is valid for longer than it allows"
    ),
    "b0eb591a-5e70-4534-a8bf-04b9c489584a": Known(
        subject=Subject.VAULT, default="audit", does="refuses a secret that expires sooner than it allows"
    ),
}
LONGEST, SOONEST = "342e8053-e12e-4c44-be01-c3c2f318400f", "b0eb591a-5e70-4534-a8bf-04b9c489584a"
_DAYS: Mapping[str, str] = {LONGEST: "maximumValidityInDays", SOONEST: "minimumDaysBeforeExpiration"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """One known policy where it is assigned. `days` is the limit that it sets, if it sets one and says it."""

    id: str
    name: str
    scope: str
    apart: tuple[str, ...]
    policy: str
    effect: str
    days: int | None = None

    def is_over(self, resource: str) -> bool:
        """A management group's is over everything that we see of it."""
        theirs = resource.lower()
        inside = self.scope.lower().startswith("/providers/microsoft.management/") or _is_in(theirs, self.scope)
        return inside and not any(_is_in(theirs, one) for one in self.apart)


def _is_in(resource: str, scope: str) -> bool:
    mine = scope.lower().rstrip("/")
    return resource == mine or resource.startswith(f"{mine}/")


def check(credential: Credential, vault: str, assigned: Sequence[Assigned] | Unseen) -> list[Finding]:
    """What is over the account, and over its vault where that is known by its id. What could not be listed is silent: it is an extra."""
    found: list[Finding] = []
    for one in () if isinstance(assigned, Unseen) else assigned:
        known = KNOWN[one.policy]
        place = credential.account if known.subject is Subject.ACCOUNT else vault
        if place and one.is_over(place) and one.effect not in HARMLESS and _bites(one, credential):
            about = About(known.subject, credential.name if known.subject is Subject.ACCOUNT else credential.secret.vault)
            unsure = " (with which effect cannot be told)" if one.effect == UNKNOWN else ""
            limit = f", {one.days} day(s)" if one.days is not None else ""
            mend = f"az policy exemption create --name rotator --policy-assignment {one.id} --exemption-category Waiver --scope {place}"
            found.append(about.warn(f"the policy {one.name!r} {known.does}{limit}{unsure}", mend))
    return found


def _bites(one: Assigned, credential: Credential) -> bool:
    """A version of ours expires after a cryptoperiod: a limit that this keeps is in nobody's way."""
    if one.days is None:
        return True
    limit, lives = timedelta(days=one.days), credential.policy.cryptoperiod
    return lives > limit if one.policy == LONGEST else lives < limit


# --- rows to nouns ----------------------------------------------------------------------------------------------------------


def sets_of(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The initiatives among the assignments, by their ids."""
    return {id_ for row in rows if _is_set(id_ := str(_inner(row).get("policyDefinitionId", "")))}


def assigned_of(rows: Sequence[Mapping[str, Any]], sets: Mapping[str, Mapping[str, Any]]) -> tuple[Assigned, ...]:
    """Every known policy that is enforced somewhere; `sets` are the initiatives that could be opened."""
    return tuple(one for row in rows if str(_inner(row).get("enforcementMode", "Default")) != "DoNotEnforce" for one in _of_row(row, sets))


def _of_row(row: Mapping[str, Any], sets: Mapping[str, Mapping[str, Any]]) -> Iterator[Assigned]:
    inner = _inner(row)
    given, definition = _mapping(inner.get("parameters")), str(inner.get("policyDefinitionId", ""))
    members: list[tuple[str, Mapping[str, Any]]] = [(definition, given)]
    if _is_set(definition):
        listed = _inner(sets.get(definition, {})).get("policyDefinitions")
        rows = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
        members = [(str(one.get("policyDefinitionId", "")), _resolved(_mapping(one.get("parameters")), given)) for one in rows]
    for id_, parameters in members:
        policy = id_.rsplit("/", 1)[-1].lower()
        if policy in KNOWN:
            yield Assigned(
                id=str(row.get("id", "")),
                name=str(inner.get("displayName") or row.get("name") or policy),
                scope=str(inner.get("scope", "")),
                apart=tuple(str(one) for one in inner.get("notScopes") or ()),
                policy=policy,
                effect=_effect(parameters, KNOWN[policy]),
                days=_whole(_value(parameters, _DAYS.get(policy, ""))),
            )


def _effect(parameters: Mapping[str, Any], known: Known) -> str:
    said = _value(parameters, "effect")
    return known.default if said is None else said.lower() if isinstance(said, str) else UNKNOWN


_REFERENCE = re.compile(r"\[parameters\('([^']+)'\)\]")


def _resolved(parameters: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """An initiative's parameters for one policy, where it hands on its own: one whose value is its default cannot be told from here."""
    found: dict[str, Any] = {}
    for name, one in parameters.items():
        value = _mapping(one).get("value")
        reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        found[name] = {"value": _value(given, reference[1]) or {} if reference else value}
    return found


def _value(parameters: Mapping[str, Any], name: str) -> Any:
    return _mapping(parameters.get(name)).get("value")


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_set(definition: str) -> bool:
    return "/policysetdefinitions/" in definition.lower()


def _inner(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(row.get("properties"))


def _mapping(said: object) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}
