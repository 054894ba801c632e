"""What runs on a key. One file a kind; each fulfils the engine's `Kind`, and none knows another.

What is said of a kind (parameters, permissions, how it moves, how that is proven) stands in `rotator.settings.kinds`. Its room here
offers `kind(tools) -> Kind` and is imported only where a credential has a dependent of that kind: an SDK that nobody needs costs nothing.
"""

import importlib
from collections.abc import Iterable

from rotator.core.credential import Credential, Dependent
from rotator.core.faults import Rejected
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.health import Beside
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published
from rotator.settings.kinds import KINDS, Declaration

__all__ = ["KINDS", "Tools", "kinds_for", "make"]


def kinds_for(credentials: Iterable[Credential], tools: Tools) -> dict[str, Kind]:
    """The kinds that the credentials' dependents need."""
    needed = {dependent.kind for credential in credentials for dependent in credential.dependents}
    return {kind: make(kind, tools) for kind in sorted(needed)}


def make(kind: str, tools: Tools) -> Kind:
    """One kind by its word. Where its client is not installed, what comes back says so whenever it is asked."""
    declared = KINDS[kind]
    try:
        room = importlib.import_module(f"{__name__}.{declared.module}")
    except ModuleNotFoundError as error:
        if not declared.extra or (error.name or "").startswith("rotator."):
            raise
        return NotInstalled(declared)
    return Beside(room.kind(tools), tools)


class NotInstalled:
    """A kind whose client is not there: always Unseen, so nothing that it runs on is revoked on schedule, and the others go on."""

    def __init__(self, declared: Declaration) -> None:
        self._because = f"dependents of the kind {declared.kind!r} need a client that is not installed"
        self._remedy = f"pip install 'rotator[{declared.extra}]'"

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        because = f"{self._because}: {self._remedy}"
        return DependentView(name=dependent.name, kind=dependent.kind, adoption=Adoption.UNSEEN, because=because)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        raise Rejected(self._because, remedy=self._remedy)
