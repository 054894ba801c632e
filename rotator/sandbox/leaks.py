"""What the scanners found: GitHub's alerts, GitGuardian's incidents, the secrets of their webhooks and the keys that they sign with.

Promises: values are those that a test or a person leaked on purpose; the signing keys are made at the first need and live as long as the
process. Never: HTTP.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from random import Random
from typing import Any

DOORS = ("github", "gitguardian", "vault-radar", "event-grid", "azure-monitor", "defender", "signed")


@dataclass(slots=True, kw_only=True)
class HubAlert:
    """One secret-scanning alert. `encoded` alerts show their secret in base64."""

    repository: str
    number: int
    secret: str = field(repr=False)
    secret_type: str
    created: datetime
    encoded: bool = False
    state: str = "open"
    resolution: str | None = None
    comment: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class GuardIncident:
    """One incident of GitGuardian's: it knows the value and says only its hash."""

    id: int
    hmsl_hash: str
    detector: str
    created: datetime
    status: str = "TRIGGERED"
    secret_revoked: bool = False


class Leaks:
    def __init__(self, random: Random) -> None:
        self._random = random
        self.token = self._phrase()
        self.webhook_secrets = {door: self._phrase() for door in DOORS}
        self.webhook_secrets["signed"] = "whsec_" + _base64(random.randbytes(32))
        self.alerts: list[HubAlert] = []
        self.incidents: dict[int, GuardIncident] = {}

    def found_on_github(self, repository: str, secret: str, secret_type: str, now: datetime, *, encoded: bool = False) -> HubAlert:
        number = 1 + sum(alert.repository == repository for alert in self.alerts)
        alert = HubAlert(repository=repository, number=number, secret=secret, secret_type=secret_type, created=now, encoded=encoded)
        self.alerts.append(alert)
        return alert

    def found_by_gitguardian(self, secret: str, detector: str, now: datetime) -> GuardIncident:
        incident = GuardIncident(id=len(self.incidents) + 31_001, hmsl_hash=hmsl_hash(secret), detector=detector, created=now)
        self.incidents[incident.id] = incident
        return incident

    @cached_property
    def signing_key(self) -> Any:
        """Entra's, for RS256."""
        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

        return generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def partner_key(self) -> Any:
        """GitHub's, for its partners."""
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

        return generate_private_key(SECP256R1())

    @cached_property
    def partner_key_id(self) -> str:
        return hashlib.sha256(self.partner_key_pem.encode()).hexdigest()

    @property
    def partner_key_pem(self) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public: bytes = self.partner_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return public.decode()

    def change_signing_keys(self) -> None:
        """As Entra and GitHub do from time to time: new keys, under new names."""
        for name in ("signing_key", "partner_key", "partner_key_id"):
            self.__dict__.pop(name, None)

    def _phrase(self) -> str:
        return f"{self._random.getrandbits(200):050x}"


def hmsl_hash(secret: str) -> str:
    salt = hashlib.sha256(b"GitGuardian").digest()
    return hashlib.scrypt(secret.encode(), salt=salt, n=2048, r=8, p=1, dklen=32).hex()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
