"""ECDSA P-256 with SHA-256, by `cryptography`: GitHub's partner signature."""

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key of somebody else's, by the name that he gives it."""

    identifier: str
    key: "EllipticCurvePublicKey"


def public_key(identifier: str, pem: str) -> PublicKey | None:
    """The key in `pem`, or None where it is not one on P-256."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    fits = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    return PublicKey(identifier=identifier, key=key) if fits else None  # type: ignore[arg-type]  # `fits` says so


def signed_by(key: PublicKey, signature: str, message: bytes) -> bool:
    """Whether `signature` (base64 of DER) is that key's over `message`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.key.verify(base64.b64decode(signature, validate=True), message, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
