"""Every kind of dependent that this version knows, by the word that `kind:` says."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag

from rotator.settings.kinds.declaration import Declaration, DependentSettings, Permission
from rotator.settings.kinds.elsewhere import ELSEWHERE
from rotator.settings.kinds.on_arm import ON_ARM

KINDS: Mapping[str, Declaration] = {one.kind: one for one in (*ON_ARM, *ELSEWHERE)}


def tag(kind: str) -> str:
    """A kind as it stands in a path of an error; no key is written so."""
    return f"<{kind}>"


NO_MAPPING = tag("no mapping")


def _said(value: object) -> str | None:
    if isinstance(value, DependentSettings):
        return tag(value.kind)
    if not isinstance(value, Mapping):
        return NO_MAPPING
    kind = value.get("kind")
    return tag(kind) if isinstance(kind, str) else None


if TYPE_CHECKING:
    AnyDependent = DependentSettings
else:
    _UNION: Any = Union[tuple(Annotated[one.parameters, Tag(tag(one.kind))] for one in KINDS.values())]  # noqa: UP007  # made at run time
    AnyDependent = Annotated[_UNION, Discriminator(_said)]
"""The parameters of whichever kind is said."""

__all__ = ["KINDS", "NO_MAPPING", "AnyDependent", "Declaration", "DependentSettings", "Permission", "tag"]
