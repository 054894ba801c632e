"""How a sender of Azure's shows who it is: an Entra token, a shared secret, or both. All that is configured must hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rotator.alerts.authentic import SECRET_HEADER, SharedSecret, bearer, check_secret
from rotator.alerts.delivery import Post
from rotator.core.faults import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say. An empty `role` asks for none; `callers` are the application ids, one of which it must come from."""

    tenant: str
    audience: str
    callers: frozenset[str]
    role: str = ""


class Tokens(Protocol):
    """Who can tell whether a token is Entra's."""

    async def check(self, token: str, expected: Expected) -> Mapping[str, object]:
        """The claims. Raises Refused, or Unverifiable."""


class Gate:
    """A gate with no lock at all is refused when it is built."""

    def __init__(
        self,
        source: str,
        *,
        secret: SharedSecret | None = None,
        header: str = SECRET_HEADER,
        tokens: Tokens | None = None,
        expected: Expected | None = None,
    ) -> None:
        if secret is None and (tokens is None or expected is None):
            raise Rejected(f"{source} has neither a secret nor Entra", remedy="anybody could send alerts: set one of them")
        if expected is not None and not (expected.tenant and expected.audience and expected.callers):
            raise Rejected(f"{source}: Entra without tenant, audience or caller", remedy="any token of any tenant would do: set all three")
        self._secret, self._header, self._tokens, self._expected = secret, header, tokens, expected

    async def check(self, post: Post) -> None:
        """The cheap lock first. Raises Refused, or Unverifiable."""
        if self._secret is not None:
            check_secret(self._secret, post, self._header)
        if self._tokens is not None and self._expected is not None:
            await self._tokens.check(bearer(post.headers), self._expected)
