"""Anything at all at every door: taken, or refused with a sentence of ours that repeats nothing of it. Never another exception."""

import asyncio
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.alerts import NotTaken, Sender
from rotator.alerts.delivery import post_of
from rotator.alerts.ecdsa import PublicKey, public_key
from rotator.alerts.github_partner import GitHubPartner
from rotator.sandbox import Sandbox, azure_alerts
from rotator.sandbox.gitguardian import incident_json
from rotator.sandbox.github import alert_json
from tests.alerts.conftest import ACCOUNT, DOORS, current_key, legacy_key, silent, silent_doors

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
SECRETS = [current_key(), legacy_key()]
FORM = "application/x-www-form-urlencoded"
EVENTS = ("secret_scanning_alert", "secret_scanning_alert_location", "ping", "")


class AnyName:
    """GitHub's key, under whatever name it is asked for."""

    def __init__(self, azure: Sandbox) -> None:
        self._key = public_key("any", azure.state.leaks.partner_key_pem)

    async def key(self, _: str) -> PublicKey | None:
        return self._key


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sender]:
    azure = silent(tmp_path_factory.mktemp("fuzz"), 3)
    return {**silent_doors(azure).senders, "github-partner": GitHubPartner(AnyName(azure))}


def samples(place: Path) -> dict[str, list[Any]]:
    azure = Sandbox(place, seed=4)
    alert = azure.leak_on_github("example/chat", SECRETS[0])
    incident = azure.leak_to_gitguardian(SECRETS[0])
    data = {"key": SECRETS[0], "source": "x", "url": "https://x.example", "note": SECRETS[1]}
    expiry = azure_alerts.expiry_event("https://kv.vault.azure.net", "chat-key", "e-1", NOW)
    action = azure_alerts.action_event(ACCOUNT, "listKeys", "me", "e-2", NOW, cloud_events=True)
    shapes = ("workflow", "api", "activity-log", "action-group", "sentinel")
    return {
        "github": [{"action": "created", "alert": alert_json(alert), "repository": {"full_name": "example/chat"}}],
        "github-partner": [[{"token": SECRETS[0], "type": "azure_openai_key", "url": "https://x", "source": "content"}]],
        "gitguardian": [{"action": "new_occurrence", "incident": incident_json(incident)}],
        "vault-radar": [{"event_type": "X", "event_id": "e", "summary": SECRETS[0], "links": {"a": "https://x"}}],
        "signed": [{"type": "key.leaked", "timestamp": "2026-03-01T11:00:00Z", "data": data}],
        "event-grid": [[expiry, action], [azure_alerts.validation_event("code", NOW)]],
        "azure-monitor": [
            azure_alerts.common_activity(ACCOUNT, "listKeys", "me", "e", NOW),
            azure_alerts.legacy_activity(ACCOUNT, "listKeys", "me", "e", NOW),
            azure_alerts.common(ACCOUNT, "Metric", "Platform", {}, "e", NOW),
        ],
        "defender": [azure_alerts.defender_alert(shape, ACCOUNT, "AI.Azure_AccessAnomaly", "s", NOW) for shape in shapes],
    }


SAMPLES = samples(Path("unused"))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([*SECRETS, "\ud800", "[[", "{", '{"value": 1}', "9" * 400, f"x{SECRETS[0]}y", ACCOUNT, "a/b", "{...}"])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | st.just("value"), inner, max_size=4),
    max_leaves=12,
)


