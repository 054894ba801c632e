"""Where the sandbox listens: loopback, and nowhere else.

Promises: one port per surface, TLS from one authority made at start (its key never leaves memory), no access log.
Never: another bind.
"""

import ipaddress
import socket
import ssl
from pathlib import Path

import trustme
from aiohttp import web

_STOP_S_MAX = 0.2


def certified(host: str, ca_file: Path) -> ssl.SSLContext:
    """A new authority, whose certificate is written for clients to trust, and a server context it has signed."""
    authority = trustme.CA(organization_name="Rotator sandbox")
    ca_file.parent.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, "localhost").configure_cert(tls)
    return tls


class Listener:
    """The port is taken at once and served later, so that every surface can know every other's address first."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"the sandbox listens on loopback only, not on {host}")
        six = ":" in host
        self._socket = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._tls = tls
        self._runner: web.AppRunner | None = None
        name = f"[{host}]" if six else host
        self.url = f"{'https' if tls else 'http'}://{name}:{self._socket.getsockname()[1]}"

    async def serve(self, application: web.Application) -> None:
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=_STOP_S_MAX)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket, ssl_context=self._tls).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.close()
