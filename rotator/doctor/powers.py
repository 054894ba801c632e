"""What our identity may do at one place: what roles give there, less what deny assignments take away. Pure.

May, may not, or cannot be told: a condition is not judged here, nor is a group asked for its members.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rotator.core.snapshot import Unseen
from rotator.doctor.allowed import Allowance, permits
from rotator.doctor.denials import Denial
from rotator.settings.kinds import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """The roles, and the denials that are or may be for us; Unseen where those may not be listed."""

    roles: tuple[Allowance, ...] = ()
    denials: tuple[Denial, ...] | Unseen = ()

    def lacks(self, needs: Iterable[Permission]) -> list[Permission]:
        """What we certainly may not. What other systems than Azure grant is not told here."""
        return [
            one for one in needs if one.system == "Azure" and (self._is_denied(one) or not permits(self.roles, one.action, data=one.data))
        ]

    def denied(self, needs: Iterable[Permission]) -> list[tuple[Permission, str]]:
        """Of what we may not: what a denial takes away, and its name. No role mends that."""
        told = ((one, next((d.name for d in self._certain() if d.names(one.action, data=one.data)), "")) for one in needs)
        return [(one, name) for one, name in told if name]

    def unsure(self, needs: Iterable[Permission]) -> list[tuple[Permission, str]]:
        """What cannot be told, and why."""
        wanted = [one for one in needs if one.system == "Azure" and not self.lacks([one])]
        return [(one, because) for one in wanted if (because := self._doubt(one))]

    def _doubt(self, one: Permission) -> str:
        if not permits([role for role in self.roles if not role.conditional], one.action, data=one.data):
            return "only a role with a condition gives it"
        doubtful = [denial for denial in self._listed() if denial.unsure and denial.names(one.action, data=one.data)]
        return f"the deny assignment {doubtful[0].name!r} names it, and {doubtful[0].unsure}" if doubtful else ""

    def _is_denied(self, one: Permission) -> bool:
        return any(denial.names(one.action, data=one.data) for denial in self._certain())

    def _certain(self) -> list[Denial]:
        return [denial for denial in self._listed() if not denial.unsure]

    def _listed(self) -> tuple[Denial, ...]:
        return () if isinstance(self.denials, Unseen) else self.denials
