"""A survey as settings: whatever was found, `config check` takes what is written."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.credential import Secret
from rotator.core.snapshot import Unseen
from rotator.settings import parse
from rotator.survey.estate import Found, Holding
from rotator.survey.written import settings_yaml
from tests.survey.finds import NOW, account, found, holding, survey


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
        Holding(secret=Secret(vault=vault, name=name), account=this.id, created=NOW, whole=draw(st.booleans()))
        for name in draw(st.lists(secrets, max_size=3))
    ]
    return Found(account=this, holdings=tuple(holds), managed_as=draw(st.one_of(st.none(), names)))


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
