"""Is it from whom it says? The comparisons that the senders share: in constant time, over bytes, and closed where nothing is configured."""

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from rotator.alerts.delivery import Post, Refused
from rotator.core.faults import Rejected
from rotator.core.sealed import Sealed

TOLERANCE = timedelta(minutes=5)
SECRET_HEADER = "x-rotator-secret"  # noqa: S105  # the name of a header
SECRET_QUERY = "code"  # noqa: S105  # the name of a parameter
HEADER_LENGTH_MAX = 4096
_MILLISECONDS_FROM = 1e11
"""A number as large as this counts milliseconds: as seconds it would lie beyond the year 5000."""


class SharedSecret:
    """What the sender and we know. An empty one never comes to be, so nothing is ever compared with it."""

    __slots__ = ("_sealed",)

    def __init__(self, value: str, what: str) -> None:
        if not value.strip():
            raise Rejected(f"the secret of {what} is empty", remedy="set it before rotator starts: with none, anybody could send alerts")
        self._sealed = Sealed(value)

    def mac(self, algorithm: str, message: bytes, *, before: bytes = b"") -> bytes:
        """HMAC of `message`; `before` stands before the secret in the key."""
        return hmac.new(before + self._sealed.reveal().encode(), message, algorithm).digest()

    def equals(self, given: str) -> bool:
        """By digests, so that not even the length shows."""
        mine, theirs = (hashlib.sha256(_bytes(text)).digest() for text in (self._sealed.reveal(), given))
        return hmac.compare_digest(mine, theirs)

    def key(self, decode: Callable[[str], bytes]) -> bytes:
        """The bytes that the secret stands for, where it is written in some encoding."""
        return decode(self._sealed.reveal())


def check_hex(secret: SharedSecret, post: Post, header: str, algorithm: str, *, before: bytes = b"") -> None:
    """`algorithm=<lower-case hex>` in `header`, over the raw body. Raises Refused."""
    scheme, _, given = post.header(header).partition("=")
    if scheme != algorithm or not given:
        raise Refused(f"no {header} of the form {algorithm}=…")
    expected = secret.mac(algorithm, post.body, before=before).hex()
    if not hmac.compare_digest(expected.encode(), _bytes(given)):
        raise Refused(f"{header} does not match the body under the secret in the settings")


def check_secret(secret: SharedSecret, post: Post, header: str = SECRET_HEADER) -> None:
    """The secret itself, in `header` or as `?code=` of the URL: all that a sender without signatures can give. Raises Refused."""
    given = post.header(header) or post.query.get(SECRET_QUERY, "")
    if not given or not secret.equals(given[:HEADER_LENGTH_MAX]):
        raise Refused(f"neither the header {header} nor ?{SECRET_QUERY}= carries the secret in the settings")


def check_fresh(said: datetime | None, post: Post, header: str) -> None:
    """A signed time must be near ours. Raises Refused."""
    if said is None:
        raise Refused(f"{header} is no time")
    if abs(post.at - said) > TOLERANCE:
        raise Refused(f"{header} is more than {TOLERANCE.total_seconds():.0f} s from our clock: a replay, or a clock that is wrong")


def moment(text: object) -> datetime | None:
    """A time as senders write it: seconds or milliseconds since the epoch, or ISO 8601 (without a zone: UTC); else None."""
    try:
        number = float(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    try:
        if math.isfinite(number):
            return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLISECONDS_FROM else number, UTC)
        if not isinstance(text, str) or len(text) > 64:
            return None
        read = datetime.fromisoformat(text.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an Authorization header. Raises Refused."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused("no bearer token")
    return token.strip()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
