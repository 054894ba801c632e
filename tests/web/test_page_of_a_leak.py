"""From end to end: a key leaks on the loopback Azure, and the page shows its case go from open to dead, with the evidence and no key."""

import asyncio
import base64
import secrets
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from click.testing import CliRunner

from rotator.cli import main
from rotator.core.faults import Misconfigured
from rotator.settings import load
from rotator.settings.reading import SettingsError
from tests.web.conftest import Open
from tests.web.parsed import parsed, words
from tests.web.street import Street


def somebody(tmp_path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The operator's token, in the settings and as a browser sends it."""
    token = secrets.token_urlsafe(24)
    (tmp_path / "operator").write_text(token, encoding="utf-8")
    password = base64.b64encode(f"me:{token}".encode()).decode()
    return {"operator_token": f"file:{tmp_path / 'operator'}"}, {"Authorization": f"Basic {password}"}


async def looked(street: Street, path: str, headers: dict[str, str], port: int | None = None) -> str:
    async with street.session.get(f"http://127.0.0.1:{port or street.port}{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        text = await answer.text()
    assert not [key for key in street.azure.keys_ever if key.value in text], "a key on the page"
    return words(parsed(text))


async def test_a_leak_goes_from_open_to_dead_before_ones_eyes(open_street: Open, url: str, tmp_path: Path) -> None:
    web, me = somebody(tmp_path)
    async with open_street(url, living=False, web=web) as street:
        await street.known("chat-prod")
        assert (await street.post(street.senders.signed({"key": street.key()})))[0] == 202
        (case,) = await street.cases("chat-prod")
        open_one = await looked(street, "/", me)
        assert open_one.startswith("1 leaked key is being killed")
        assert f"{case.id} chat-prod open" in open_one
        assert "not proven dead yet" in open_one
        assert "Stable 401 Stable 401: not yet" in await looked(street, f"/incidents/{case.id}", me)
    async with open_street(url, web=web) as street:
        await street.until(lambda: street.rows("SELECT 1 FROM incidents WHERE state = 'closed'"), "end of the case")
        told = await looked(street, f"/incidents/{case.id}", me)
        assert "It is proven dead at" in told
        for word in ("reported", "revoke called", "revoked", "first 401", "dead", "closed", "#"):
            assert word in told, word
        assert "not yet" not in told
        over = await looked(street, "/", me)
        assert "Nothing waits for you" in over
        assert f"{case.id} chat-prod" in over
        history = await looked(street, "/credentials/chat-prod", me)
        assert "key compromise" in history
        assert "dead , proven" in history


async def test_with_a_port_of_its_own_for_metrics_the_page_is_where_senders_cannot_reach_it(
    open_street: Open, sqlite: str, tmp_path: Path
) -> None:
    web, me = somebody(tmp_path)
    async with open_street(sqlite, living=False, web={**web, "metrics_port": 0}) as street:
        (told,) = street.told("listening")
        assert told["page"]
        assert told["metrics_port"] != street.port
        assert "credentials" in await looked(street, "/", me, told["metrics_port"])
        for path in ("/", "/credentials/chat-prod", "/incidents/inc-1"):
            async with street.session.get(f"{street.base}{path}", headers=me) as answer:
                assert answer.status == 404


async def test_a_key_that_a_senders_note_quotes_in_base64_is_nowhere_in_ledger_or_page(open_street: Open, url: str, tmp_path: Path) -> None:
    web, me = somebody(tmp_path)
    async with open_street(url, living=False, web=web) as street:
        await street.known("chat-prod")
        key = street.key()
        forms = [base64.b64encode(key.encode()).decode(), base64.b64encode(f"KEY={key}".encode()).decode(), key.encode().hex()]
        body = {"key": key, "note": " ".join(("data:", *forms)), "url": f"https://x.example/?a=1&k={quote(forms[0])}"}
        assert (await street.post(street.senders.signed(body)))[0] == 202
        (case,) = await street.cases("chat-prod")
        tables = ("reports", "incidents", "audit", "deliveries")
        kept = str([await asyncio.to_thread(street.rows, f"SELECT * FROM {table}") for table in tables])
        shown = await looked(street, "/", me) + await looked(street, f"/incidents/{case.id}", me)
        for form in forms:
            for part in (form, form[:40], form[-40:], quote(form)):
                assert part not in kept
                assert part not in shown
        assert "x.example" not in kept, "a URL with a key in it is left out as a whole"


async def test_a_viewer_sees_the_page_and_gives_no_order(open_street: Open, sqlite: str, tmp_path: Path) -> None:
    web, me = somebody(tmp_path)
    viewer = {"viewer_token": web["operator_token"]}
    async with open_street(sqlite, living=False, web=viewer) as street:
        assert "credentials" in await looked(street, "/", me)
        token = (tmp_path / "operator").read_text(encoding="utf-8")
        order = {"id": f"ord-{'0' * 16}", "names": ["chat-prod"]}
        async with street.session.post(f"{street.base}/orders/revoke", json=order, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 404, "with a viewer alone, orders are taken from nobody"
    (tmp_path / "other").write_text(secrets.token_urlsafe(24), encoding="utf-8")
    both = {**viewer, "operator_token": f"file:{tmp_path / 'other'}"}
    as_viewer = {"Authorization": f"Bearer {token}"}
    async with (
        open_street(sqlite, living=False, web=both) as street,
        street.session.post(f"{street.base}/orders/revoke", json=order, headers=as_viewer) as answer,
    ):
        assert answer.status == 401
    (tmp_path / "same").write_text(token, encoding="utf-8")
    with pytest.raises(Misconfigured, match="who looks could order"):
        async with open_street(sqlite, living=False, web={**viewer, "operator_token": f"file:{tmp_path / 'same'}"}):
            pass


async def test_without_anyone_in_the_settings_there_is_no_page(doors: Street) -> None:
    assert not doors.told("listening")[0]["page"]
    async with doors.session.get(f"{doors.base}/") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("address", ["10.0.0.1/8", "x", "10.0.0.0/33", "", 10])
def test_a_proxy_that_is_no_address_is_refused_when_the_settings_are_read(tmp_path: Path, address: object) -> None:
    path = tmp_path / "rotator.yaml"
    path.write_text(yaml.safe_dump({"web": {"proxies": [address]}}), encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert "not a network's address" in str(refused.value.errors)


def test_networks_and_single_addresses_are_proxies(tmp_path: Path) -> None:
    path = tmp_path / "rotator.yaml"
    path.write_text(yaml.safe_dump({"web": {"proxies": ["10.0.0.0/8", "192.0.2.7", "fd00::/8"]}}), encoding="utf-8")
    assert load(path).web.proxies == ("10.0.0.0/8", "192.0.2.7/32", "fd00::/8")
    assert CliRunner().invoke(main, ["config", "check", "--config", str(path)]).exit_code == 0
