"""The nouns: a slot and its other one, a version and whose it is."""

from datetime import UTC, datetime

from rotator.core.credential import TAG_LENGTH_MAX, Secret, Version, account_tag
from tests.core.situations import ACCOUNT, KEY1, KEY2, OTHER_ACCOUNT

LONG = "/subscriptions/s/resourceGroups/" + "r" * 90 + "/providers/Microsoft.CognitiveServices/accounts/" + "a" * 200


def version(account: str | None) -> Version:
    return Version(id="v1", created=datetime(2026, 3, 2, tzinfo=UTC), account=account)


def test_each_slot_has_one_other() -> None:
    assert (KEY1.other, KEY2.other) == (KEY2, KEY1)


def test_a_secret_reads_as_its_address() -> None:
    assert str(Secret(vault="https://kv.vault.azure.net", name="chat-key")) == "https://kv.vault.azure.net/secrets/chat-key"


def test_a_version_is_of_the_account_that_its_tag_names_without_regard_to_case() -> None:
    assert version(ACCOUNT).is_of(ACCOUNT)
    assert version(ACCOUNT.upper()).is_of(ACCOUNT.lower())
    assert not version(OTHER_ACCOUNT).is_of(ACCOUNT)
    assert not version(None).is_of(ACCOUNT)


def test_an_account_whose_id_is_longer_than_a_tag_may_be_is_told_by_its_digest() -> None:
    assert account_tag(ACCOUNT) == ACCOUNT
    assert len(account_tag(LONG)) <= TAG_LENGTH_MAX < len(LONG)
    assert account_tag(LONG) != account_tag(LONG + "b")
    assert version(account_tag(LONG)).is_of(LONG.upper())
