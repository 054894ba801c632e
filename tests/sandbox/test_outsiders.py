"""A rotation and a drain by the command line, with what runs on the key outside Azure: everyone moves, and no app fails a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from tests.sandbox.conftest import Estate


def inhabited(estate: Estate, directory: Path) -> list[dict[str, Any]]:
    """The estate's one account with a dependent of each sort, in the settings too."""
    found: list[dict[str, Any]] = estate.azure.settle_outsiders("chat-prod", estate.fleet[0]["secret"])
    (directory / "kubeconfig.yaml").write_text(yaml.safe_dump(estate.azure.kubeconfig()), encoding="utf-8")
    there = estate.azure.elsewhere
    tokens = {"github-secret": ("token", there.github.token), "azure-devops": ("token", there.devops.token)}
    for one in found:
        parameters = one["parameters"]
        if "namespace" in parameters:
            parameters["kubeconfig"] = "kubeconfig.yaml"
            continue
        name, value = tokens.get(parameters["kind"], ("secret", one.get("signing", "")))
        path = directory / f"{parameters['kind']}-{name}"
        path.write_text(value, encoding="utf-8")
        parameters["token" if name == "token" else "secret"] = f"file:{path}"
    settings = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    settings["defaults"]["grace"] = "0s"
    settings["credentials"][0]["dependents"] = [one["parameters"] for one in found]
    estate.settings.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return found


def test_a_rotation_moves_everyone_and_no_app_fails_a_call(estate: Estate, tmp_path: Path) -> None:
    found = inhabited(estate, tmp_path)
    old = estate.azure.account("chat-prod").keys["key1"]
    result = estate.run("rotate", "chat-prod", "--now", "--output", "json")
    assert json.loads(result.stdout)[0]["outcome"] == "rotated", result.output
    estate.assert_at_rest("chat-prod", dead=old)
    new = estate.azure.account("chat-prod").keys["key2"]
    assert {one["sort"]: estate.azure.holds(one["consumer"], *one["path"]) for one in found} == {one["sort"]: new for one in found}
    assert {app.name: app.failed for app in estate.azure.apps} == {f"chat-prod-{one['sort']}": 0 for one in found}
    assert all(app.calls for app in estate.azure.apps)
    status = json.loads(estate.run("status", "--output", "json").stdout)[0]
    adoptions = {one["name"].rsplit("-", 1)[0]: one["adoption"] for one in status["dependents"]}
    assert adoptions == {
        "kubernetes-secret": "Proven",
        "external-secret": "Proven",
        "github-secret": "Claimed",
        "azure-devops": "Claimed",
        "webhook": "Proven",
    }
    shown = result.output + (tmp_path / "rotator.db").read_bytes().decode("latin-1")
    assert not any(key.value in shown for key in estate.azure.keys_ever)


def test_what_cannot_be_moved_keeps_the_old_key_alive_and_is_told(estate: Estate, tmp_path: Path) -> None:
    inhabited(estate, tmp_path)
    estate.azure.elsewhere.cluster.denied.add("secrets/patch")
    old = estate.azure.account("chat-prod").keys["key1"]
    result = estate.run("rotate", "chat-prod", "--now", "--timeout", "4s", "--output", "json")
    row = json.loads(result.stdout)[0]
    assert row["outcome"] != "rotated"
    assert "secrets/patch" in json.dumps(row)
    assert old in estate.azure.account("chat-prod").keys.values(), "nothing is revoked on schedule while a dependent is behind"
    assert not any(app.failed for app in estate.azure.apps)
