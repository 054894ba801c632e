"""One good alert of every sender and every kind, for the tests that treat them all alike."""

from collections.abc import Callable
from datetime import UTC, datetime

from rotator.sandbox import Sandbox, azure_alerts
from rotator.sandbox.senders import Posting
from tests.alerts.conftest import ACCOUNT, current_key

VAULT = "https://kv-1.vault.azure.net"


def _event_grid_test(azure: Sandbox) -> Posting:
    return azure.senders.event_grid([azure_alerts.validation_event("512d38b6-c7b8-40c8-89fe-f46f9e9622b6", datetime.now(UTC))])


GOOD: dict[str, Callable[[Sandbox], Posting]] = {
    "github": lambda azure: azure.senders.github(azure.leak_on_github("example/chat", current_key())),
    "github location": lambda azure: azure.senders.github(
        azure.leak_on_github("example/chat", current_key()), event="secret_scanning_alert_location"
    ),
    "github partner": lambda azure: azure.senders.github_partner(
        [{"token": current_key(), "type": "azure_openai_key", "url": "https://github.com/example/chat", "source": "content"}]
    ),
    "gitguardian": lambda azure: azure.senders.gitguardian(azure.leak_to_gitguardian(current_key())),
    "vault radar": lambda azure: azure.senders.vault_radar(f"settings.py: {current_key()}"),
    "signed key": lambda azure: azure.senders.signed({"key": current_key()}),
    "signed account": lambda azure: azure.senders.signed({"account": ACCOUNT}),
    "event grid regenerated": lambda azure: azure.senders.key_touched(ACCOUNT),
    "cloud event listed": lambda azure: azure.senders.key_touched(ACCOUNT, "listKeys", schema="cloud-events"),
    "event grid expiry": lambda azure: azure.senders.secret_expiry(VAULT, "chat-key"),
    "cloud event expired": lambda azure: azure.senders.secret_expiry(VAULT, "chat-key", expired=True, cloud_events=True),
    "event grid handshake": _event_grid_test,
    "azure monitor common": lambda azure: azure.senders.key_touched(ACCOUNT, schema="common"),
    "azure monitor legacy": lambda azure: azure.senders.key_touched(ACCOUNT, schema="legacy"),
    **{
        f"defender {shape}": lambda azure, shape=shape: azure.senders.suspicion(ACCOUNT, shape)  # type: ignore[misc]
        for shape in ("workflow", "api", "activity-log", "action-group", "sentinel")
    },
}
