"""Every mutating call, struck by every fault of the wire, below the real SDKs: it converges, and no call is sent twice for one intent.

One fleet for each call: an account a fault, all rotated at once by one command.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import yaml

from rotator.sandbox import SandboxThread
from tests.sandbox.conftest import build_estate

if TYPE_CHECKING:
    from click.testing import Result

    from tests.sandbox.conftest import Estate

FAULTS = ("500-before", "503-after", "drop-before", "drop-after", "hang", "hang-before", "truncated", "429:1", "401", "403", "409")
LATE = "latency:2.5"
"""The effect comes after the caller has given up: the one fault that may cost a mint."""

ROTATE = ("rotate", "--now")
CUT = ("revoke", "--mode", "cut", "--yes")
CONTAIN = ("revoke", "--mode", "contain", "--yes")
CALLS = {
    "mint": ("RegenerateKey", ROTATE, 0),
    "supersede": ("RegenerateKey", ROTATE, 1),
    "cut": ("RegenerateKey", CUT, 0),
    "set": ("SetSecret", ROTATE, 0),
    "set-after-cut": ("SetSecret", CUT, 0),
    "adopt": ("UpdateSecret", ROTATE, 0),
    "retire": ("UpdateSecret", ROTATE, 1),
    "patch": ("UpdateAccount", CONTAIN, 0),
}
"""The call that is struck, the command, and how many rotations went well before it."""

MINTS = {"mint": (2, 2), "set": (2, 2), "adopt": (2, 2), "cut": (1, 2)}
"""At least and at most; once for every other. While a cut that failed is held back, the other slot is minted."""


@dataclass(kw_only=True)
class Outcome:
    estate: Estate
    call: str
    rows: dict[str, dict[str, Any]]
    before: dict[str, str]
    minted_before: dict[str, int]


MAIN = ("mint", "cut", "set", "retire", "patch")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "outcome" in metafunc.fixturenames:
        calls = tuple(CALLS) if metafunc.config.getoption("--all-faults") else MAIN
        metafunc.parametrize("outcome", calls, indirect=True, scope="module")


@pytest.fixture(scope="module")
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """The fleet of one call, each account struck by its own fault, after the one command for all."""
    operation, (command, *options), rotations = CALLS[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    with SandboxThread(directory, seed=5) as azure:
        azure.throttle(writes=10_000, reads=10_000)
        estate = build_estate(azure, directory, len(FAULTS) + 1)
        for _ in range(rotations):
            assert estate.run("rotate", *estate.names, "--now").exit_code == 0
        before = {name: azure.secret(one["vault"], f"{name}-key")[-1].value for one in estate.fleet for name in [one["name"]]}
        minted = {name: estate.mints(name) for name in estate.names}
        for name, fault in zip(estate.names, (*FAULTS, LATE), strict=True):
            target = {"account": name} if operation in ("RegenerateKey", "UpdateAccount") else {"secret": f"{name}-key"}
            azure.fault(operation, fault, **target)
        result = estate.run(command, *estate.names, *options, "--output", "json")
        rows = {row["name"]: row for row in json.loads(result.stdout)}
        yield Outcome(estate=estate, call=request.param, rows=rows, before=before, minted_before=minted)


@pytest.mark.parametrize("number", range(len(FAULTS) + 1), ids=[*FAULTS, LATE])
def test_a_struck_call_converges_and_is_sent_once_for_each_intent(outcome: Outcome, number: int) -> None:
    estate, name = outcome.estate, outcome.estate.names[number]
    operation = CALLS[outcome.call][0]
    row = outcome.rows[name]
    assert any(entry.fault for entry in estate.arrivals(name, operation)), "the fault never struck"
    assert row["outcome"] in ("rotated", "dead"), row
    estate.assert_no_call_came_twice(name)
    if outcome.call == "patch":
        assert estate.azure.account(name).disable_local_auth
    else:
        estate.assert_at_rest(name, dead=outcome.before[name])
    least, most = MINTS.get(outcome.call, (1, 1))
    late = number == len(FAULTS) and operation == "RegenerateKey"
    assert least <= estate.mints(name) - outcome.minted_before[name] <= most + late


def test_the_audit_of_all_that_verifies(outcome: Outcome) -> None:
    verified = outcome.estate.run("audit", "verify")
    assert verified.exit_code == 0, verified.output


# --- what never ends, as a person at the command line sees it -------------------------------------------------------------------

GRANTS = {
    "RegenerateKey": "Microsoft.CognitiveServices/accounts/regenerateKey/action",
    "ListKeys": "Microsoft.CognitiveServices/accounts/listKeys/action",
    "GetAccount": "Microsoft.CognitiveServices/accounts/read",
    "SetSecret": "Microsoft.KeyVault/vaults/secrets/setSecret/action",
    "GetSecret": "Microsoft.KeyVault/vaults/secrets/getSecret/action",
    "UpdateSecret": "Microsoft.KeyVault/vaults/secrets/update/action",
    "ListSecretVersions": "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    "UpdateAccount": "Microsoft.CognitiveServices/accounts/write",
}
NAMED = {
    "RegenerateKey": "regenerateKey of chat-prod",
    "SetSecret": "set of secret chat-prod-key",
    "UpdateAccount": "PATCH of chat-prod",
    "UpdateSecret": "update of secret chat-prod-key",
}


@pytest.mark.parametrize("operation", GRANTS)
def test_a_missing_grant_is_named(estate: Estate, operation: str) -> None:
    command, options = ("revoke", CONTAIN[1:]) if operation == "UpdateAccount" else ("rotate", ROTATE[1:])
    estate.azure.fault(operation, "403", probability=1.0)
    result = estate.run(command, "chat-prod", *options, "--timeout", "20s")
    _assert_said(estate, result, "403", GRANTS[operation])


@pytest.mark.parametrize("operation", NAMED)
def test_a_conflict_without_end_is_named(estate: Estate, operation: str) -> None:
    command, options = ("revoke", CONTAIN[1:]) if operation == "UpdateAccount" else ("rotate", ROTATE[1:])
    estate.azure.fault(operation, "409", probability=1.0)
    result = estate.run(command, "chat-prod", *options, "--timeout", "3s")
    _assert_said(estate, result, "409", NAMED[operation])


@pytest.mark.parametrize(
    ("fault", "told"),
    [("401", "identity is not accepted"), ("403", "identity is not accepted"), ("429:100000", "429"), ("500-before", "500")],
)
def test_a_token_that_is_never_given_is_said_and_not_waited_for(estate: Estate, fault: str, told: str) -> None:
    estate.azure.fault("Token", fault, probability=1.0)
    began = time.monotonic()
    result = estate.run("rotate", "chat-prod", "--now", "--timeout", "3s")
    assert time.monotonic() - began < 15
    _assert_said(estate, result, told, "a token from Entra")


def test_a_certificate_that_is_not_trusted_is_said_with_what_to_do(estate: Estate, tmp_path: Path) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    (tmp_path / "other.pem").write_text(other)
    settings = yaml.safe_load(estate.settings.read_text())
    settings["cloud"]["ca_file"] = "other.pem"
    estate.settings.write_text(yaml.safe_dump(settings))
    result = estate.run("rotate", "chat-prod", "--now", "--timeout", "1s")
    _assert_said(estate, result, "certificate is not trusted", "ca_file")


def test_a_vault_that_no_name_server_knows_is_said_by_its_name(estate: Estate) -> None:
    settings = yaml.safe_load(estate.settings.read_text())
    settings["credentials"][0]["secret"] = "https://kv-typo.invalid/secrets/chat-prod-key"
    estate.settings.write_text(yaml.safe_dump(settings))
    result = estate.run("rotate", "chat-prod", "--now", "--timeout", "1s")
    _assert_said(estate, result, "no connection", "kv-typo.invalid")


def _assert_said(estate: Estate, result: Result, *told: str) -> None:
    whole = " ".join((result.stdout + result.stderr).split())
    assert result.exit_code == 1, whole
    assert "Traceback" not in whole
    for words in told:
        assert words in whole.replace(" ", "") or words in whole, whole
    assert not any(key.value in whole for key in estate.azure.keys_ever)
