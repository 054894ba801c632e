"""Azure's rules for roles, as a table; and that a role less is never a permission more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.doctor.allowed import Allowance, allowances_of, linked_ids, permits
from rotator.doctor.powers import Powers
from rotator.settings.permissions import KEYS, SECRETS

LIST = "Microsoft.CognitiveServices/accounts/listKeys/action"


@pytest.mark.parametrize(
    ("pattern", "action", "fits"),
    [
        ("*", LIST, True),
        (LIST, LIST, True),
        (LIST.lower(), LIST, True),
        ("Microsoft.CognitiveServices/*", LIST, True),
        ("*/read", "Microsoft.CognitiveServices/accounts/read", True),
        ("*/read", LIST, False),
        ("*/action", LIST, True),
        ("Microsoft.CognitiveServices/accounts/*/action", LIST, True),
        ("Microsoft.CognitiveServices/accounts", LIST, False),
        ("Microsoft.CognitiveServices/accounts/list*", LIST, True),
        ("Microsoft.CognitiveServices/accounts/listKeys/action*", LIST, True),
        ("Microsoft.Cognitive.ervices/*", LIST, False),
        ("", LIST, False),
    ],
)
def test_what_a_pattern_names(pattern: str, action: str, fits: bool) -> None:
    assert permits([Allowance(actions=(pattern,))], action) is fits


def test_what_one_role_takes_away_another_gives() -> None:
    contributor = Allowance(actions=("*",), not_actions=("*/listKeys/action",))
    assert not permits([contributor], LIST)
    assert permits([contributor, Allowance(actions=(LIST,))], LIST)


def test_a_data_action_is_not_granted_by_owning_the_control_plane() -> None:
    assert Powers(roles=(Allowance(actions=("*",)),)).lacks(SECRETS.needs) == list(SECRETS.needs)
    assert Powers(roles=(Allowance(data_actions=("Microsoft.KeyVault/vaults/secrets/*",)),)).lacks(SECRETS.needs) == []


def test_a_reader_lacks_what_it_takes_to_rotate() -> None:
    missing = [one.action for one in Powers(roles=(Allowance(actions=("*/read",)),)).lacks(KEYS.needs)]
    assert missing == [f"Microsoft.CognitiveServices/accounts/{verb}/action" for verb in ("listKeys", "regenerateKey")]


def test_an_answer_of_another_form_allows_nothing() -> None:
    assert allowances_of([{"actions": None, "dataActions": "x"}, {}]) == (Allowance(), Allowance())


words = st.text("ab/*.", max_size=6)
roles = st.builds(Allowance, actions=st.lists(words, max_size=3).map(tuple), not_actions=st.lists(words, max_size=3).map(tuple))


@given(st.lists(roles, max_size=4), st.text("ab/.", max_size=6))
def test_one_role_more_never_allows_less(held: list[Allowance], action: str) -> None:
    assert not permits(held[:-1], action) or permits(held, action)


@pytest.mark.parametrize(
    ("shown", "path", "ids"),
    [
        (
            {"identity": {"userAssignedIdentities": {"/subscriptions/s/a": {}, "/subscriptions/s/b": {}}}},
            "identity.userAssignedIdentities",
            2,
        ),
        ({"properties": {"subnetIds": [{"id": "/subscriptions/s/a"}, {"name": "of an older form"}]}}, "properties.subnetIds", 1),
        ({"identity": {"type": "SystemAssigned"}}, "identity.userAssignedIdentities", 0),
        ({"properties": None}, "properties.subnetIds", 0),
        ({"properties": {"subnetIds": "none"}}, "properties.subnetIds", 0),
    ],
)
def test_what_a_resource_is_linked_to(shown: object, path: str, ids: int) -> None:
    assert len(linked_ids(shown, path)) == ids
