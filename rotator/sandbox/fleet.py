"""A small estate to try things on: accounts of every kind that can be probed, both key shapes, two groups, two vaults.

Promises: each account's key1 stands in a secret of its own, by hand and without tags, as estates are before a tool
comes. Never: writes settings; the description is what settings are written from.
"""

from typing import Protocol

from rotator.sandbox.accounts import Account
from rotator.sandbox.keys import SHAPES
from rotator.sandbox.versions import Version

VAULTS = ("kv-1", "kv-2")
_GROUPS = ("rg-ai", "rg-search")
# (what it is used for, kind); a longer fleet goes round again with a number behind the name.
_ESTATE = (
    ("chat-prod", "OpenAI"),
    ("agents", "AIServices"),
    ("speech", "SpeechServices"),
    ("translate", "TextTranslation"),
    ("language", "TextAnalytics"),
    ("invoices", "FormRecognizer"),
    ("moderation", "ContentSafety"),
    ("vision", "ComputerVision"),
    ("faces", "Face"),
    ("chat-test", "OpenAI"),
    ("batch", "OpenAI"),
    ("copilot", "AIServices"),
)


class _Estate(Protocol):
    """What furnishing needs of the sandbox."""

    async def add_vault(self, name: str) -> str: ...
    def add_account(self, name: str, kind: str = ..., key_shape: str = ..., *, group: str = ...) -> Account: ...
    def set_secret(self, vault: str, name: str, value: str) -> Version: ...


async def furnish(azure: _Estate, count: int = 12) -> list[dict[str, str]]:
    """[{name, account: resource id, secret: URL, kind, vault}], in the order of creation."""
    urls = {vault: await azure.add_vault(vault) for vault in VAULTS}
    fleet = []
    for number in range(count):
        use, kind = _ESTATE[number % len(_ESTATE)]
        name = use if number < len(_ESTATE) else f"{use}-{number // len(_ESTATE) + 1}"
        vault = VAULTS[number % len(VAULTS)]
        account = azure.add_account(name, kind, SHAPES[(number + 1) % 2], group=_GROUPS[number % 3 == 2])
        azure.set_secret(vault, f"{name}-key", account.keys["key1"])
        secret = f"{urls[vault]}/secrets/{name}-key"
        fleet.append({"name": name, "account": account.id, "secret": secret, "kind": kind, "vault": vault})
    return fleet
