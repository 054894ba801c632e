"""One word for a whole story: a key of an account leaks, the scanner finds it, and its sender posts the alert, signed.

Never: to another machine; a receiver is on loopback like all else here.
"""

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from rotator.sandbox.accounts import Account
from rotator.sandbox.senders import Posting, send

if TYPE_CHECKING:
    from rotator.sandbox.server import Sandbox

REPOSITORY = "example/chat"
POST_S_MAX = 15


async def report(azure: "Sandbox", sender: str, to: str, account: str, **options: Any) -> dict[str, Any]:
    """What was posted to which door, and what was answered."""
    if sender not in SENDERS:
        raise ValueError(f"sender {sender!r} is none of {sorted(SENDERS)}")
    if not _is_loopback(to):
        raise ValueError("a receiver is on loopback, like all else here")
    posting, about = SENDERS[sender](azure, azure.account(account), options)
    timeout = aiohttp.ClientTimeout(total=POST_S_MAX)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            status, answer = await send(posting, to, session)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ValueError(f"the receiver did not answer: {type(error).__name__}") from error
    return {"door": posting.door, "about": about, "status": status, "answer": answer[:1000]}


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _value(account: Account, options: dict[str, Any]) -> str:
    return account.keys[options.get("slot", "key1")]


def _github(azure: "Sandbox", account: Account, options: dict[str, Any]) -> tuple[Posting, str]:
    alert = azure.leak_on_github(
        options.get("repository", REPOSITORY), _value(account, options), encoded=bool(options.get("encoded", False))
    )
    return azure.senders.github(alert, options.get("action", "created")), f"{alert.repository}#{alert.number}"


def _github_partner(azure: "Sandbox", account: Account, options: dict[str, Any]) -> tuple[Posting, str]:
    token = {"token": _value(account, options), "type": "azure_openai_key", "url": "https://github.com/example/chat", "source": "content"}
    return azure.senders.github_partner([token]), account.name


def _gitguardian(azure: "Sandbox", account: Account, options: dict[str, Any]) -> tuple[Posting, str]:
    incident = azure.leak_to_gitguardian(_value(account, options))
    return azure.senders.gitguardian(incident, options.get("action", "incident_triggered")), str(incident.id)


def _vault_radar(azure: "Sandbox", account: Account, options: dict[str, Any]) -> tuple[Posting, str]:
    return azure.senders.vault_radar(f"settings.py: key = {_value(account, options)}"), account.name


def _signed(azure: "Sandbox", account: Account, options: dict[str, Any]) -> tuple[Posting, str]:
    return azure.senders.signed({"key": _value(account, options), "source": "a colleague"}), account.name


def _key_touched(azure: "Sandbox", account: Account, options: dict[str, Any]) -> tuple[Posting, str]:
    """By a stranger unless `caller` says who; `shape`: event-grid, cloud-events, common, legacy."""
    shape, action = options.get("shape", "event-grid"), options.get("action", "regenerateKey")
    return azure.senders.key_touched(account.id, action, options.get("caller"), shape), account.id


def _suspicion(azure: "Sandbox", account: Account, options: dict[str, Any]) -> tuple[Posting, str]:
    return azure.senders.suspicion(account.id, options.get("shape", "workflow")), account.id


SENDERS: dict[str, Callable[["Sandbox", Account, dict[str, Any]], tuple[Posting, str]]] = {
    "github": _github,
    "github-partner": _github_partner,
    "gitguardian": _gitguardian,
    "vault-radar": _vault_radar,
    "signed": _signed,
    "key-touched": _key_touched,
    "suspicion": _suspicion,
}
