"""A Cognitive Services account as it truly is, with the knobs that make it awkward.

Promises: two slots, each always filled; a value is accepted per gateway exactly while its key lives there. Never: HTTP;
the control plane's and the data plane's answers are written in their own rooms from what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlsplit

from rotator.sandbox.keys import SLOTS, Key, mint

PROVIDER = "Microsoft.CognitiveServices"


@dataclass(slots=True, kw_only=True)
class Account:
    """Delays are in seconds. A test may set any knob directly; `lock` is None, "ReadOnly" or "CanNotDelete"."""

    name: str
    kind: str
    key_shape: str
    subscription: str
    group: str
    location: str
    created: datetime
    endpoint: str
    endpoints: dict[str, str]
    gateways: tuple[str, ...]
    sku: str = "S0"
    tags: dict[str, str] = field(default_factory=dict)
    # None: older accounts do not say at all, which means the same as False.
    disable_local_auth: bool | None = False
    local_auth_off_at: datetime | None = None
    local_auth_delay: float = 0.0
    local_auth_off_status: int = 403
    regenerate_without_local_auth: bool = False
    provisioning_state: str = "Succeeded"
    public_network_access: str = "Enabled"
    lock: str | None = None
    firewall: bool = False
    deleted: bool = False
    activation_delay: float = 0.0
    death_delay: float | Mapping[str, float] = 0.0
    etag: int = 1
    history: dict[str, list[Key]] = field(default_factory=lambda: {slot: [] for slot in SLOTS})

    @property
    def id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers/{PROVIDER}/accounts/{self.name}"

    @property
    def keys(self) -> dict[str, str]:
        return {slot: self.history[slot][-1].value for slot in SLOTS}

    def mint(self, slot: str, random: Random, now: datetime, by: str) -> Key:
        """A new value in the slot; the old one goes on living at each gateway for as long as that gateway is slow."""
        if slot not in self.history:
            raise ValueError(f"slot {slot!r} is none of {SLOTS}")
        for old in self.history[slot][-1:]:
            old.replace_at(now, {gateway: self.dies_after(gateway) for gateway in self.gateways})
        first = not self.history[slot]
        accepted_at = now if first else now + timedelta(seconds=self.activation_delay)
        value = mint(self.key_shape, self.kind, random, now)
        key = Key(account=self.name, slot=slot, value=value, minted_at=now, minted_by=by, accepted_at=accepted_at)
        self.history[slot].append(key)
        return key

    def accepts(self, value: str, gateway: str, now: datetime) -> bool:
        return any(key.value == value and key.accepted(gateway, now) for keys in self.history.values() for key in keys)

    def dies_after(self, gateway: str) -> float:
        """A delay by gateway may name it ("b") or its host ("127.0.0.1:8443"); what is not named dies at once."""
        if not isinstance(self.death_delay, Mapping):
            return float(self.death_delay)
        return float(self.death_delay.get(gateway, self.death_delay.get(self.hosts[gateway], 0.0)))

    @property
    def hosts(self) -> dict[str, str]:
        return {gateway: urlsplit(url).netloc for gateway, url in zip(self.gateways, self.endpoints.values(), strict=True)}

    def set_local_auth(self, disabled: bool | None, now: datetime) -> None:
        if bool(self.disable_local_auth) != bool(disabled):
            self.local_auth_off_at = now + timedelta(seconds=self.local_auth_delay) if disabled else None
        self.disable_local_auth = disabled
        self.etag += 1

    def local_auth_off(self, now: datetime) -> bool:
        """The resource says so at once; the gateways take their time."""
        return bool(self.disable_local_auth) and (self.local_auth_off_at is None or self.local_auth_off_at <= now)

    def delete(self, now: datetime) -> None:
        self.deleted = True
        for key in (key for keys in self.history.values() for key in keys):
            key.deaths = {gateway: min(key.deaths.get(gateway, now), now) for gateway in self.gateways}
