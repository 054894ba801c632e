"""`rotator discover --hunt` against the sandbox: who copies the keys, as a table, as JSON, as settings, and as a gate."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.sandbox import SandboxThread
from tests.sandbox.conftest import Estate, build_estate

MANAGED, UNMANAGED = "chat-prod", "agents"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Two accounts, of which the settings name the first; apps of many sorts live on each, and on nothing that the settings know."""
    with SandboxThread(tmp_path, seed=9) as azure:
        there = build_estate(azure, tmp_path, 2)
        for name, one in zip((MANAGED, UNMANAGED), there.fleet, strict=True):
            azure.inhabit(name, one["secret"])
        rewrite(there, credentials=settings(there)["credentials"][:1])
        yield there


def settings(estate: Estate) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    return found


def rewrite(estate: Estate, **change: Any) -> None:
    estate.settings.write_text(yaml.safe_dump(settings(estate) | change), encoding="utf-8")


def seen(estate: Estate, *options: str) -> dict[str, Any]:
    done = estate.run("discover", "--output", "json", *options)
    assert done.exit_code in (0, 3), done.output
    assert not any(key.value in done.output for key in estate.azure.keys_ever)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def copies(found: dict[str, Any], name: str) -> list[tuple[str, str, str | None, bool]]:
    (row,) = [row for row in found["accounts"] if row["name"] == name]
    return sorted((one["kind"], one["held_as"], one["slot"], one["known"]) for one in row["copies"])


EVERYBODY = [
    ("api-management", "plain", "key1"),
    ("api-management", "reference", None),
    ("app-service", "plain", "key1"),
    ("app-service", "reference", None),
    ("container-app", "reference", None),
    ("machine-learning-connection", "plain", "key1"),
]


def test_each_account_says_who_holds_its_key_managed_or_not(estate: Estate) -> None:
    found = seen(estate, "--hunt")
    assert found["hunted"] is True
    for name in (MANAGED, UNMANAGED):
        assert copies(found, name) == [(*one, False) for one in EVERYBODY]
    assert {one["what"].split(" of ")[2].split(" in ")[0] for one in found["write_only"]} == {f"{MANAGED}-batch", f"{UNMANAGED}-batch"}
    assert found["unseen"] == []


def test_without_a_hunt_no_app_is_asked_and_copies_are_those_in_vaults(estate: Estate) -> None:
    azure = estate.azure
    azure.set_secret("kv-2", "by-hand", azure.account(MANAGED).keys["key2"])
    azure.clear_journal()
    found = seen(estate)
    assert (found["hunted"], copies(found, MANAGED)) == (False, [("key-vault", "plain", "key2", False)])
    assert not {entry.operation for entry in azure.journal} & {"ListSites", "ListAppSettings", "ListContainerApps", "ListNamedValue"}


def test_a_hunt_changes_nothing(estate: Estate) -> None:
    estate.azure.clear_journal()
    estate.run("discover", "--hunt")
    asked = {entry.operation for entry in estate.azure.journal}
    assert "ListAppSettings" in asked
    assert not [name for name in asked if name.startswith(("Set", "Update", "Regenerate", "Refresh", "Restart", "Delete"))]


def test_what_is_written_is_taken_and_then_everybody_is_known(estate: Estate) -> None:
    written = yaml.safe_load(estate.run("discover", "--hunt", "--yaml").stdout)
    (new,) = written["credentials"]
    assert (new["name"], len(new["dependents"])) == (UNMANAGED, len(EVERYBODY))
    rewrite(estate, credentials=[*settings(estate)["credentials"], new])
    assert "2 credentials" in estate.run("config", "check").stdout
    found = seen(estate, "--hunt")
    assert copies(found, UNMANAGED) == [(*one, True) for one in EVERYBODY]
    assert [one["what"].split(" of ")[2].split(" in ")[0] for one in found["write_only"]] == [f"{UNMANAGED}-batch", f"{MANAGED}-batch"]


def test_what_is_written_can_be_rotated_and_every_dependent_moves(estate: Estate) -> None:
    (new,) = yaml.safe_load(estate.run("discover", "--hunt", "--yaml").stdout)["credentials"]
    rewrite(estate, credentials=[new])
    done = estate.run("rotate", UNMANAGED, "--now", "--output", "json")
    assert done.exit_code == 0, done.output
    (row,) = json.loads(estate.run("status", "--output", "json").stdout)
    assert {one["adoption"] for one in row["dependents"]} == {"Proven"}


def test_copies_of_what_the_settings_name_are_a_comment_for_them(estate: Estate) -> None:
    text = estate.run("discover", "--hunt", "--yaml").stdout
    start = text.index(f"# {MANAGED} is in your settings already, without these:")
    lines = [line.removeprefix("# ") for line in text[start:].splitlines()[1:]]
    dependents = yaml.safe_load("\n".join(lines))["dependents"]
    rewrite(estate, credentials=[settings(estate)["credentials"][0] | {"dependents": dependents}])
    assert copies(seen(estate, "--hunt"), MANAGED) == [(*one, True) for one in EVERYBODY]


