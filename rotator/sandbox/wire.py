"""The words that every surface shares: a call, an answer, a refusal, a route.

Promises: a surface is a name, routes, an admission and a dialect for errors; effects are plain synchronous functions
from call to answer. Never: transport; how a call arrives and how its answer is lost is the corridor's part.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web


class Refused(Exception):
    """An effect's way to say no; the surface puts it into its own dialect."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None, **headers: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.inner = status, code, message, inner
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int = 200
    body: Any = None
    text: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Call:
    """`names` are what the route's pattern caught; `headers` go out with whatever answer is given."""

    request: web.Request
    body: bytes
    operation: str
    names: Mapping[str, str]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Refused(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
        return found


Effect = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """Paths are case-insensitive in Azure, so patterns are. `target` is the account or secret a rule may name."""

    method: str
    pattern: str
    operation: str
    effect: Effect

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        found = re.fullmatch(self.pattern, path, re.IGNORECASE) if method == self.method else None
        return found.groupdict() if found else None


class Surface(Protocol):
    name: str
    routes: Sequence[Route]

    def admit(self, call: Call) -> None:
        """Raise Refused unless the request may reach its effect."""

    def error(self, refused: Refused) -> Answer: ...
