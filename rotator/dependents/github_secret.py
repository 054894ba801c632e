"""A secret of GitHub: of a repository's Actions or Dependabot, of an environment, or of an organisation.

The value is sealed for GitHub's public key before it leaves (libsodium's sealed box, by PyNaCl). GitHub gives no value back, only when it
was last written: so what is claimed is that it was written after the value was published. An organisation's secret is written whole, so
its visibility and the repositories that may use it are read first and sent again.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from nacl.exceptions import CryptoError
from nacl.public import PublicKey, SealedBox

from rotator.core.credential import Dependent
from rotator.core.faults import Rejected, Transient
from rotator.core.snapshot import DependentView
from rotator.dependents.https import Reply, Request, call, mapping
from rotator.dependents.tools import Tools
from rotator.dependents.views import at, claimed, filled, stale
from rotator.engine.ports import Published

API_VERSION = "2022-11-28"
PAGE, PAGES_MAX = 100, 100
_SECOND = timedelta(seconds=1)
"""GitHub and the vault tell times in whole seconds."""


def kind(tools: Tools) -> "GitHubSecret":
    return GitHubSecret(tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the secrets of one scope stand, and the permission of a fine-grained token that this scope asks for."""

    secrets: str
    needs: str


class GitHubSecret:
    """Fulfils `Kind` for a secret of GitHub, over its REST API: the clients for Python bring no more than these four calls."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        said = dependent.parameters
        updated = _time(await self._secret(said))
        seen = f"written {at(updated)}"
        if not _is_after(updated, published):
            return stale(dependent, seen, f"it was last written before version {published.version[:8]}… was published")
        return claimed(dependent, seen, "it was written after this version was published; GitHub gives no value back to compare")

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """A PUT is idempotent, and is sent later than the second of the publish, so that its time tells it from a delivery before."""
        said = dependent.parameters
        if _is_after(_time(await self._secret(said)), published):
            return
        left = _whole(published.since) + _SECOND - datetime.now(UTC)
        if timedelta(0) < left <= _SECOND:
            await self._tools.pause(left.total_seconds())
        key = await self._public_key(said)
        sealed = _seal(key, filled(published.value, said["format"], None).reveal())
        body = {"encrypted_value": sealed, "key_id": str(key["key_id"]), **await self._scope(said)}
        await self._send(said, "write of", said["secret"], method="PUT", body=body)

    async def _scope(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What an organisation's secret would lose if it were not sent again. Read last, so that a change meanwhile is least likely."""
        if said["organisation"] is None:
            return {}
        visibility = (await self._secret(said)).get("visibility")
        if visibility != "selected":
            return {"visibility": visibility}
        return {"visibility": visibility, "selected_repository_ids": await self._repositories(said)}

    async def _repositories(self, said: Mapping[str, Any]) -> list[int]:
        """Who may use an organisation's secret. A list that changes while it is read would take somebody the secret: it is not believed."""
        found: list[int] = []
        totals: set[object] = set()
        for page in range(1, PAGES_MAX + 1):
            path = f"{said['secret']}/repositories?per_page={PAGE}&page={page}"
            request, reply = await self._send(said, "repositories of", path)
            answer = mapping(request, reply)
            here = [one["id"] for one in answer.get("repositories") or [] if isinstance(one, dict) and isinstance(one.get("id"), int)]
            found += here
            totals.add(answer.get("total_count"))
            if len(here) < PAGE:
                if totals != {len(set(found))}:
                    raise Transient(f"{request.what}: the list changed while it was read")
                return found
        raise Rejected(f"secret {said['secret']} is given to more than {PAGE * PAGES_MAX} repositories")

    async def _secret(self, said: Mapping[str, Any]) -> dict[str, Any]:
        return mapping(*await self._send(said, "look at", said["secret"]))

    async def _public_key(self, said: Mapping[str, Any]) -> dict[str, Any]:
        request, reply = await self._send(said, "public key for", "public-key")
        key = mapping(request, reply)
        if not isinstance(key.get("key"), str) or "key_id" not in key:
            raise Transient(f"{request.what}: the answer is not of the documented form")
        return key

    async def _send(
        self, said: Mapping[str, Any], doing: str, path: str, *, method: str = "GET", body: Mapping[str, Any] | None = None
    ) -> tuple[Request, Reply]:
        place, token = _place(said), await self._tools.secret(said["token"])
        headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": API_VERSION,
            "User-Agent": "rotator",
        }
        request = Request(
            what=f"{doing} secret {said['secret']}",
            url=f"{said['api']}{place.secrets}/{path}",
            method=method,
            headers={**headers, "Content-Type": "application/json"} if body is not None else headers,
            body=json.dumps(body).encode() if body is not None else None,
            needs=place.needs,
            missing=f"make it once in GitHub; if it is there, the token may not see it: grant {place.needs}",
            mutates=method != "GET",
        )
        return request, await call(self._tools.azure.probes, request)


def _place(said: Mapping[str, Any]) -> _Place:
    app = said["app"]
    if said["organisation"] is not None:
        needs = "Organization secrets: write" if app == "actions" else "Organization dependabot secrets: write"
        return _Place(secrets=f"/orgs/{quote(said['organisation'], safe='')}/{app}/secrets", needs=needs)
    repository = f"/repos/{quote(said['repository'])}"
    if said["environment"] is not None:
        return _Place(secrets=f"{repository}/environments/{quote(said['environment'], safe='')}/secrets", needs="Environments: write")
    needs = "Secrets: write" if app == "actions" else "Dependabot secrets: write"
    return _Place(secrets=f"{repository}/{app}/secrets", needs=needs)


def _seal(key: Mapping[str, Any], value: str) -> str:
    try:
        box = SealedBox(PublicKey(base64.b64decode(key["key"], validate=True)))
    except (ValueError, CryptoError):
        raise Transient("GitHub's public key cannot be read") from None
    return base64.b64encode(box.encrypt(value.encode())).decode()


def _time(secret: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(secret["updated_at"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise Transient("the time of a secret of GitHub cannot be read") from None


def _is_after(updated: datetime, published: Published) -> bool:
    """Whether it was written after the publish. In the same second, it may have been the value before."""
    return updated >= _whole(published.since) + _SECOND


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
