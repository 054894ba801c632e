"""What a place that is searched is, what it finds there, and where it looks."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rotator.core.faults import Fault
from rotator.core.keyshape import keys_in
from rotator.core.sealed import Fingerprint, Sealed
from rotator.dependents.arm import Reference

if TYPE_CHECKING:
    from rotator.hunt.reach import Reach

TEXT_MAX = 2 * 1024 * 1024
"""Longer than any of these platforms holds in one place; the longest is a Secret of Kubernetes, with 1 MiB."""
KEYS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One text that somebody holds: what stands in it, as fingerprints (the first is that of all of it), or what it refers to.

    `settings` is the dependent as the settings would say it, and `asks` what only a person knows before they can. `write_only`: Azure gives
    it back to nobody, so that a key may stand in it all the same.
    """

    what: str
    resource: str
    settings: Mapping[str, Any]
    fingerprints: tuple[Fingerprint, ...] = ()
    reference: Reference | None = None
    asks: str = ""
    write_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What could not be searched, why, and what a person has to do. `write_only`: no permission would mend it."""

    what: str
    because: str
    remedy: str = ""
    write_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where is searched: subscriptions, in them one resource group or all; vaults by URL; clusters by kubeconfig and context."""

    subscriptions: tuple[str, ...]
    group: str = ""
    vaults: tuple[str, ...] = ()
    clusters: tuple[tuple[str, str], ...] = ()

    def lists(self, noun: str) -> list[str]:
        """The paths that list every resource of a type (`Microsoft.Web/sites`)."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return [f"/subscriptions/{one}{group}/providers/{noun}" for one in self.subscriptions]


class Place(Protocol):
    """One sort of places. A Fault that stands in its way anywhere is a `Hidden`, and the rest of it is searched."""

    name: str

    def search(self, scope: Scope, reach: "Reach") -> AsyncIterator[Held | Hidden]: ...


def behind(what: str, fault: Fault) -> Hidden:
    """What a fault hides."""
    return Hidden(what=what, because=fault.what, remedy=fault.remedy)


def prints(text: object) -> tuple[Fingerprint, ...]:
    """The fingerprints of a text and of each key in it; the text itself goes no further."""
    if not isinstance(text, str) or not text or len(text) > TEXT_MAX:
        return ()
    every = [Sealed(text), *keys_in(text, KEYS_MAX)]
    return tuple(dict.fromkeys(one.fingerprint for one in every))


def scope_of(path: str) -> str:
    """The group or the subscription of which a path lists something."""
    return path.partition("/providers/")[0].rsplit("/", 1)[1]


def place_of(resource: str) -> str:
    """A resource id as people say it: its names, and the group or subscription it is in. A URL says enough itself."""
    if resource.startswith("https://"):
        return resource
    parts = resource.strip("/").split("/")
    nouns = parts[parts.index("providers") + 2 :] if "providers" in parts else parts
    names = "/".join(nouns[1::2]) or "/".join(nouns)
    group = f" in {parts[3]}" if len(parts) > 3 and parts[2].lower() == "resourcegroups" else f" in {parts[1]}" if len(parts) > 1 else ""
    return f"{names}{group}"
