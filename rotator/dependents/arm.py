"""What the kinds behind Azure Resource Manager share: resource ids, one client a subscription, references, forms, and words for a look."""

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from azure.core.exceptions import HttpResponseError

from rotator.azure import Azure, faults
from rotator.core.credential import Dependent, Secret
from rotator.core.faults import Fault, Rejected
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import Adoption, DependentView
from rotator.core.template import Template
from rotator.engine.ports import Published

ATTEMPTS = 3
"""How often a write is prepared anew because somebody else wrote meanwhile."""
SHOWN = 8
"""As many characters of a fingerprint or a version are enough for a person to compare."""
MARK = "rotator-fingerprint"
"""Beside a value that Azure never shows again stands the fingerprint of what was written, in whatever holds notes there."""

_REFERENCE = re.compile(r"@Microsoft\.KeyVault\((?P<parts>[^)]*)\)\s*", re.IGNORECASE)

T = TypeVar("T")


# --- places -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource id, taken apart: `names["sites"]` is the name behind `/sites/`."""

    id: str
    subscription: str
    group: str
    names: dict[str, str]

    @property
    def name(self) -> str:
        return self.id.rstrip("/").rsplit("/", 1)[1]


def resource(id_: str) -> Resource:
    """Settings have checked its form."""
    parts = id_.strip("/").split("/")
    names = {noun.lower(): name for noun, name in zip(parts[6::2], parts[7::2], strict=True)}
    return Resource(id=id_, subscription=parts[1], group=parts[3], names=names)


class Clients(Generic[T]):
    """One client of an SDK for each subscription, on the shared transport and credential."""

    def __init__(self, azure: Azure, make: Callable[..., T]) -> None:
        self._azure = azure
        self._make = make
        self._made: dict[str, T] = {}

    def at(self, place: Resource) -> T:
        if place.subscription not in self._made:
            self._made[place.subscription] = self._make(
                self._azure.credential,
                place.subscription,
                base_url=self._azure.cloud.resource_manager.rstrip("/"),
                credential_scopes=[self._azure.arm_scope],
                **self._azure.client_options,
            )
        return self._made[place.subscription]


def as_sent(answer: Any, _: object, __: object) -> Any:
    """For the SDKs' `cls`: the JSON itself. Their models drop what they do not know, and a write of the whole would lose it."""
    return json.loads(answer.http_response.text())


# --- references to the vault ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A vault's secret as somebody refers to it: `vault` is a URL or a bare name, `version` is "" where none is pinned."""

    vault: str
    name: str
    version: str = ""

    def is_to(self, published: Published) -> bool:
        return self.is_of(published.secret)

    def is_of(self, secret: Secret) -> bool:
        base = secret.vault.lower().rstrip("/")
        named = self.vault.lower().rstrip("/")
        same = named == base or base.removeprefix("https://").split(".", 1)[0] == named
        return same and self.name.lower() == secret.name.lower()

    def refuse_to_move(self, what: str, published: Published) -> None:
        """Raises Rejected where it leads elsewhere, or pins a version: such a reference never moves."""
        if not self.is_to(published):
            raise Rejected(f"{what} refers to another secret than the credential's", remedy=f"let it refer to {published.secret}")
        if self.version and self.version != published.version:
            raise Rejected(f"{what} {PINS.format(self.version[:SHOWN])}", remedy="take the version out of the reference")


PINS = "pins version {}… and never moves"


def reference_at(url: str) -> Reference:
    base, _, rest = url.rstrip("/").partition("/secrets/")
    name, _, version = rest.partition("/")
    return Reference(vault=base, name=name, version=version)


def reference_in(text: str) -> Reference | None:
    """`@Microsoft.KeyVault(SecretUri=…)` or `(VaultName=…;SecretName=…[;SecretVersion=…])`; None for a plain value."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    parts = {name.strip().lower(): value.strip() for name, _, value in (part.partition("=") for part in found["parts"].split(";"))}
    if "secreturi" in parts:
        return reference_at(parts["secreturi"])
    return Reference(vault=parts.get("vaultname", ""), name=parts.get("secretname", ""), version=parts.get("secretversion", ""))


# --- values -----------------------------------------------------------------------------------------------------------------


def filled(dependent: Dependent, published: Published, current: str | None) -> Sealed:
    """The plain value that the dependent is handed: the key, in the dependent's own form."""
    return Sealed(_form(dependent).fill(published.value.reveal(), current))


