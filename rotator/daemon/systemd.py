"""What systemd is told over its datagram socket (`Type=notify`, watchdog). Without `NOTIFY_SOCKET` nobody is told anything."""

import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta

WAITS_S = 0.5
"""How long a turn of life waits for an ear that is full."""


class Systemd:
    """The service manager's ear. A message that cannot be delivered is dropped: it must never stop the work."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = _watchdog(environment)

    def ready(self, status: str) -> None:
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """With the time, as `Type=notify-reload` asks for it; `ready` ends it."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._say("STOPPING=1\nSTATUS=the runs in hand end between two steps")

    def alive(self) -> None:
        """Said again soon, so it waits for nobody."""
        self._say("WATCHDOG=1", waits_s=0)

    def _say(self, message: str, waits_s: float = WAITS_S) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ear:
                ear.settimeout(waits_s)
                ear.sendto(message.encode(), self._address)
        except OSError:
            return


def _watchdog(environment: Mapping[str, str]) -> timedelta | None:
    """How often systemd wants to hear of us, if it does and means this process."""
    microseconds, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or process not in ("", str(os.getpid())):
        return None
    return timedelta(microseconds=int(microseconds))
