"""A kind whose client is not installed says what to install, and the others go on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rotator.dependents import KINDS

SCRIPT = """
import asyncio, sys
from pathlib import Path
from datetime import UTC, datetime

class NotInstalled:
    def find_spec(self, name, *_):
        if name == {client!r} or name.startswith({client!r} + "."):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
from rotator.core.credential import Dependent, Secret
from rotator.core.sealed import Sealed
from rotator.dependents import Tools, make
from rotator.engine.ports import Published

value = Sealed("value")
secret, now = Secret(vault="https://kv", name="k"), datetime.now(UTC)
published = Published(secret=secret, version="v", fingerprint=value.fingerprint, value=value, since=now)
for kind in {kinds!r}:
    made = make(kind, Tools(azure=None, secret=None, directory=Path()))
    found = asyncio.run(made.adoption(Dependent(name="app", kind=kind), published))
    print(found.adoption, found.because)
make("command", Tools(azure=None, secret=None, directory=Path()))
"""


@pytest.mark.parametrize(
    ("client", "kinds"),
    [
        ("kubernetes_asyncio", ["kubernetes-secret", "external-secret", "secrets-store-csi"]),
        ("nacl", ["github-secret"]),
        ("azure.appconfiguration", ["app-configuration"]),
    ],
)
def test_what_to_install_is_said(client: str, kinds: list[str]) -> None:
    script = SCRIPT.format(client=client, kinds=kinds)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(kinds)
    for kind, line in zip(kinds, lines, strict=True):
        assert line.startswith("Unseen")
        assert f"pip install 'rotator[{KINDS[kind].extra}]'" in line
