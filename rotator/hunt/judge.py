"""Whether what somebody holds is a copy of a live key, or a reference to its secret; and whether the settings know of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rotator.core.credential import Dependent, Secret, Slot
from rotator.core.sealed import Fingerprint
from rotator.dependents.arm import SHOWN, Reference
from rotator.hunt.finding import Copy, Why, astray
from rotator.hunt.place import Held

EACH_WITHOUT = "container"
"""A parameter that stands for all of them where the settings leave it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose keys they are: a credential of the settings, or an account that nobody manages. `secret` is the one that gives the key out to
    its users, `others` those that hold it besides.
    """

    name: str
    secret: Secret | None
    others: tuple[Secret, ...] = ()
    dependents: tuple[Dependent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Whose key a fingerprint is now."""

    owner: str
    slot: Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The live keys by fingerprint, the owners by name, and who owns the secrets of a name, in lower case."""

    live: Mapping[Fingerprint, Live]
    owners: Mapping[str, Owner]
    secrets: Mapping[str, Sequence[tuple[Owner, Secret]]]

    def behind(self, reference: Reference) -> Iterator[tuple[Owner, Secret]]:
        """The secret that is referred to, and whose it is."""
        return ((owner, secret) for owner, secret in self.secrets.get(reference.name.lower(), ()) if reference.is_of(secret))


def fleet(live: Mapping[Fingerprint, Live], owners: Iterable[Owner]) -> Fleet:
    every, secrets = list(owners), defaultdict[str, list[tuple[Owner, Secret]]](list)
    for owner in every:
        for secret in ([owner.secret] if owner.secret else []) + list(owner.others):
            secrets[secret.name.lower()].append((owner, secret))
    return Fleet(live=live, owners={owner.name: owner for owner in every}, secrets=secrets)


def judged(held: Held, fleet: Fleet) -> Iterator[Copy]:
    """The findings about one text: who is known is said, too."""
    if held.reference is not None:
        yield from _referring(held, held.reference, fleet)
    for number, value in enumerate(held.fingerprints):
        yield from copied(held, value, fleet, whole=number == 0)


def copied(held: Held, value: Fingerprint, fleet: Fleet, *, whole: bool) -> Iterator[Copy]:
    """The finding about one value that stands in the text, or is (`whole`) all of it; none where that is the owner's own secret."""
    live = fleet.live.get(value)
    if live is None or _is_the_secret(held, fleet.owners[live.owner]):
        return
    owner = fleet.owners[live.owner]
    inside = "" if whole else ": inside a larger text, say its form with `format:`"
    found = _found(held, owner, Why.COPY, f"holds {live.slot}{inside}")
    asks = found.asks or ("" if whole else "how the key stands in its text: format: '…{key}…'")
    yield replace(found, fingerprint=value, slot=live.slot, asks=asks)


def is_known(held: Held, fleet: Fleet) -> bool:
    """Whether the settings name it for anybody."""
    return any(_is_dependent(held, owner) for owner in fleet.owners.values())


def _referring(held: Held, reference: Reference, fleet: Fleet) -> Iterator[Copy]:
    for owner, secret in fleet.behind(reference):
        why, told = Why.READER, "reads the secret, and nobody sees whether it moves"
        if reference.version:
            told = f"pins version {reference.version[:SHOWN]}… and never moves: take the version out of the reference"
            why = Why.PINNED
        elif _is_dependent(held, owner):
            told = "reads the secret"
        found = _found(held, owner, why, told)
        yield replace(found, secret=secret, asks=found.asks or astray(secret, owner.secret))


def _found(held: Held, owner: Owner, why: Why, told: str) -> Copy:
    return Copy(
        owner=owner.name,
        why=why,
        what=held.what,
        resource=held.resource,
        told=told,
        known=_is_dependent(held, owner),
        settings=held.settings,
        asks=held.asks,
    )


def _is_dependent(held: Held, owner: Owner) -> bool:
    return any(_is_same(held, dependent) for dependent in owner.dependents)


def _is_same(held: Held, dependent: Dependent) -> bool:
    """Each parameter that tells where it is: ids and URLs compare without case; where a kubeconfig lies, several paths may say."""
    told = {name: value for name, value in held.settings.items() if name not in ("kind", "kubeconfig", "context")}
    if dependent.parameters.get(EACH_WITHOUT) is None:
        told.pop(EACH_WITHOUT, None)
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


def _is_the_secret(held: Held, owner: Owner) -> bool:
    return held.settings["kind"] == "key-vault" and str(owner.secret).lower() == held.resource.lower()
