"""What is said of a dependent: its adoption, what was seen, and why, in the same words for every kind."""

from datetime import datetime

from rotator.core.credential import Dependent
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import Adoption, DependentView
from rotator.core.template import Template

SHOWN = 8
"""So many characters of a fingerprint or a version tell two apart for a person."""


def proven(dependent: Dependent, seen: str, because: str = "", *, running: Fingerprint | None = None) -> DependentView:
    return _view(dependent, Adoption.PROVEN, seen, because, running)


def claimed(dependent: Dependent, seen: str, because: str, *, running: Fingerprint | None = None) -> DependentView:
    return _view(dependent, Adoption.CLAIMED, seen, because, running)


def stale(dependent: Dependent, seen: str, because: str, *, running: Fingerprint | None = None) -> DependentView:
    return _view(dependent, Adoption.STALE, seen, because, running)


def unseen(dependent: Dependent, because: str) -> DependentView:
    return _view(dependent, Adoption.UNSEEN, "", because, None)


def _view(dependent: Dependent, adoption: Adoption, seen: str, because: str, running: Fingerprint | None) -> DependentView:
    return DependentView(name=dependent.name, kind=dependent.kind, adoption=adoption, seen=seen, because=because, running=running)


def short(identity: str) -> str:
    """A fingerprint or a version, as long as a person needs it."""
    return identity if len(identity) <= SHOWN else f"{identity[:SHOWN]}…"


def at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def fingerprint_in(text: str, form: str) -> Fingerprint | None:
    """The fingerprint of the key inside `text`, which has the form that the settings say; None where it has not."""
    inside = Template(text=form).extract(text)
    return Sealed(inside).fingerprint if inside else None


def filled(value: Sealed, form: str, current: str | None) -> Sealed:
    """The text that carries the key; of a JSON document in `current`, every other field is kept."""
    return Sealed(Template(text=form).fill(value.reveal(), current))