def test_who_reads_a_copy_of_the_secret_is_for_a_person_to_decide(estate: Estate) -> None:
    azure = estate.azure
    azure.set_secret("kv-1", "shared", azure.account(UNMANAGED).keys["key1"])
    reference = f"@Microsoft.KeyVault(SecretUri={azure.vault_url('kv-1')}/secrets/shared)"
    azure.add_consumer("site", "reader", settings={"OPENAI": reference})
    text = estate.run("discover", "--hunt", "--yaml").stdout
    (new,) = yaml.safe_load(text)["credentials"]
    own = new["secret"].rsplit("/", 1)[1]
    other = {"shared", f"{UNMANAGED}-key"} - {own}
    assert [one["secret"].rsplit("/", 1)[1] for one in new["dependents"] if one["kind"] == "key-vault"] == list(other)
    assert "Say whether it can refer to" in text


def test_a_gate_fails_for_copies_and_not_for_what_the_settings_know(estate: Estate) -> None:
    done = estate.run("discover", "--hunt", "--fail-on", "copied,pinned,unwatched")
    assert done.exit_code == 3
    assert f"copied: {UNMANAGED}, {MANAGED}" in done.stderr
    assert f"unwatched: {UNMANAGED}, {MANAGED}" in done.stderr
    assert "pinned" not in done.stderr
    version = estate.azure.secret("kv-1", f"{MANAGED}-key")[-1].id
    url = f"{estate.fleet[0]['secret']}/{version}"
    estate.azure.add_consumer("site", "pinned", settings={"KEY": f"@Microsoft.KeyVault(SecretUri={url})"})
    assert f"pinned: {MANAGED}" in estate.run("discover", "--hunt", "--fail-on", "pinned").stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hunt", "--no-keys"], "Say one of --hunt and --no-keys"),
        (["--kubeconfig", "k"], "add --hunt"),
        (["--fail-on", "copied,pinned"], "--fail-on pinned would never fail without a hunt"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_asked(estate: Estate, options: list[str], said: str) -> None:
    estate.azure.clear_journal()
    done = estate.run("discover", *options)
    asked = [entry.operation for entry in estate.azure.journal if entry.operation != "DataPlane"]  # the apps call all the time
    assert (done.exit_code, said in done.stderr, asked) == (2, True, [])


@pytest.mark.parametrize(
    ("operation", "needs"),
    [
        ("ListSites", "Microsoft.Web/sites/read"),
        ("ListAppSettings", "Microsoft.Web/sites/config/list/action"),
        ("ListConnectionSecrets", "Microsoft.MachineLearningServices/workspaces/connections/listsecrets/action"),
        ("ListSubscriptions", "Microsoft.Resources/subscriptions/read"),
    ],
)
def test_a_hunt_that_is_denied_fails_no_survey_and_says_what_would_mend_it(estate: Estate, operation: str, needs: str) -> None:
    estate.azure.fault(operation, "403", probability=1.0)
    found = seen(estate, "--hunt", "--fail-on", "unseen")
    assert {row["name"] for row in found["accounts"]} == {MANAGED, UNMANAGED}
    assert any(needs in one["remedy"] for one in found["unseen"])
    assert found["failed"]["unseen"]
    assert copies(found, UNMANAGED)


def test_the_table_has_a_column_and_says_where_the_copies_are(estate: Estate) -> None:
    done = estate.run("discover", "--hunt")
    assert "6, plain" in done.stdout
    assert "12 copies that the settings do not know, or that never move" in done.stdout
    assert "Nobody can look: variable KEY" in done.stdout
    assert "app settings: 4 to search" in done.stderr
    assert "rotator discover --hunt" in estate.run("discover").stdout


def test_a_cluster_is_searched_by_its_kubeconfig_and_its_workloads_are_asked_for(estate: Estate) -> None:
    azure = estate.azure
    azure.add_consumer("cluster_secret", "ai/by-hand", data={"key": azure.account(UNMANAGED).keys["key1"]})
    (estate.directory / "kubeconfig.yaml").write_text(yaml.safe_dump(azure.kubeconfig()), encoding="utf-8")
    text = estate.run("discover", "--hunt", "--kubeconfig", "kubeconfig.yaml", "--yaml").stdout
    assert "# Say which workloads run on it (`rollouts:`)" in text
    assert "# - kind: kubernetes-secret" in text
    assert not [one for one in yaml.safe_load(text)["credentials"][0]["dependents"] if one["kind"] == "kubernetes-secret"]


def test_what_fails_in_passing_hides_nothing(estate: Estate) -> None:
    for operation in ("ListKeys", "ListSecrets", "ListActivity", "ListAppSettings", "ListSites"):
        estate.azure.fault(operation, "500-before", times=2)
    found = seen(estate, "--hunt")
    assert found["unseen"] == []
    assert copies(found, UNMANAGED) == [(*one, False) for one in EVERYBODY]


def test_who_hunts_for_one_credential_is_not_asked_for_what_another_one_names(estate: Estate) -> None:
    first, second = (dict[str, Any]({name: one[name] for name in ("name", "account", "secret")}) for one in estate.fleet)
    group = next(one.id for one in estate.azure.state.consumers.values() if one.id.endswith(f"{UNMANAGED}-batch"))
    second["dependents"] = [{"kind": "container-instance", "group": group, "variable": "KEY"}]
    rewrite(estate, credentials=[first, second])
    found = json.loads(estate.run("hunt", MANAGED, "--output", "json").stdout)
    assert {one["credential"] for one in found["copies"]} == {MANAGED}
    assert [one["what"].split(" of ")[2] for one in found["not_searched"]] == [f"{MANAGED}-batch in rg-apps"]
