"""What the contract suite needs of a kind: something of that kind in the sandbox, and the truth about it.

A kind joins by a `Rig` in `rigs_on_arm.py` or `rigs_elsewhere.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from rotator.core.credential import Dependent
from rotator.core.snapshot import Adoption
from rotator.engine.ports import Published
from rotator.sandbox import Sandbox


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One consumer that runs on an old value beside neighbours, and what a person who can look behind the sandbox sees.

    `published(value)` puts a value where the consumer's kind expects it (a new version in the vault) and says so in the engine's words;
    `held()` is the value it really runs on or has stored; `neighbours()` is everything near it that is not its own, to be compared before
    and after; `settle()` lets the time pass that a real platform takes until a delivered value is picked up;
    `vanish()`, where consumers of the sandbox are not all that has to go, takes it away.
    """

    dependent: Dependent
    published: Callable[[str], Published]
    held: Callable[[], str | None]
    neighbours: Callable[[], object]
    settle: Callable[[], Awaitable[None]]
    vanish: Callable[[], object] | None = None


@dataclass(frozen=True, kw_only=True)
class Rig:
    """`writes` are the sandbox's operations that a delivery sends and that have an effect, `reads` those that a look asks; each with the
    permission that a 403 has to name. `proven` is False for a kind that can only ever be Claimed; `gone` is how
    one that is not there is seen: Stale where nobody but a delivery can tell.
    """

    name: str
    kind: str
    build: Callable[[Sandbox], Awaitable[Situation]]
    writes: Mapping[str, str]
    reads: Mapping[str, str] = field(default_factory=dict)
    proven: bool = True
    gone: Adoption = Adoption.UNSEEN
