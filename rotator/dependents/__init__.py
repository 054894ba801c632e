"""What runs on a key. One file a kind; each fulfils the engine's `Kind`, and none knows another."""

from collections.abc import Iterable

from rotator.core.credential import Credential, Dependent
from rotator.core.faults import Rejected
from rotator.core.snapshot import Adoption, DependentView
from rotator.engine.ports import Kind, Published


class NotBuiltIn:
    """A kind this version cannot move or see: always Unseen, so nothing that it runs on is ever revoked on schedule."""

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        because = f"this version of rotator cannot see dependents of the kind {dependent.kind!r}"
        return DependentView(name=dependent.name, kind=dependent.kind, adoption=Adoption.UNSEEN, because=because)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        raise Rejected(f"this version of rotator cannot move dependents of the kind {dependent.kind!r}")


def kinds_for(credentials: Iterable[Credential]) -> dict[str, Kind]:
    """The kinds that the credentials' dependents need."""
    return {dependent.kind: NotBuiltIn() for credential in credentials for dependent in credential.dependents}
