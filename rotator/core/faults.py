"""What went wrong, named by what to do next. The edge translates an SDK's error into one of these, once, `from` its cause.

A fault's text is written by us (operation, status, Azure's error code): it never carries a payload, so it never carries a key.
"""

from datetime import datetime


class Fault(Exception):
    """Something outside refused or failed. `remedy` is the next thing a person should do, in words they can act on."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Throttled(Fault):
    """Refused before any effect, for want of budget: again at `until` (aware UTC)."""

    def __init__(self, what: str, *, until: datetime, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.until = until


class Transient(Fault):
    """A failure without an effect that is likely to pass by itself: again soon."""


class Denied(Fault):
    """401 or 403: a person has to grant something."""


class Missing(Fault):
    """404: the thing is not there."""


class Conflict(Fault):
    """409 or 412: the thing is busy, locked or changed meanwhile: look again."""


class Rejected(Fault):
    """400 and its like: the same request would fail again."""


class Misconfigured(Rejected):
    """The settings name something that is not there (a variable, a file): found at the start, before anything was asked."""


class Ambiguous(Fault):
    """Nobody can say whether the effect happened: settle it by looking, never by sending again."""


class LeaseLost(Exception):
    """Another worker may act on the credential now: stop before the next effect."""
