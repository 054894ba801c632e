"""Deny assignments: what is taken away at a place whatever a role gives, by Azure's own rules. Pure.

One is for somebody when it names them, a group that they are in, or everybody, and does not exclude them. Whether we are in a group is told
by our token, or by nobody; and so a denial may be ours, or be ours perhaps.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rotator.doctor.allowed import Allowance, allowances_of

EVERYBODY = "00000000-0000-0000-0000-000000000000"
_PATH = "/providers/microsoft.authorization/denyassignments/"


class Ours(StrEnum):
    """Whether a denial is for us."""

    YES = "yes"
    PERHAPS = "perhaps"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ourselves:
    """Our object id, empty where no token says it, and the groups that we are in; None where no token says those."""

    id: str = ""
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One that is for us, or perhaps. What it names is matched as a role's actions are. `unsure`: why it may not be."""

    name: str
    denies: tuple[Allowance, ...]
    unsure: str = ""

    def names(self, action: str, *, data: bool) -> bool:
        return any(one.permits(action, data=data) for one in self.denies)


def ourselves(claims: Mapping[str, Any]) -> Ourselves:
    """As our token says it. One that only says where to ask for the groups says nothing of them."""
    groups = claims.get("groups")
    known = frozenset(str(one).lower() for one in groups) if isinstance(groups, list) else None
    return Ourselves(id=str(claims.get("oid") or "").lower(), groups=known)


def denials_of(rows: Iterable[Mapping[str, Any]], place: str, us: Ourselves) -> tuple[Denial, ...]:
    """Those of the list that hold at a place and are for us, or perhaps."""
    found = []
    for row in rows:
        inner = _mapping(row.get("properties"))
        ours = _is_ours(inner, us)
        if ours is Ours.NO or not _reaches(row, inner, place):
            continue
        permissions = inner.get("permissions")
        there = [_mapping(one) for one in permissions] if isinstance(permissions, list) else []
        conditional = bool(inner.get("condition")) or any(one.get("condition") for one in there)
        unsure = "it has a condition" if conditional else "whether it is for us cannot be told" if ours is Ours.PERHAPS else ""
        name = str(inner.get("denyAssignmentName") or row.get("name") or "without a name")
        found.append(Denial(name=name, denies=allowances_of(there), unsure=unsure))
    return tuple(found)


def _is_ours(inner: Mapping[str, Any], us: Ourselves) -> Ours:
    named, excluded = _among(inner.get("principals"), us), _among(inner.get("excludePrincipals"), us)
    if excluded is Ours.YES or named is Ours.NO:
        return Ours.NO
    return Ours.PERHAPS if Ours.PERHAPS in (excluded, named) else Ours.YES


def _among(principals: object, us: Ourselves) -> Ours:
    told = [_one(_mapping(one), us) for one in principals] if isinstance(principals, list) else []
    return Ours.YES if Ours.YES in told else Ours.PERHAPS if Ours.PERHAPS in told else Ours.NO


def _one(principal: Mapping[str, Any], us: Ourselves) -> Ours:
    id_, sort = str(principal.get("id") or "").lower(), str(principal.get("type") or "").lower()
    if id_ in (us.id, EVERYBODY) and id_:
        return Ours.YES
    if sort in ("user", "serviceprincipal"):
        return Ours.NO if us.id else Ours.PERHAPS
    if us.groups is None:
        return Ours.PERHAPS
    return Ours.YES if id_ in us.groups else Ours.NO


def _reaches(row: Mapping[str, Any], inner: Mapping[str, Any], place: str) -> bool:
    """One may be for its own scope alone, and for nothing below it."""
    id_ = str(row.get("id", "")).lower()
    scope = str(inner.get("scope") or (id_.rpartition(_PATH)[0] if _PATH in id_ else "")).lower().rstrip("/")
    return inner.get("doNotApplyToChildScopes") is not True or scope == place.lower().rstrip("/")


def _mapping(said: object) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}
