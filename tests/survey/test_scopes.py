"""Scopes: who is taken into care, and that no stranger can stop the rotation of another."""

from typing import Any

import pytest
import yaml

from rotator.core.snapshot import Unseen
from rotator.settings import Settings, SettingsError, parse
from rotator.survey.estate import Account
from rotator.survey.scopes import assigned
from tests.survey.finds import SUBSCRIPTION, account

SCOPE = {"subscription": SUBSCRIPTION, "secret": "https://kv.vault.azure.net/secrets/{account}-key"}


def settings(*scopes: dict[str, Any], credentials: list[dict[str, Any]] | None = None, **more: Any) -> Settings:
    return parse(yaml.safe_dump({"discover": list(scopes), "credentials": credentials or [], **more}), "scopes.yaml")


def made(said: Settings, *accounts: Account, known: dict[str, str] | None = None) -> dict[str, str]:
    found = assigned(said, [accounts for _ in said.discover], known or {})
    return {name: str(one.secret) for name, one in found.credentials.items()}


def test_an_account_in_a_scope_becomes_a_credential() -> None:
    assert made(settings(SCOPE), account("chat")) == {"chat": "https://kv.vault.azure.net/secrets/chat-key"}


def test_a_scope_has_policies_of_its_own_over_the_defaults() -> None:
    said = settings({**SCOPE, "cryptoperiod": "7d"}, defaults={"cryptoperiod": "30d", "overlap": "1h"})
    (one,) = assigned(said, [[account()]], {}).credentials.values()
    assert (one.policy.cryptoperiod.days, one.policy.overlap.total_seconds()) == (7, 3600)


@pytest.mark.parametrize(
    ("scope", "taken"),
    [
        ({}, True),
        ({"resource_group": "RG-AI"}, True),
        ({"resource_group": "rg-other"}, False),
        ({"tags": {"Rotate": "yes"}}, True),
        ({"tags": {"rotate": "*"}}, True),
        ({"tags": {"rotate": "no"}}, False),
        ({"tags": {"rotate": "yes", "team": "x"}}, False),
        ({"kinds": ["OpenAI"]}, True),
        ({"kinds": ["Face"]}, False),
        ({"subscription": SUBSCRIPTION.replace("1", "2")}, False),
    ],
)
def test_who_is_in_a_scope(scope: dict[str, Any], taken: bool) -> None:
    assert bool(made(settings({**SCOPE, **scope}), account(tags={"rotate": "yes"}))) is taken


def test_what_the_settings_name_goes_before() -> None:
    one = account("chat")
    explicit = {
        "name": "mine",
        "account": one.id.upper()
        .replace("MICROSOFT.COGNITIVESERVICES/ACCOUNTS", "Microsoft.CognitiveServices/accounts")
        .replace("/SUBSCRIPTIONS", "/subscriptions")
        .replace("/RESOURCEGROUPS", "/resourceGroups")
        .replace("/PROVIDERS", "/providers"),
        "secret": "https://kv.vault.azure.net/secrets/mine",
    }
    assert made(settings(SCOPE, credentials=[explicit]), one) == {}


def test_of_two_scopes_that_fit_the_first_counts() -> None:
    other = {**SCOPE, "secret": "https://kv-2.vault.azure.net/secrets/{account}"}
    assert made(settings(other, SCOPE), account("chat")) == {"chat": "https://kv-2.vault.azure.net/secrets/chat"}


def test_two_that_would_have_one_secret_are_refused_both() -> None:
    said = settings({**SCOPE, "name": "{group}-{account}"})
    found = assigned(said, [[account("chat"), account("chat", "rg-2"), account("else")]], {})
    assert set(found.credentials) == {"rg-ai-else"}
    assert len(found.refused) == 2
    assert all("secret" in sentence for sentence in found.refused)


def test_a_stranger_does_not_stop_the_rotation_of_one_in_care() -> None:
    mine, stranger = account("chat"), account("chat", "rg-evil")
    found = assigned(settings(SCOPE), [[stranger, mine]], {"chat": mine.id})
    assert {one.account for one in found.credentials.values()} == {mine.id}
    assert any(stranger.id in sentence for sentence in found.refused)


def test_names_that_a_vault_would_fold_into_one_are_seen() -> None:
    found = assigned(settings(SCOPE), [[account("a_b"), account("a.b")]], {})
    assert not found.credentials
    assert len(found.refused) == 2


def test_a_secret_of_the_settings_is_not_given_to_another() -> None:
    explicit = {"name": "mine", "account": account("other").id, "secret": "https://KV.vault.azure.net/secrets/Chat-key"}
    found = assigned(settings(SCOPE, credentials=[explicit]), [[account("chat")]], {})
    assert not found.credentials
    assert "already" in found.refused[0]


def test_an_account_without_keys_is_taken_only_if_it_is_in_care() -> None:
    off = account("chat", local_auth=False)
    assert made(settings(SCOPE), off) == {}
    assert set(made(settings(SCOPE), off, known={"chat": off.id})) == {"chat"}


def test_a_list_that_could_not_be_read_takes_nobody() -> None:
    assert not assigned(settings(SCOPE), [Unseen(what="accounts", because="403")], {}).credentials


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret": "https://kv.vault.azure.net/secrets/one"}, "must hold {account}"),
        ({"secret": "https://kv.vault.azure.net/secrets/{account}-{who}"}, "no other name in braces"),
        ({"secret": "https://kv.vault.azure.net/keys/{account}"}, "not a secret's URL"),
        ({"name": "{group}"}, "must hold {account}"),
        ({"name": "a b {account}"}, "not a name"),
        ({"subscription": "mine"}, "not the id of a subscription"),
        ({"resource_groups": "x"}, "did you mean 'resource_group'"),
        ({"cryptoperiod": "1h", "overlap": "2h"}, "overlap is not shorter"),
    ],
)
def test_a_wrong_scope_is_said_with_its_place(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings({**SCOPE, **wrong})
    assert "discover[0]" in str(caught.value.errors)
    assert said in str(caught.value.errors)
