"""The signed webhook, and the health probe beside anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.faults import Denied, Missing, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption
from rotator.dependents import make
from tests.elsewhere.conftest import NAME, SIGNING, VAULT, dependent, mounted

if TYPE_CHECKING:
    from rotator.core.credential import Dependent
    from tests.elsewhere.conftest import Estate

KIND = "webhook"


def furnish(estate: Estate, **about: Any) -> tuple[Dependent, Any]:
    about = {"signing": SIGNING, "version": "an older one", "fingerprint": "an older one", "value": "an old value"} | about
    made = estate.azure.add_consumer("receiver", "chat", **about)
    return dependent(KIND, url=f"{estate.azure.url('receiver')}/hooks/chat", secret="env:SIGNING"), made


@pytest.mark.parametrize("answers", ["version", "fingerprint"])
async def test_an_app_that_says_what_it_runs_on_proves_it(estate: Estate, answers: str) -> None:
    one, made = furnish(estate, answers=answers)
    new = estate.publish("a new value")
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, found.running) == (Adoption.PROVEN, new.fingerprint)
    assert (made.value, made.keys_seen) == ("a new value", 0)


async def test_an_app_that_took_the_news_and_says_it_runs_on_the_old_value_is_told_again_with_the_same_id(estate: Estate) -> None:
    one, made = furnish(estate, lags=True)
    new = estate.publish("a new value")
    kind = estate.kind(KIND)
    await kind.deliver(one, new)
    assert (await kind.adoption(one, new)).adoption is Adoption.STALE
    made.lags = False
    await kind.deliver(one, new)
    await kind.deliver(one, new)
    assert (await kind.adoption(one, new)).adoption is Adoption.PROVEN
    assert (made.deliveries, len(made.seen)) == (2, 1)


async def test_a_receiver_that_says_nothing_is_claimed_by_the_process_that_told_it(estate: Estate) -> None:
    one, made = furnish(estate, answers="nothing", looks=False)
    new = estate.publish("a new value")
    kind = estate.kind(KIND)
    for _ in range(3):
        await kind.deliver(one, new)
    assert (await kind.adoption(one, new)).adoption is Adoption.CLAIMED
    assert made.deliveries == 1


async def test_another_process_knows_nothing_of_that_and_its_delivery_changes_nothing(estate: Estate) -> None:
    one, made = furnish(estate, answers="nothing", looks=False)
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    again = estate.kind(KIND)
    assert (await again.adoption(one, new)).adoption is Adoption.STALE
    await again.deliver(one, new)
    assert (made.deliveries, len(made.seen)) == (2, 1), "the same id: the receiver knows it"


async def test_a_signature_that_is_not_accepted_is_denied(estate: Estate) -> None:
    one, made = furnish(estate, signing="whsec_" + "A" * 32)
    with pytest.raises(Denied) as refused:
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert "the signing secret" in refused.value.remedy
    assert made.deliveries == 0


async def test_a_receiver_that_is_not_there_is_missing(estate: Estate) -> None:
    one = dependent(KIND, url=f"{estate.azure.url('receiver')}/hooks/nobody", secret="env:SIGNING")
    with pytest.raises(Missing):
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))


async def test_a_secret_that_cannot_sign_is_said_without_repeating_it(estate: Estate) -> None:
    one, _ = furnish(estate)
    token = "ÄÖ no base64"

    async def secret(reference: str) -> Sealed:
        return Sealed(token)

    with pytest.raises(Rejected) as refused:
        await make(KIND, replace(estate.tools, secret=secret)).deliver(one, estate.publish("a new value"))
    assert token not in str(refused.value) + refused.value.remedy


# --- health -----------------------------------------------------------------------------------------------------------------


def app(estate: Estate) -> Any:
    """Two pods that mount the vault, and a health URL that says which version they have."""
    about = {"vault": estate.azure.vault_url(VAULT), "objects": [{"objectName": NAME}]}
    estate.azure.add_consumer("provider_class", "prod/vault", **about)
    made = estate.azure.add_consumer("workload", "prod/deployment/chat", spec=mounted("vault"))
    return estate.azure.add_consumer("health", "chat", consumer=made.id, path=("mount", "vault", NAME))


def url(estate: Estate) -> str:
    return f"{estate.azure.url('receiver')}/health/chat"


async def test_an_app_that_says_its_version_is_proven_once_it_has_moved(estate: Estate) -> None:
    app(estate)
    one = dependent("health", url=url(estate), field="key.version")
    new = estate.publish("a new value")
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    estate.azure.pass_time(121)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN


async def test_that_an_app_is_well_proves_nothing_about_its_key(estate: Estate) -> None:
    """During the overlap it is well on either one."""
    app(estate)
    found = await estate.look(dependent("health", url=url(estate)), estate.publish("a new value"))
    assert (found.adoption, "on either key" in found.because) == (Adoption.CLAIMED, True)


async def test_a_field_that_is_not_there_is_stale(estate: Estate) -> None:
    app(estate)
    found = await estate.look(dependent("health", url=url(estate), field="key.nothing"), estate.publish("a new value"))
    assert (found.adoption, "says nothing in 'key.nothing'" in found.because) == (Adoption.STALE, True)


@pytest.mark.parametrize(
    ("status", "adoption"), [(500, Adoption.UNSEEN), (403, Adoption.UNSEEN), (404, Adoption.UNSEEN), (400, Adoption.STALE)]
)
async def test_an_app_that_is_not_well_is_never_proven(estate: Estate, status: int, adoption: Adoption) -> None:
    app(estate).status = status
    assert (
        await estate.look(dependent("health", url=url(estate), field="key.version"), estate.publish("a new value"))
    ).adoption is adoption


def beside(estate: Estate, **more: Any) -> Dependent:
    estate.azure.add_consumer("github_secret", "OPENAI_KEY", value="an old value", repository="contoso/chat")
    place = {"repository": "contoso/chat", "secret": "OPENAI_KEY", "token": "env:GITHUB_TOKEN", "api": estate.azure.url("github_secrets")}
    return dependent("github-secret", **place, health={"url": url(estate), **more})


async def test_beside_a_kind_that_can_only_claim_the_apps_own_word_proves(estate: Estate) -> None:
    app(estate)
    one = beside(estate, field="key.version")
    new = estate.publish("a new value")
    await estate.kind(one.kind).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, "another one" in found.because) == (Adoption.STALE, True)
    estate.azure.pass_time(121)
    found = await estate.look(one, new)
    assert (found.adoption, "health 200" in found.seen) == (Adoption.PROVEN, True)


async def test_beside_a_kind_a_status_alone_lifts_nothing_and_a_wrong_one_holds_back(estate: Estate) -> None:
    watched = app(estate)
    one = beside(estate)
    new = estate.publish("a new value")
    await estate.kind(one.kind).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.CLAIMED
    watched.status = 500
    assert (await estate.look(one, new)).adoption is Adoption.UNSEEN


async def test_an_app_on_its_old_value_is_not_asked_whether_it_is_well(estate: Estate) -> None:
    app(estate)
    one = beside(estate)
    assert (await estate.look(one, estate.publish("a new value"))).adoption is Adoption.STALE
    assert estate.arrivals("Health") == 0


async def test_what_a_receiver_took_in_another_process_is_claimed_and_not_told_again(estate: Estate) -> None:
    one, made = furnish(estate, answers="nothing", looks=False)
    new = estate.publish("a new value")
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    known = replace(new, delivered_at=new.since)
    found = await estate.look(one, known)
    assert (found.adoption, found.seen) == (Adoption.CLAIMED, f"told at {new.since:%Y-%m-%dT%H:%M:%SZ}")
    await estate.kind(KIND).deliver(one, known)
    assert made.deliveries == 0


async def test_what_a_receiver_says_itself_goes_before_what_it_took_once(estate: Estate) -> None:
    one, _ = furnish(estate)
    new = estate.publish("a new value")
    assert (await estate.look(one, replace(new, delivered_at=new.since))).adoption is Adoption.STALE
