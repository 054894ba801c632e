"""What a kind is made from: the way to Azure, and the way to a secret that the settings refer to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from rotator.azure import Azure
from rotator.core.sealed import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """`secret` reads what stands behind `env:`, `file:` or `vault:`; `directory` is what a relative path of the settings starts from;
    `pause` is how a kind waits, in seconds. `azure.probes` is a session for plain HTTPS to hosts that are not Azure's: it opens a fresh
    connection for each request.
    """

    azure: Azure
    secret: Callable[[str], Awaitable[Sealed]]
    directory: Path
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
