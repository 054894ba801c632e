"""Who may look: never a stranger, for the page names accounts. Whoever may order may look; who has the viewer's token may look and no more.

A browser's own password (HTTP Basic: any user name, one of the two tokens) is taken only where nobody between could read it: from this
machine itself, or through a proxy that the settings name and that says it came over TLS. What a header says is believed of nobody else, and
against anyone: a proxy that says `http` is never safe. A bearer token is one of the two, or Entra's; Entra's may come in the header of the
proxy that signed the person in, for it proves itself wherever it stands.
"""

import base64
import binascii
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rotator.alerts.authentic import SharedSecret, bearer
from rotator.alerts.delivery import NotTaken, Refused
from rotator.web.orders import OPERATOR_TOKEN, Doorkeeper

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TOKEN_HEADERS = ("x-ms-token-aad-access-token", "x-forwarded-access-token")
"""Where Easy Auth (with its token store) and oauth2-proxy (`--pass-access-token`) hand on the access token of who signed in."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via", "x-real-ip")
PASSWORD_LENGTH_MAX = 4096
VIEWER_TOKEN = "viewer token"  # noqa: S105  # its name, not the token
BASIC = 'Basic realm="rotator", charset="UTF-8"'


class InTheClear(NotTaken):
    """A password came, or would come, over a way on which others can read it."""

    status = 403

    def __init__(self) -> None:
        super().__init__(
            "a password is taken over TLS or from this machine alone: put a proxy with TLS before rotator and name it in web.proxies, "
            "or forward the port (ssh -L, kubectl port-forward); a token that was sent in the clear has to be replaced"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """What a request says of who makes it: from which address, with which headers (names in lower case)."""

    peer: str
    headers: Mapping[str, str]


class Visitors:
    """Lets in, or says why not. `viewer` is the token of who may look alone; `proxies` are the networks of those who end TLS before us."""

    def __init__(self, doorkeeper: Doorkeeper, viewer: SharedSecret | None = None, proxies: Sequence[Network] = ()) -> None:
        self._doorkeeper, self._viewer, self._proxies = doorkeeper, viewer, tuple(proxies)

    @property
    def is_open(self) -> bool:
        return self._doorkeeper.is_open or self._viewer is not None

    async def who(self, knock: Knock) -> str:
        """Raises Refused, Unverifiable, InTheClear."""
        scheme, _, given = knock.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() == "basic":
            return self._by_password(knock, given.strip())
        if scheme.lower() == "bearer":
            return VIEWER_TOKEN if self._is_viewers(bearer(knock.headers)) else await self._doorkeeper.who(knock.headers)
        handed_on = next((token for name in TOKEN_HEADERS if (token := knock.headers.get(name, "").strip())), "")
        if handed_on:
            return await self._doorkeeper.of_entra(handed_on)
        raise Nobody

    def _by_password(self, knock: Knock, given: str) -> str:
        if not self.is_private(knock):
            raise InTheClear
        password = _password(given)
        if self._doorkeeper.is_token(password):
            return OPERATOR_TOKEN
        if self._is_viewers(password):
            return VIEWER_TOKEN
        raise Refused("the password is neither the operator's token nor the viewer's in the settings")

    def _is_viewers(self, given: str) -> bool:
        return self._viewer is not None and self._viewer.equals(given)

    def challenge(self, knock: Knock) -> str:
        """What to ask for: a password only where one may be sent."""
        has_token = self._doorkeeper.has_token or self._viewer is not None
        return BASIC if has_token and self.is_private(knock) else "Bearer"

    def is_private(self, knock: Knock) -> bool:
        """Whether nobody on the way could read what came."""
        try:
            peer = ipaddress.ip_address(knock.peer.partition("%")[0])
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer
        said = [word.strip().lower() for word in knock.headers.get("x-forwarded-proto", "").split(",") if word.strip()]
        if said:
            trusted = peer.is_loopback or any(peer in network for network in self._proxies)
            return trusted and all(word == "https" for word in said)
        return peer.is_loopback and not any(name in knock.headers for name in FORWARDED)


class Nobody(Refused):
    """No word of who it is: not a failed try, but a question."""

    def __init__(self) -> None:
        super().__init__("who looks has to say who they are")


def _password(given: str) -> str:
    """Of `user:password` in base64; the user may be anyone."""
    try:
        pair = base64.b64decode(given[: PASSWORD_LENGTH_MAX * 2], validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refused("the password is not written as HTTP says") from None
    return pair.partition(":")[2][:PASSWORD_LENGTH_MAX]
