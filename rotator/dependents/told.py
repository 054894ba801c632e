"""What was told to those that say nothing when asked, and how they took it: known as long as this process lives, and bounded."""

from collections import OrderedDict
from collections.abc import Hashable

from rotator.core.snapshot import DependentView

REMEMBERED_MAX = 10_000


class Told:
    """The newest views by what they are of; the oldest one gives way. What is forgotten is told again, which every kind can stand."""

    def __init__(self) -> None:
        self._views: OrderedDict[Hashable, DependentView] = OrderedDict()

    def of(self, what: Hashable) -> DependentView | None:
        return self._views.get(what)

    def remember(self, what: Hashable, view: DependentView) -> None:
        self._views[what] = view
        self._views.move_to_end(what)
        while len(self._views) > REMEMBERED_MAX:
            self._views.popitem(last=False)
