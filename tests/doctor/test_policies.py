"""Which of Azure's built-in policies stand in a rotation's way, and where."""

from datetime import timedelta
from typing import Any

import pytest

from rotator.core.credential import Credential, Secret
from rotator.core.policy import Policy
from rotator.core.snapshot import Unseen
from rotator.doctor.policies import LONGEST, SOONEST, assigned_of, check, sets_of

SUBSCRIPTION = "/subscriptions/s"
ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/chat"
VAULT = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"
OFF, KEYLESS = "14de9e63-1b31-492e-a5a3-c3f7fd57f555", "71ef260a-8f18-47b7-abcb-62d0673d94dc"
INITIATIVE = "/providers/Microsoft.Authorization/policySetDefinitions/baseline"
CHAT = Credential(
    name="chat",
    account=ACCOUNT,
    secret=Secret(vault="https://kv.vault.azure.net", name="k"),
    policy=Policy(cryptoperiod=timedelta(days=30)),
)


def assignment(policy: str, scope: str = SUBSCRIPTION, **about: Any) -> dict[str, Any]:
    definition = policy if policy.startswith("/") else f"/providers/Microsoft.Authorization/policyDefinitions/{policy}"
    return {"id": f"{scope}/x/{policy[-4:]}", "name": "mine", "properties": {"policyDefinitionId": definition, "scope": scope, **about}}


def effect(word: str) -> dict[str, Any]:
    return {"parameters": {"effect": {"value": word}}}


def said(*rows: dict[str, Any], sets: dict[str, Any] | None = None) -> list[str]:
    return [one.said for one in check(CHAT, VAULT, assigned_of(rows, sets or {}))]


@pytest.mark.parametrize(
    ("row", "bites"),
    [
        (assignment(OFF), True),
        (assignment(OFF.upper()), True),
        (assignment(OFF, **effect("Disabled")), False),
        (assignment(OFF, enforcementMode="DoNotEnforce"), False),
        (assignment(OFF, f"{SUBSCRIPTION}/resourceGroups/RG"), True),
        (assignment(OFF, f"{SUBSCRIPTION}/resourceGroups/rg-2"), False),
        (assignment(OFF, "/providers/Microsoft.Management/managementGroups/root"), True),
        (assignment(OFF, notScopes=[f"{SUBSCRIPTION}/resourceGroups/rg"]), False),
        (assignment(OFF, notScopes=[f"{SUBSCRIPTION}/resourceGroups/r"]), True),
        (assignment(KEYLESS), False),
        (assignment(KEYLESS, **effect("Deny")), True),
        (assignment("00000000-0000-0000-0000-000000000000", **effect("Deny")), False),
    ],
)
def test_a_policy_bites_where_it_is_enforced_over_the_account(row: dict[str, Any], bites: bool) -> None:
    assert bool(said(row)) is bites


@pytest.mark.parametrize(
    ("policy", "limit", "days", "bites"),
    [
        (LONGEST, "maximumValidityInDays", 29, True),
        (LONGEST, "maximumValidityInDays", 30, False),
        (SOONEST, "minimumDaysBeforeExpiration", 31, True),
        (SOONEST, "minimumDaysBeforeExpiration", 30, False),
    ],
)
def test_a_limit_on_a_secrets_life_is_held_against_the_cryptoperiod(policy: str, limit: str, days: int, bites: bool) -> None:
    row = assignment(policy, parameters={"effect": {"value": "deny"}, limit: {"value": days}})
    assert bool(said(row)) is bites
    assert not check(CHAT, "", assigned_of([row], {})), "a vault that is not known by its id is judged by nobody"


def member(word: str) -> dict[str, Any]:
    return {
        "policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{KEYLESS}",
        "parameters": {"effect": {"value": word}},
    }


@pytest.mark.parametrize(
    ("word", "given", "finding"),
    [
        ("Deny", None, "refuses a write"),
        ("Audit", None, ""),
        ("[parameters('e')]", "Deny", "refuses a write"),
        ("[parameters('e')]", "Audit", ""),
        ("[parameters('e')]", None, "effect cannot be told"),
    ],
)
def test_an_initiative_is_opened(word: str, given: str | None, finding: str) -> None:
    row = assignment(INITIATIVE, parameters={"e": {"value": given}} if given else {})
    assert sets_of([row]) == {INITIATIVE}
    found = said(row, sets={INITIATIVE: {"properties": {"policyDefinitions": [member(word)]}}})
    assert [finding in one for one in found] == ([True] if finding else [])
    assert said(row) == [], "one that could not be opened is passed over"


def test_odd_rows_and_lists_that_were_refused_say_nothing() -> None:
    assert check(CHAT, VAULT, Unseen(what="policies", because="403")) == []
    assert said({}, {"properties": None}, {"properties": {"policyDefinitionId": INITIATIVE}}) == []
