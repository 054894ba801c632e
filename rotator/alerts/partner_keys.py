"""The keys with which GitHub signs its partner alerts."""

import time

from rotator.alerts.api import Api
from rotator.alerts.ecdsa import PublicKey, public_key
from rotator.alerts.keyring import KEYS_MAX, Clock, Keyring
from rotator.alerts.reading import field, mapping, text

PATH = "/meta/public_keys/secret_scanning"


class PartnerKeys(Keyring[PublicKey]):
    """Fulfils `PublicKeys`."""

    def __init__(self, api: Api, clock: Clock = time.monotonic) -> None:
        super().__init__("GitHub's public keys", self._published, clock)
        self._api = api

    async def _published(self) -> dict[str, PublicKey]:
        listed = field(mapping((await self._api.call("GitHub's public keys", "GET", PATH)).body), "public_keys")
        entries = listed[:KEYS_MAX] if isinstance(listed, list) else []
        found = [public_key(text(one, "key_identifier"), text(one, "key")) for one in entries]
        return {key.identifier: key for key in found if key is not None and key.identifier}
