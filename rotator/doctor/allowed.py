"""What role assignments allow, by Azure's own rules. Pure.

A role allows what its actions name, less what its notActions name; whatever one role takes away another may give. `*` stands for any run of
characters, the separators too, and case is nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One role that our identity has at a place. `conditional`: it holds only where a condition is met, which nobody judges here."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    conditional: bool = False

    def permits(self, action: str, *, data: bool) -> bool:
        given, taken = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return _names(given, action) and not _names(taken, action)


def allowances_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Allowance, ...]:
    """As the permissions API writes them."""
    return tuple(
        Allowance(
            actions=_words(row.get("actions")),
            not_actions=_words(row.get("notActions")),
            data_actions=_words(row.get("dataActions")),
            not_data_actions=_words(row.get("notDataActions")),
            conditional=bool(row.get("condition")),
        )
        for row in rows
    )


def permits(held: Iterable[Allowance], action: str, *, data: bool = False) -> bool:
    return any(one.permits(action, data=data) for one in held)


def linked_ids(shown: object, path: str) -> list[str]:
    """The ids at a dotted path of a resource: a mapping's keys, or each `id` of a list. What is of another form names none."""
    for part in path.split("."):
        shown = shown.get(part) if isinstance(shown, Mapping) else None
    said = (
        shown
        if isinstance(shown, Mapping)
        else [one.get("id") for one in shown if isinstance(one, Mapping)]
        if isinstance(shown, list)
        else ()
    )
    return [one for one in said if isinstance(one, str) and one.lower().startswith("/subscriptions/")]


def _names(patterns: tuple[str, ...], action: str) -> bool:
    return any(_compiled(one).fullmatch(action) for one in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.IGNORECASE | re.DOTALL)


def _words(said: object) -> tuple[str, ...]:
    return tuple(str(one) for one in said) if isinstance(said, list) else ()
