"""Whether what somebody holds is a copy of a live key, or a reference to its secret; and whether the settings know of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rotator.core.credential import Credential, Dependent, Slot
from rotator.core.sealed import Fingerprint
from rotator.hunt.place import Held


class Why(StrEnum):
    """What is wrong with it."""

    COPY = "copy"
    READER = "reader"
    PINNED = "pinned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Whose key a fingerprint is now."""

    credential: str
    slot: Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One finding. `known`: the settings name it, and it is still one (a pinned version never moves). `settings` is what to add to them."""

    credential: str
    why: Why
    what: str
    resource: str
    told: str
    known: bool
    fingerprint: Fingerprint | None = None
    slot: Slot | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The live keys by fingerprint, and what the settings know."""

    live: Mapping[Fingerprint, Live]
    credentials: Sequence[Credential]


def judged(held: Held, fleet: Fleet) -> Iterator[Copy]:
    """The findings about one text; none for what the settings know and that moves."""
    if held.reference is not None:
        yield from _referring(held, fleet)
    for number, value in enumerate(held.fingerprints):
        live = fleet.live.get(value)
        if live is not None and not _is_known(held, live.credential, fleet) and not _is_the_secret(held, live.credential, fleet):
            inside = "" if number == 0 else ": inside a larger text, say its form with `format:`"
            told = f"holds {live.slot} of {live.credential}{inside}"
            yield _copy(held, live.credential, Why.COPY, told, fingerprint=value, slot=live.slot)


def _referring(held: Held, fleet: Fleet) -> Iterator[Copy]:
    assert held.reference is not None
    for one in fleet.credentials:
        if not held.reference.is_of(one.secret):
            continue
        known = _is_known(held, one.name, fleet)
        if held.reference.version:
            told = f"pins version {held.reference.version[:8]}… and never moves: take the version out of the reference"
            yield _copy(held, one.name, Why.PINNED, told, known=known)
        elif not known:
            yield _copy(held, one.name, Why.READER, "reads the secret, and nobody sees whether it moves")


def _copy(held: Held, credential: str, why: Why, told: str, **more: Any) -> Copy:
    known = more.pop("known", False)
    settings = {} if known else held.settings
    return Copy(credential=credential, why=why, what=held.what, resource=held.resource, told=told, known=known, settings=settings, **more)


def _is_known(held: Held, credential: str, fleet: Fleet) -> bool:
    owner = next(one for one in fleet.credentials if one.name == credential)
    return any(_is_same(held, dependent) for dependent in owner.dependents)


def _is_same(held: Held, dependent: Dependent) -> bool:
    """Each parameter that tells where it is: ids and URLs compare without case; where a kubeconfig lies, several paths may say."""
    told = {name: value for name, value in held.settings.items() if name not in ("kind", "kubeconfig", "context")}
    same = all(
        str(dependent.parameters.get(name, "")).lower().rstrip("/") == str(value).lower().rstrip("/") for name, value in told.items()
    )
    return (dependent.kind == held.settings["kind"] and same) or _is_synced(held, dependent)


def _is_synced(held: Held, dependent: Dependent) -> bool:
    """A Secret that an operator writes is known by the dependent that watches the operator."""
    said, seen = dependent.parameters, held.settings
    if seen["kind"] != "kubernetes-secret" or dependent.kind not in ("external-secret", "secrets-store-csi"):
        return False
    names = (said.get("secret"), said.get("target"), said.get("external_secret"))
    return said.get("namespace") == seen["namespace"] and seen["secret"] in names


def _is_the_secret(held: Held, credential: str, fleet: Fleet) -> bool:
    owner = next(one for one in fleet.credentials if one.name == credential)
    return held.settings["kind"] == "key-vault" and str(owner.secret).lower() == held.resource.lower()