def inside(dependent: Dependent, text: str | None) -> Fingerprint | None:
    """The fingerprint of the key in a plain value; None where the value is not of the dependent's form."""
    key = _form(dependent).extract(text) if text else None
    return Sealed(key).fingerprint if key else None


def _form(dependent: Dependent) -> Template:
    return Template(text=dependent.parameters["format"])


# --- words for a look -------------------------------------------------------------------------------------------------------


async def read(dependent: Dependent, work: Awaitable[T]) -> T:
    """What comes of `work`. An answer whose parts are not of the documented form is a fault as well, wherever that is noticed."""
    with faults(f"{dependent.kind} {dependent.name}"):
        return await work


async def seen(dependent: Dependent, look: Awaitable[DependentView]) -> DependentView:
    """The view, or Unseen with what stands in the way and what a person should do."""
    try:
        return await read(dependent, look)
    except Fault as fault:
        return view(dependent, Adoption.UNSEEN, because="; ".join(filter(None, (fault.what, fault.remedy))))


def view(dependent: Dependent, adoption: Adoption, saw: str = "", because: str = "", running: Fingerprint | None = None) -> DependentView:
    return DependentView(name=dependent.name, kind=dependent.kind, adoption=adoption, seen=saw, because=because, running=running)


def by_value(dependent: Dependent, published: Published, text: str | None, what: str) -> DependentView:
    """Judged by the fingerprint of a value that can be read back."""
    found = inside(dependent, text)
    if found == published.fingerprint:
        return view(dependent, Adoption.PROVEN, f"fingerprint {found[:SHOWN]}", running=found)
    if found is None:
        return view(dependent, Adoption.STALE, because=f"{what} does not hold a key in the form that `format:` says")
    return view(dependent, Adoption.STALE, f"fingerprint {found[:SHOWN]}", f"{what} holds another value", running=found)


def pinned(reference: Reference, seen_before: DependentView, what: str) -> DependentView:
    """The same view, which also says that a reference will stay where it is."""
    if not reference.version:
        return seen_before
    told = f"{what} {PINS.format(reference.version[:SHOWN])}: take the version out of the reference"
    return replace(seen_before, because="; ".join(filter(None, (seen_before.because, told))))


def elsewhere(dependent: Dependent, published: Published, what: str) -> DependentView:
    because = f"{what} refers to another secret than the credential's; let it refer to {published.secret}"
    return view(dependent, Adoption.UNSEEN, because=because)


# --- deliveries under way ---------------------------------------------------------------------------------------------------


class Underway:
    """What was set going a moment ago and shows no effect yet. Only a saving: after a crash it may be set going once more."""

    def __init__(self, within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._within_s = within_s
        self._clock = clock
        self._begun: OrderedDict[Hashable, float] = OrderedDict()

    def is_on(self, what: Hashable) -> bool:
        return what in self._begun and self._clock() - self._begun[what] < self._within_s

    def begin(self, what: Hashable) -> None:
        self._begun[what] = self._clock()
        self._begun.move_to_end(what)
        while len(self._begun) > REMEMBERED_MAX:
            self._begun.popitem(last=False)


REMEMBERED_MAX = 10_000


class Turns:
    """One write at a time to a resource that is written as a whole: two credentials of ours on one site do not undo each other."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def at(self, place: Resource) -> asyncio.Lock:
        return self._locks.setdefault(place.id.lower(), asyncio.Lock())


def changed_meanwhile(fault: Fault) -> bool:
    """Whether a write was refused, without any effect, because its ETag is not the current one (412)."""
    cause: Any = fault.__cause__
    return isinstance(cause, HttpResponseError) and cause.status_code == 412
