"""Anything that answers a signed webhook: a machine, a program on premises, another platform.

    delivery   POST, signed: {"type": "key.published", "data": {"secret", "version", "fingerprint", …}}   never the key itself
    look       GET, signed, of the same URL
    answer     2xx, and in JSON the "version" or "fingerprint" that the app runs on: Proven, or Stale; 2xx without: Claimed

Signed by Standard Webhooks (id, timestamp and body; HMAC-SHA256). A delivery of one value to one dependent has one id whenever it is
sent, so that a receiver knows a repetition. What a receiver without an answer to a look was told, and took, the ledger knows after this
process; where the ledger is lost, it is told again.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook as Signer

from rotator.core.credential import Dependent
from rotator.core.faults import Rejected
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.https import Reply, Request, ask, refused
from rotator.dependents.told import Told
from rotator.dependents.tools import Tools
from rotator.dependents.views import at, claimed, proven, short, stale
from rotator.engine.ports import Published

_NO_LOOK = frozenset({404, 405, 410, 501})
"""Answers of a receiver that takes deliveries and knows no look."""
NEEDS = "the signing secret"


def kind(tools: Tools) -> "Webhook":
    return Webhook(tools)


class Webhook:
    """Fulfils `Kind` for a signed webhook. `_told` is what each was told, and how it answered, in this process."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._told = Told()

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        request = await self._request(dependent, published, "")
        reply = await ask(self._tools.azure.probes, request)
        if reply.status not in _NO_LOOK and not 200 <= reply.status < 300:
            raise refused(request, reply)
        verdict = _verdict(dependent, published, reply) if reply.status not in _NO_LOOK else None
        told = self._told.of(_place(dependent, published)) or _told_before(dependent, published)
        return verdict or told or stale(dependent, f"{reply.status}", "it was not told of this version, and says nothing when asked")

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Told once; again, with the same id, only to one that says it runs on something else."""
        if (await self.adoption(dependent, published)).adoption is not Adoption.STALE:
            return
        request = await self._request(dependent, published, json.dumps(_letter(dependent, published)))
        reply = await ask(self._tools.azure.probes, request)
        if not 200 <= reply.status < 300:
            raise refused(request, reply)
        seen = f"{reply.status} at {at(datetime.now(UTC))}"
        because = "it took the news, and does not say what it runs on"
        view = _verdict(dependent, published, reply) or claimed(dependent, seen, because)
        self._told.remember(_place(dependent, published), view)

    async def _request(self, dependent: Dependent, published: Published, body: str) -> Request:
        """A delivery where there is a body, else a look."""
        now = datetime.now(UTC)
        identity = _identity(dependent, published) if body else f"look_{hashlib.sha256(str(now.timestamp()).encode()).hexdigest()[:24]}"
        secret = await self._tools.secret(dependent.parameters["secret"])
        try:
            signature = Signer(secret.reveal()).sign(identity, now, body)
        except (ValueError, RuntimeError):
            remedy = "whsec_ and base64, as Standard Webhooks says"
            raise Rejected(f"{dependent.parameters['secret']} holds no signing secret", remedy=remedy) from None
        headers = {"webhook-id": identity, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
        return Request(
            what=f"webhook of {dependent.name}",
            url=dependent.parameters["url"],
            method="POST" if body else "GET",
            headers={**headers, "Content-Type": "application/json", "Accept": "application/json", "User-Agent": "rotator"},
            body=body.encode() if body else None,
            needs=f"{NEEDS} that the receiver knows",
            mutates=bool(body),
        )


def _letter(dependent: Dependent, published: Published) -> dict[str, Any]:
    data = {"dependent": dependent.name, "secret": f"{published.secret}/{published.version}", "version": published.version}
    return {"type": "key.published", "timestamp": at(datetime.now(UTC)), "data": {**data, "fingerprint": published.fingerprint}}


def _verdict(dependent: Dependent, published: Published, reply: Reply) -> DependentView | None:
    """What the app itself says that it runs on; nothing where it says neither."""
    content = reply.content if isinstance(reply.content, dict) else {}
    version, value = content.get("version"), content.get("fingerprint")
    if not isinstance(version, str) and not isinstance(value, str):
        return None
    told = f"version {short(version)}" if isinstance(version, str) else f"fingerprint {short(str(value))}"
    seen = f"{reply.status}, {told} at {at(datetime.now(UTC))}"
    if (version in (None, published.version)) and (value in (None, published.fingerprint)):
        return proven(dependent, seen, running=published.fingerprint)
    return stale(dependent, seen, "the app says that it runs on another one")


def _told_before(dependent: Dependent, published: Published) -> DependentView | None:
    """What the ledger remembers of another process: it took the news then."""
    if published.delivered_at is None:
        return None
    return claimed(dependent, f"told at {at(published.delivered_at)}", "it took the news, and does not say what it runs on")


def _place(dependent: Dependent, published: Published) -> tuple[str, str, str]:
    return dependent.parameters["url"], dependent.name, published.version


def _identity(dependent: Dependent, published: Published) -> str:
    """One delivery, one id, whoever sends it and how often: of this value, to this dependent, for this secret."""
    whole = "\0".join((str(published.secret), published.version, dependent.name, dependent.parameters["url"]))
    return f"msg_{hashlib.sha256(whole.encode()).hexdigest()[:32]}"
