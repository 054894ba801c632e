"""A survey as settings: whatever was found, `config check` takes what is written."""

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.credential import Secret
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Unseen
from rotator.hunt.finding import Copy, Why
from rotator.settings import Settings, parse
from rotator.survey.estate import Found, Holding
from rotator.survey.written import settings_yaml
from tests.survey.finds import NOW, account, copy, found, holding, survey


def written(*all_: Found, **taken: list[str]) -> list[dict[str, str]]:
    """The credentials as the settings read them back."""
    text = settings_yaml(survey(*all_), **taken)
    settings = parse(text, "found.yaml")
    return [{"name": one.name, "account": one.account, "secret": one.secret} for one in settings.credentials]


def test_what_nobody_manages_becomes_a_credential() -> None:
    one = found(holds=("chat-key",))
    assert written(one, found("known", holds=("k",), managed_as="known")) == [
        {"name": "chat-prod", "account": one.account.id, "secret": "https://kv.vault.azure.net/secrets/chat-key"}
    ]


def test_an_account_whose_secret_nobody_knows_is_a_comment() -> None:
    text = settings_yaml(survey(found("lonely")))
    assert parse(text, "x").credentials == []
    assert "#   secret: https://VAULT.vault.azure.net/secrets/lonely-key" in text


def test_a_key_inside_a_larger_text_needs_a_person() -> None:
    this = account()
    text = settings_yaml(survey(Found(account=this, holdings=(holding("connection", this, whole=False),))))
    assert parse(text, "x").credentials == []
    assert "format" in text


def test_two_accounts_of_one_name_get_two_names() -> None:
    names = [one["name"] for one in written(found(holds=("a",)), found(group="rg-2", holds=("b",)))]
    assert names == ["chat-prod", "chat-prod-rg-2"]


def test_a_name_that_the_settings_have_is_not_given_again() -> None:
    assert written(found(holds=("a",)), taken_names=["chat-prod"])[0]["name"] == "chat-prod-rg-ai"


def test_no_secret_is_given_to_two() -> None:
    first, second = found(holds=("shared",)), found("other", holds=("shared",))
    assert [one["name"] for one in written(first, second)] == ["chat-prod"]
    assert written(first, taken_secrets=["https://KV.vault.azure.net/secrets/Shared"]) == []


def test_what_was_not_seen_is_said_in_one_line() -> None:
    dark = Unseen(what="the vaults of\nsubscription s", because="403\r\ncredentials: [x]")
    text = settings_yaml(survey(unseen=(dark,)))
    assert parse(text, "x").credentials == []
    assert "# Not seen: the vaults of subscription s: 403 credentials: [x]" in text


def taken(one: Found, *copies: Copy) -> tuple[Settings, str]:
    text = settings_yaml(survey(replace(one, copies=copies)))
    return parse(text, "found.yaml"), text


def test_who_copies_the_key_becomes_a_dependent_ready_to_commit() -> None:
    settings, _ = taken(found(holds=("chat-key",)), copy(), copy(Why.READER, settings={**copy().settings, "setting": "OTHER"}))
    (credential,) = settings.credential_list()
    assert [(one.kind, one.parameters["setting"]) for one in credential.dependents] == [("app-service", "KEY"), ("app-service", "OTHER")]


def test_the_secret_that_the_credential_gets_is_no_copy_of_itself() -> None:
    one = found(holds=("chat-key", "other"))
    here, other = (str(each.secret) for each in one.holdings)
    vaults = [copy(resource=url, settings={"kind": "key-vault", "secret": url}) for url in (here, other)]
    settings, _ = taken(one, *vaults)
    assert [each.parameters["secret"] for each in settings.credential_list()[0].dependents] == [other]


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        (copy(asks="how the key stands in its text: format: '…{key}…'"), "format: '…{key}…'"),
        (copy(Why.READER, secret=Secret(vault="https://kv.vault.azure.net", name="elsewhere")), "refer to https://kv.vault.azure.net/secrets/chat-key"),
        (copy(settings={**copy().settings, "setting": "MY KEY"}), "another setting"),
    ],
)  # fmt: skip
def test_what_only_a_person_knows_is_a_comment_that_asks_for_it(one: Copy, asked: str) -> None:
    settings, text = taken(found(holds=("chat-key",)), one)
    assert settings.credential_list()[0].dependents == ()
    (line,) = [line for line in text.splitlines() if "# Say " in line]
    assert asked in line
    assert "# - kind: app-service" in text


def test_a_pinned_reference_is_a_comment_with_what_to_do_first_for_as_an_entry_it_would_hold_up_each_rotation() -> None:
    settings, text = taken(found(holds=("chat-key",)), copy(Why.PINNED, told="pins version 0123…: take it out"))
    assert settings.credential_list()[0].dependents == ()
    assert "# First: pins version 0123…: take it out" in text


def test_copies_of_a_credential_that_the_settings_have_are_a_comment_for_it() -> None:
    settings, text = taken(found(managed_as="chat"), copy(), copy(known=True, settings={**copy().settings, "setting": "KNOWN"}))
    assert settings.credentials == []
    assert "# chat is in your settings already, without these:" in text
    assert "KNOWN" not in text


def test_where_nobody_can_look_is_said_with_what_to_name() -> None:
    shut = Unseen(what="variable KEY\nof batch", because="it is write-only", remedy="name it: kind: container-instance")
    text = settings_yaml(survey(write_only=(shut,)))
    assert parse(text, "x").credentials == []
    assert "# Nobody can look: variable KEY of batch: it is write-only; name it: kind: container-instance" in text


odd = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40)
names = st.one_of(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,40}", fullmatch=True),
    st.sampled_from(["true", "No", "1e5", "null", "0x1f", "1234", "a" * 200]),
)
secrets = st.from_regex(r"[0-9A-Za-z-]{1,40}", fullmatch=True)


@st.composite
def finds(draw: st.DrawFn) -> Found:
    this = account(draw(names), draw(st.sampled_from(["rg-ai", "rg_2", "(odd)-group", "ünter.gruppe"])), location=draw(odd), kind=draw(odd))
    vault = f"https://{draw(st.sampled_from(['kv-1', 'kv-2', 'kv-true']))}.vault.azure.net"
    holds = [
        Holding(
            secret=Secret(vault=vault, name=name), account=this.id, created=NOW, fingerprint=Fingerprint(name), whole=draw(st.booleans())
        )
        for name in draw(st.lists(secrets, max_size=3))
    ]
    copies = tuple(draw(st.lists(st.builds(_copy, st.sampled_from(Why), odd, odd, st.one_of(st.just(""), odd)), max_size=4)))
    return Found(account=this, holdings=tuple(holds), managed_as=draw(st.one_of(st.none(), names)), copies=copies)


def _copy(why: Why, setting: str, told: str, asks: str) -> Copy:
    return copy(why, told=told, asks=asks, settings={**copy().settings, "setting": setting})


@given(st.lists(finds(), max_size=12), st.lists(names, max_size=4))
def test_whatever_was_found_the_settings_are_valid_and_their_names_unique(all_: list[Found], taken: list[str]) -> None:
    unique = {one.account.id.lower(): one for one in all_}.values()
    text = settings_yaml(survey(*unique), taken)
    settings = parse(text, "found.yaml")
    made = [one.name.lower() for one in settings.credentials]
    assert len(set(made)) == len(made)
    assert not set(made) & {name.lower() for name in taken}
    accounts = {one.account.id for one in unique if one.managed_as is None}
    assert {one.account for one in settings.credentials} <= accounts
    assert set(yaml.safe_load(text)) == {"credentials"}
