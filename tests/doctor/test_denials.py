"""Deny assignments and conditions, as a table: what is taken away, from whom, and what cannot be told."""

from typing import Any

import pytest

from rotator.core.snapshot import Unseen
from rotator.doctor.allowed import Allowance, allowances_of
from rotator.doctor.denials import EVERYBODY, Ourselves, denials_of, ourselves
from rotator.doctor.findings import About, Severity, Subject
from rotator.doctor.granted import denied, doubtful, lacking
from rotator.doctor.powers import Powers
from rotator.settings.permissions import KEYS, SECRETS

GROUP = "/subscriptions/s/resourceGroups/rg"
PLACE = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/chat"
MINT = "Microsoft.CognitiveServices/accounts/regenerateKey/action"
ME, TEAM, OTHER = "me", "team", "somebody-else"
ALL = Allowance(actions=("*",), data_actions=("*",))
ABOUT = About(Subject.ACCOUNT, "chat")


def row(
    *principals: tuple[str, str], but: tuple[tuple[str, str], ...] = (), permission: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    inner = {
        "denyAssignmentName": "stack",
        "scope": GROUP,
        "permissions": [permission or {"actions": ["*/regenerateKey/action"]}],
        "principals": [{"id": id_, "type": sort} for id_, sort in principals],
        "excludePrincipals": [{"id": id_, "type": sort} for id_, sort in but],
        **more,
    }
    return {"id": f"{GROUP}/providers/Microsoft.Authorization/denyAssignments/1", "properties": inner}


EVERY, I_AM, IN_TEAM, ELSE = (EVERYBODY, "SystemDefined"), (ME, "ServicePrincipal"), (TEAM, "Group"), (OTHER, "User")
A_SERVICE = (OTHER, "ServicePrincipal")
UNTOLD, IN, OUT = Ourselves(id=ME), Ourselves(id=ME, groups=frozenset({TEAM})), Ourselves(id=ME, groups=frozenset())


@pytest.mark.parametrize(
    ("one", "us", "taken"),
    [
        (row(EVERY), UNTOLD, "yes"),
        (row(EVERY), Ourselves(), "yes"),
        (row(I_AM), UNTOLD, "yes"),
        (row(ELSE), UNTOLD, "no"),
        (row(ELSE), Ourselves(), "perhaps"),
        (row(A_SERVICE), UNTOLD, "no"),
        (row(("", "Group")), Ourselves(), "perhaps"),
        (row(A_SERVICE), Ourselves(groups=frozenset()), "perhaps"),
        (row(EVERY, but=(I_AM,)), UNTOLD, "no"),
        (row(EVERY, but=(ELSE,)), UNTOLD, "yes"),
        (row(EVERY, but=(IN_TEAM,)), UNTOLD, "perhaps"),
        (row(EVERY, but=(IN_TEAM,)), IN, "no"),
        (row(EVERY, but=(IN_TEAM,)), OUT, "yes"),
        (row(IN_TEAM), UNTOLD, "perhaps"),
        (row(IN_TEAM), IN, "yes"),
        (row(IN_TEAM), OUT, "no"),
        (row(EVERY, condition="@Resource[…]"), UNTOLD, "perhaps"),
        (row(EVERY, permission={"actions": ["*"], "notActions": ["*/regenerateKey/action"]}), UNTOLD, "no"),
        (row(EVERY, permission={"actions": ["*"]}), UNTOLD, "yes"),
        (row(EVERY, permission={"dataActions": ["*"]}), UNTOLD, "no"),
        (row(EVERY, doNotApplyToChildScopes=True), UNTOLD, "no"),
        (row(EVERY, doNotApplyToChildScopes=True, scope=PLACE.upper()), UNTOLD, "yes"),
        (row(EVERY, scope=None, doNotApplyToChildScopes=True), UNTOLD, "no"),
        ({"properties": None}, UNTOLD, "no"),
        ({"properties": {"principals": "all", "permissions": [None]}}, UNTOLD, "no"),
    ],
)
def test_what_a_deny_assignment_takes_away(one: dict[str, Any], us: Ourselves, taken: str) -> None:
    powers = Powers(roles=(ALL,), denials=denials_of([one], PLACE, us))
    lost, unsure = (
        MINT in {need.action for need in powers.lacks(KEYS.needs)},
        MINT in {need.action for need, _ in powers.unsure(KEYS.needs)},
    )
    assert (lost, unsure) == (taken == "yes", taken == "perhaps")


def test_what_is_denied_is_mended_by_no_role() -> None:
    powers = Powers(roles=(ALL,), denials=denials_of([row(EVERY)], PLACE, UNTOLD))
    assert lacking(KEYS.needs, powers) == []
    (one,) = denied(KEYS.needs, powers, ABOUT, ME)
    assert one.severity is Severity.ERROR
    assert MINT in one.said
    assert "role assignment" not in one.mend
    assert ME in one.mend


def test_a_role_with_a_condition_is_no_full_grant_and_no_lack() -> None:
    conditional, plain = allowances_of(
        [{"dataActions": ["*"], "condition": "@Resource[…] StringEquals 'x'"}, {"dataActions": ["*/getSecret/action"]}]
    )
    powers = Powers(roles=(conditional, plain))
    assert powers.lacks(SECRETS.needs) == []
    assert "Microsoft.KeyVault/vaults/secrets/getSecret/action" not in {one.action for one, _ in powers.unsure(SECRETS.needs)}
    (said,) = doubtful(SECRETS.needs, powers, ABOUT, PLACE, ME)
    assert said.severity is Severity.WARNING
    assert "setSecret/action" in said.said
    assert "cannot be told: only a role with a condition gives it" in said.said


def test_denials_that_may_not_be_listed_are_a_warning_with_the_role_that_lists_them() -> None:
    powers = Powers(roles=(ALL,), denials=Unseen(what="denials", because="403"))
    assert powers.lacks(KEYS.needs) == []
    (said,) = doubtful(KEYS.needs, powers, ABOUT, PLACE, ME)
    assert (said.severity, "deny assignment" in said.said) == (Severity.WARNING, True)
    assert said.mend.endswith("--scope /subscriptions/s")


@pytest.mark.parametrize(
    ("claims", "us"),
    [
        ({"oid": "ME", "groups": ["TEAM"]}, IN),
        ({"oid": ME}, UNTOLD),
        ({"oid": ME, "_claim_names": {"groups": "src1"}}, UNTOLD),
        ({}, Ourselves()),
    ],
)
def test_who_a_token_says_we_are(claims: dict[str, Any], us: Ourselves) -> None:
    assert ourselves(claims) == us


def test_a_deny_assignment_without_a_name_is_called_by_its_id_or_said_to_have_none() -> None:
    plain = row(EVERY, denyAssignmentName=None)
    assert [one.name for one in denials_of([{**plain, "name": "d-1"}, plain], PLACE, UNTOLD)] == ["d-1", "without a name"]