def places(tree: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [here, *(place for name, each in inner for place in places(each, (*here, name)))]


def changed(tree: Any, place: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """A copy with one thing in it changed, wherever it stands."""
    if not place:
        return tree
    tree = copy.deepcopy(tree)
    parent = tree
    for name in place[:-1]:
        parent = parent[name]
    change(parent, place[-1])
    return tree


@st.composite
def mutations(draw: st.DrawFn, door: str) -> Any:
    tree = draw(st.sampled_from(SAMPLES[door]))
    for _ in range(draw(st.integers(1, 3))):
        place, new = draw(st.sampled_from(places(tree))), draw(TREES)
        how = draw(st.sampled_from(["replace", "remove", "rename", "double"]))
        if how == "replace":
            tree = changed(tree, place, lambda parent, name, new=new: parent.__setitem__(name, new))  # type: ignore[misc]
        elif how == "remove":
            tree = changed(tree, place, lambda parent, name: parent.pop(name))
        elif how == "double":
            tree = changed(tree, place, lambda parent, name: parent.__setitem__(name, [parent[name]] * 2))
        elif place and isinstance(place[-1], str):
            tree = changed(tree, place, lambda parent, name: parent.__setitem__(f" {name.upper()} ", parent.pop(name)))
    return tree


def parsed(door: Sender, body: bytes, **headers: str) -> str:
    """What is to be seen of a delivery or a refusal: everything that could reach a log."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    try:
        return repr(door.parse(post_of(named, body, NOW)))
    except NotTaken as refused:
        if refused.status != 400 or refused.__cause__ is not None:
            raise
        return str(refused) + refused.sentence


@pytest.mark.parametrize("name", DOORS)
@QUICK
@given(draw=st.data())
def test_a_real_alert_with_something_wrong_in_it(doors: dict[str, Sender], name: str, draw: st.DataObject) -> None:
    body = json.dumps(draw.draw(mutations(name))).encode()
    event = draw.draw(st.sampled_from(EVENTS))
    seen = parsed(doors[name], body, x_github_event=event, x_github_delivery=SECRETS[1], webhook_id=SECRETS[0])
    assert not any(value in seen for value in SECRETS)


@pytest.mark.parametrize("name", DOORS)
@QUICK
@given(
    body=st.binary(max_size=100) | TREES.map(lambda tree: json.dumps(tree).encode()),
    kind=st.sampled_from(["", FORM]),
)
def test_anything_at_all(doors: dict[str, Sender], name: str, body: bytes, kind: str) -> None:
    seen = parsed(doors[name], body, x_github_event="secret_scanning_alert", content_type=kind)
    assert not any(value in seen for value in SECRETS)


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"[" * 500 + b"]" * 500,
        b"[" + b"0," * 400_000 + b"0]",
        b"9" * 1_000_000,
        b'{"' + b"a" * 900_000 + b'": 1}',
        b'"' + b"a" * 900_000 + b'"',
        b"",
        b"\x00",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b'{"alert": {"number": 1e999}, "incident": {"id": 1e999}}',
    ],
    ids=lambda body: f"{body[:6]!r} {len(body)}",
)
def test_deep_long_and_huge(doors: dict[str, Sender], name: str, body: bytes) -> None:
    parsed(doors[name], body, x_github_event="secret_scanning_alert")


HEADERS = (
    "x-hub-signature-256", "github-public-key-identifier", "github-public-key-signature", "gitguardian-signature", "timestamp",
    "x-hcp-radar-signature", "webhook-id", "webhook-timestamp", "webhook-signature", "authorization", "x-rotator-secret",
)  # fmt: skip
VALUES = st.text(max_size=40) | st.sampled_from([
    *SECRETS, "sha256=", "sha256=" + "a" * 64, "sha512=" + "0" * 128, "v1,AAAA", "v1,", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0..",
    "1614265330",
    "\ud800", "\udcff", "a" * 30_000, "nan", "-1", "1e400",
])  # fmt: skip


@pytest.mark.parametrize("name", DOORS)
@QUICK
@given(headers=st.dictionaries(st.sampled_from(HEADERS), VALUES), body=st.binary(max_size=50), code=st.text(max_size=10))
def test_no_header_opens_a_door(doors: dict[str, Sender], name: str, headers: dict[str, str], body: bytes, code: str) -> None:
    post = post_of(headers.items(), body, NOW, {"code": code})
    with pytest.raises(NotTaken) as refused:
        asyncio.run(doors[name].verify(post))
    assert refused.value.status == 401
    assert not any(value in str(refused.value) for value in SECRETS)
