"""A vault whose base URL has a path: behind a gateway that adds it (the vault does not know of it), or one that says it in its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from azure.core.exceptions import HttpResponseError

from rotator.sandbox import Sandbox, SandboxThread
from tests.sandbox.conftest import build_estate

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients, Estate

PATHS = ("/vaults/one", "/secrets/one")
VERSIONS = 30
"""More than one page of them."""


@pytest.fixture(params=[(PATHS[0], True), (PATHS[0], False), (PATHS[1], True)], ids=["says-its-path", "does-not", "a-path-like-a-secret"])
def below(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Estate]:
    """An estate whose one secret is in such a vault, with versions enough for a second page."""
    with SandboxThread(tmp_path, seed=13) as azure:
        estate = build_estate(azure, tmp_path, 1)
        path, says_path = request.param
        url = azure.add_vault("gateway", path, says_path)
        value = azure.account("chat-prod").keys["key1"]
        for number in range(VERSIONS):
            azure.set_secret("gateway", "chat-prod-key", f"old {number}")
        azure.set_secret("gateway", "chat-prod-key", value, {"owner": "somebody"})
        settings = yaml.safe_load(estate.settings.read_text())
        settings["credentials"][0]["secret"] = f"{url}/secrets/chat-prod-key"
        estate.settings.write_text(yaml.safe_dump(settings))
        yield replace(estate, fleet=[{**estate.fleet[0], "vault": "gateway"}])


def test_a_rotation_goes_through(below: Estate) -> None:
    old = below.azure.account("chat-prod").keys["key1"]
    result = below.run("rotate", "chat-prod", "--now")
    assert result.exit_code == 0, result.output
    below.assert_at_rest("chat-prod", dead=old)
    assert below.azure.secret("gateway", "chat-prod-key")[-1].tags["owner"] == "somebody"
    listed = [entry for entry in below.azure.journal if entry.operation == "ListSecretVersions" and entry.authorized]
    assert {entry.status for entry in listed} == {200}
    assert len({entry.path for entry in listed}) == 1


def test_a_soft_deleted_secret_is_recovered(below: Estate) -> None:
    old = below.azure.account("chat-prod").keys["key1"]
    assert below.run("rotate", "chat-prod", "--now").exit_code == 0
    below.azure.delete_secret("gateway", "chat-prod-key")
    result = below.run("rotate", "chat-prod", "--now")
    assert result.exit_code == 0, result.output
    below.assert_at_rest("chat-prod", dead=old)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("says_path", [True, False])
async def test_what_the_unchanged_sdk_makes_of_it(azure: Sandbox, clients: Clients, path: str, says_path: bool) -> None:
    """Why `key_vault.py` reads places itself: the SDK raises on an id of more than three parts, and follows a link to where nothing is."""
    await azure.add_vault("gateway", path, says_path)
    for number in range(VERSIONS):
        azure.set_secret("gateway", "n", str(number))
    client = clients.vault("gateway", retry_total=0)
    if says_path:
        with pytest.raises(ValueError, match="not a valid ID"):
            await client.get_secret("n")
        return
    assert (await client.get_secret("n")).value == str(VERSIONS - 1)
    with pytest.raises(HttpResponseError) as caught:
        _ = [version async for version in client.list_properties_of_secret_versions("n")]
    assert caught.value.status_code == 404
