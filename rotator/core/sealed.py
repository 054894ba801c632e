"""A key's value, sealed: it has a fingerprint to be talked about, and no way to be printed.

Promises that `repr`, `str`, `format`, `pickle` and `copy` of a Sealed never show a byte of the value. Never compares values
in variable time. `.reveal()` stands only where a value goes on the wire; a test counts those places.
"""

import base64
import hashlib
import hmac
import weakref
from collections.abc import Callable
from typing import NewType, NoReturn

Fingerprint = NewType("Fingerprint", str)
"""26 lower-case base32 characters: domain-separated SHA-256 of a value, cut to 128 bits. Safe to log: keys are high-entropy."""

_DOMAIN = b"rotator/fingerprint/1\0"
_SIZE_BYTES = 16


def fingerprint(value: str) -> Fingerprint:
    """The name under which `value` is known in tags, ledger, logs and audit."""
    digest = hashlib.sha256(_DOMAIN + value.encode()).digest()[:_SIZE_BYTES]
    return Fingerprint(base64.b32encode(digest).decode().rstrip("=").lower())


class Sealed:
    """One value that must not be seen. Equality is in constant time; the hash is that of the fingerprint."""

    __slots__ = ("__weakref__", "_value", "fingerprint")

    def __init__(self, value: str) -> None:
        self._value = value
        self.fingerprint = fingerprint(value)
        _alive[id(self)] = self

    def reveal(self) -> str:
        """The value itself. Only for the wire."""
        return self._value

    def sha256(self) -> str:
        """Plain SHA-256 in hex, the hash that GitHub's partner format and the `signed` door use."""
        return hashlib.sha256(self._value.encode()).hexdigest()

    def hmsl_hash(self) -> str:
        """GitGuardian's hash of a leaked value (scrypt with a fixed salt), so that its alerts match without a value."""
        salt = hashlib.sha256(b"GitGuardian").digest()
        return hashlib.scrypt(self._value.encode(), salt=salt, n=2048, r=8, p=1, dklen=32).hex()

    def occurs_in(self, text: str) -> bool:
        """Whether the value stands somewhere in `text` (for the scrubber)."""
        return bool(self._value) and self._value in text

    def satisfies(self, question: Callable[[str], bool]) -> bool:
        """A yes or no about the value (its shape, say), and nothing else of it."""
        return bool(question(self._value))

    def cut_from(self, text: str, mark: str) -> str:
        """`text` with every occurrence of the value replaced by `mark` (for the scrubber)."""
        return text.replace(self._value, mark) if self._value else text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"Sealed({self.fingerprint})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Sealed value is never pickled or copied out of memory")


_alive: "weakref.WeakValueDictionary[int, Sealed]" = weakref.WeakValueDictionary()
"""By identity: two seals of one value are two, and the value is known as long as one of them lives."""


def alive() -> list[Sealed]:
    """Every Sealed that is in memory now: what the scrubber looks for."""
    return list(_alive.values())
