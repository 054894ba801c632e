"""What is judged without asking: the clock, the end of a secret, the order of findings, the commands that mend."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rotator.doctor import clock, identity, mending
from rotator.doctor.findings import About, Severity, Subject, ordered, worst
from rotator.settings.permissions import KEYS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ABOUT = About(Subject.CLOCK, "this machine")
MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("azure_s", "took_ms", "severity"),
    [
        (0, 10, Severity.OK),
        (-1, 10, Severity.OK),  # a Date has whole seconds
        (-5, 4500, Severity.OK),  # a slow answer is old when it comes
        (-20, 10, Severity.WARNING),
        (20, 10, Severity.WARNING),
        (120, 10, Severity.ERROR),
        (-3600, 10, Severity.ERROR),
    ],
)
def test_a_clock_is_wrong_only_beyond_what_a_call_cannot_tell(azure_s: int, took_ms: int, severity: Severity) -> None:
    date = format_datetime(NOW + timedelta(seconds=azure_s), usegmt=True)
    assert clock.judged(ABOUT, date, NOW, took_ms * MS).severity is severity


def test_an_answer_without_a_date_says_nothing_of_the_clock() -> None:
    assert clock.judged(ABOUT, "", NOW, MS).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("ends", "severity"),
    [
        ([], Severity.WARNING),
        ([-1], Severity.ERROR),
        ([-1, 400], None),
        ([10], Severity.WARNING),
        ([31], None),
    ],
)
def test_a_secret_of_our_own_is_minded_before_it_ends(ends: list[int], severity: Severity | None) -> None:
    rows = [{"endDateTime": (NOW + timedelta(days=days)).isoformat()} for days in ends]
    found = identity.judged(About(Subject.IDENTITY, "client secret"), {"passwordCredentials": rows}, "app", NOW)
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all("az ad app credential reset --id app" in one.mend for one in found if "expire" in one.said)


def test_findings_stand_by_subject_with_the_worst_first_and_each_once() -> None:
    vault, account = About(Subject.VAULT, "kv"), About(Subject.ACCOUNT, "chat")
    found = ordered([vault.well("w"), vault.bad("b"), account.well("w"), vault.bad("b"), account.warn("!")])
    assert [(one.subject, one.severity) for one in found] == [
        (Subject.ACCOUNT, Severity.WARNING),
        (Subject.ACCOUNT, Severity.OK),
        (Subject.VAULT, Severity.ERROR),
        (Subject.VAULT, Severity.OK),
    ]
    assert worst(found) is Severity.ERROR
    assert worst([]) is Severity.OK


def test_a_command_that_mends_can_be_pasted() -> None:
    scope = "/subscriptions/s/resourceGroups/my group/providers/Microsoft.CognitiveServices/accounts/chat"
    assert mending.grant(KEYS, scope, "oid") == (
        f"az role assignment create --assignee-object-id oid --role '{KEYS.deployed}' --scope '{scope}'"
    )


VAULT = "/subscriptions/s/resourceGroups/my group/providers/Microsoft.KeyVault/vaults/kv"


def test_a_vault_that_goes_by_access_policies_keeps_everybody_elses() -> None:
    """To switch it over to roles would drop them all, and with them every reader."""
    told = mending.set_policy(VAULT, "oid")
    assert "rbac" not in told
    assert "--resource-group 'my group' --name kv --object-id oid --secret-permissions get list set recover" in told


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://kv-1.vault.azure.net", "kv-1"),
        ("https://kv-1.vault.usgovcloudapi.net", "kv-1"),
        ("https://127.0.0.1:8443", "NAME-OF-THE-VAULT"),
        ("https://vault.example.com/kv", "NAME-OF-THE-VAULT"),
    ],
)
def test_only_a_host_of_azures_own_tells_a_vaults_name(url: str, name: str) -> None:
    assert f"--name {name} " in mending.let_in(url)
