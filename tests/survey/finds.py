"""Accounts and surveys as a test needs them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.core.credential import Secret, Slot
from rotator.core.sealed import fingerprint
from rotator.hunt.finding import Copy, Why
from rotator.survey.estate import Account, Exposure, Found, Holding, Rotated, Survey

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


def account(name: str = "chat-prod", group: str = "rg-ai", **about: Any) -> Account:
    said = {
        "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.CognitiveServices/accounts/{name}",
        "kind": "OpenAI",
        "location": "westeurope",
        "subscription": SUBSCRIPTION,
        "local_auth": True,
        "exposure": Exposure.OPEN,
        "subdomain": True,
    }
    return Account(name=name, group=group, **{**said, **about})


def holding(name: str, of: Account, **about: Any) -> Holding:
    said = {"created": NOW - timedelta(days=40), "slot": Slot.KEY1, "fingerprint": fingerprint(f"key1 of {of.id}")}
    return Holding(secret=Secret(vault="https://kv.vault.azure.net", name=name), account=of.id, **{**said, **about})


def found(
    name: str = "chat-prod", *, days: float | None = None, holds: tuple[str, ...] = (), managed_as: str | None = None, **about: Any
) -> Found:
    this = account(name, **about)
    rotated = None if days is None else Rotated(at=NOW - timedelta(days=days), says="ledger")
    return Found(account=this, holdings=tuple(holding(one, this) for one in holds), rotated=rotated, managed_as=managed_as)


def copy(why: Why = Why.COPY, of: Account | None = None, **about: Any) -> Copy:
    """By default a plain app setting that the settings do not know."""
    site = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-apps/providers/Microsoft.Web/sites/chat"
    said = {"what": "setting KEY of chat", "resource": site, "told": "", "known": False}
    settings = {"kind": "app-service", "site": site, "setting": "KEY"}
    return Copy(owner=(of or account()).id, why=why, **{**said, "settings": settings, **about})


def survey(*all_: Found, **about: Any) -> Survey:
    return Survey(found=all_, vaults=(), how="Resource Graph", at=NOW, **about)
