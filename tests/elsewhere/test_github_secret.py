"""GitHub's secrets: sealed, never given back, and an organisation's with all that it would lose."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.faults import Denied, Missing, Rejected, Throttled, Transient
from rotator.core.snapshot import Adoption
from tests.elsewhere.conftest import dependent

if TYPE_CHECKING:
    from rotator.core.credential import Dependent
    from tests.elsewhere.conftest import Estate

KIND = "github-secret"


def furnish(estate: Estate, **place: Any) -> tuple[Dependent, Any]:
    about = {name: place.pop(name) for name in ("visibility", "repositories") if name in place}
    made = estate.azure.add_consumer("github_secret", "OPENAI_KEY", value="an old value", **about, **place)
    return dependent(KIND, secret="OPENAI_KEY", token="env:GITHUB_TOKEN", api=estate.azure.url("github_secrets"), **place), made


async def test_what_was_written_before_the_publish_is_stale_and_what_was_written_after_is_claimed(estate: Estate) -> None:
    one, made = furnish(estate, repository="contoso/chat")
    new = estate.publish("a new value")
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert found.adoption is Adoption.CLAIMED
    assert made.value == "a new value"
    assert f"{made.updated_at:%H:%M:%S}" in found.seen


async def test_a_claim_outlives_the_process_by_githubs_own_time(estate: Estate) -> None:
    one, _ = furnish(estate, repository="contoso/chat")
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.kind(KIND).adoption(one, new)).adoption is Adoption.CLAIMED


async def test_a_write_in_the_second_of_the_publish_may_be_of_the_value_before(estate: Estate) -> None:
    one, made = furnish(estate, repository="contoso/chat")
    new = estate.publish("a new value")
    made.updated_at = new.since + timedelta(seconds=0.9)
    assert (await estate.look(one, new)).adoption is Adoption.STALE


async def test_an_organisations_secret_keeps_who_may_use_it(estate: Estate) -> None:
    """More repositories than one page holds."""
    given = list(range(1, 251))
    one, made = furnish(estate, organisation="contoso", visibility="selected", repositories=given)
    await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert (made.visibility, made.repositories, made.value) == ("selected", given, "a new value")


@pytest.mark.parametrize("visibility", ["all", "private"])
async def test_an_organisations_secret_for_all_stays_one(estate: Estate, visibility: str) -> None:
    one, made = furnish(estate, organisation="contoso", visibility=visibility)
    await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert (made.visibility, estate.arrivals("ListGitHubRepositories")) == (visibility, 0)


async def test_a_list_of_repositories_that_changes_while_it_is_read_takes_nobody_the_secret(estate: Estate) -> None:
    one, made = furnish(estate, organisation="contoso", visibility="selected", repositories=list(range(1, 151)))
    estate.azure.meanwhile("ListGitHubRepositories", lambda: made.repositories.pop(0))
    with pytest.raises(Transient, match="changed while it was read"):
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert (len(made.repositories), estate.arrivals("PutGitHubSecret")) == (149, 0)


async def test_a_secret_that_is_not_there_is_not_made(estate: Estate) -> None:
    furnish(estate, repository="contoso/chat")
    one = dependent(KIND, secret="OPENAI_KEI", token="env:GITHUB_TOKEN", api=estate.azure.url("github_secrets"), repository="contoso/chat")
    new = estate.publish("a new value")
    found = await estate.look(one, new)
    assert (found.adoption, "Secrets: write" in found.because) == (Adoption.UNSEEN, True)
    with pytest.raises(Missing):
        await estate.kind(KIND).deliver(one, new)
    assert estate.arrivals("PutGitHubSecret") == 0


@pytest.mark.parametrize(
    ("place", "permission"),
    [
        ({"repository": "contoso/chat"}, "Secrets: write"),
        ({"repository": "contoso/chat", "app": "dependabot"}, "Dependabot secrets: write"),
        ({"repository": "contoso/chat", "environment": "prod"}, "Environments: write"),
        ({"organisation": "contoso"}, "Organization secrets: write"),
    ],
)
async def test_each_scope_asks_for_a_permission_of_its_own(estate: Estate, place: dict[str, str], permission: str) -> None:
    one, made = furnish(estate, **place)
    estate.azure.elsewhere.github.denied.add(made.id.removeprefix("github:").rpartition("/")[0])
    with pytest.raises(Denied) as refused:
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert refused.value.remedy == f"grant {permission}"


async def test_a_key_pair_that_was_changed_meanwhile_is_refused_and_not_believed(estate: Estate) -> None:
    one, made = furnish(estate, repository="contoso/chat")
    scope = estate.azure.elsewhere.github.scopes["/repos/contoso/chat/actions"]
    estate.azure.meanwhile("GetGitHubKey", lambda: setattr(scope, "key_id", "another"))
    with pytest.raises(Rejected, match="422"):
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert made.value == "an old value"


async def test_a_limit_is_waited_for_as_long_as_github_says(estate: Estate) -> None:
    one, _ = furnish(estate, repository="contoso/chat")
    estate.azure.fault("PutGitHubSecret", "429:77")
    with pytest.raises(Throttled) as refused:
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert "429" in refused.value.what


async def test_a_key_is_never_sent_in_the_clear(estate: Estate) -> None:
    one = dependent(KIND, secret="OPENAI_KEY", token="env:GITHUB_TOKEN", api="https://127.0.0.1:1", repository="contoso/chat")
    plain = dependent(KIND, secret="OPENAI_KEY", token="env:GITHUB_TOKEN", api="https://127.0.0.1:1", repository="contoso/chat")
    plain.parameters["api"] = "http://127.0.0.1:1"  # type: ignore[index]
    new = estate.publish("a new value")
    with pytest.raises(Rejected, match="not https"):
        await estate.kind(KIND).deliver(plain, new)
    with pytest.raises(Transient, match="no connection"):
        await estate.kind(KIND).deliver(one, new)
