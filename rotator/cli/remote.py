"""`rotator revoke --server URL`: the same order, sent to the running daemon by somebody who cannot reach its ledger.

A key never leaves this machine: it is fingerprinted here. What is sent in the end are the fingerprints that the plan has shown, under one
id, so that an order whose answer was lost is sent again and is still one. The token comes from the environment alone.
"""

import asyncio
import ipaddress
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import click

from rotator.cli import report
from rotator.cli.pasted import Pasted
from rotator.cli.session import Exit, fail, me, sentence
from rotator.cli.show import print_table

if TYPE_CHECKING:
    import aiohttp

    from rotator.alerts.reports import Report
    from rotator.cli.foreseen import Wish
    from rotator.cli.session import Common

TOKEN = "ROTATOR_OPERATOR_TOKEN"  # noqa: S105  # the name of a variable
FINGERPRINTS_MAX = 1_000
ANSWER_BYTES_MAX = 16 * 1024 * 1024
ANSWERS_WITHIN_S = 90.0
"""A look at a whole fleet may take as long."""
ASKS_EVERY_S = 0.5
SENT_AT_MOST = 3
WHOLE = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for: names, or fingerprints that were made here; and where a scanner found each."""

    names: tuple[str, ...] = ()
    slot: str | None = None
    fingerprints: tuple[str, ...] = ()
    places: Mapping[str, Sequence[Mapping[str, str]]] | None = None


def revoke_at(server: str, asked: Asked, wish: "Wish", common: "Common") -> NoReturn:
    """Show what the daemon would do, ask, send it, and follow it to the end. Ends with the command's exit code."""
    base, token = _base(server), _token()
    if len(asked.fingerprints) > FINGERPRINTS_MAX:
        fail(Exit.USAGE, f"An order names at most {FINGERPRINTS_MAX} values, and this is about {len(asked.fingerprints)}. Split it.")

    async def errand() -> Exit:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=ANSWERS_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout, headers={"Authorization": f"Bearer {token}"}) as session:
            return await _revoke(Server(session, base), asked, wish, common)

    sentence(errand)


def asked_of(names: Sequence[str], slot: str | None, leaked: Sequence[Pasted], fingerprint: str | None, scanned: "Report | None") -> Asked:
    """The selector, as what may be sent: values become fingerprints here."""
    if names:
        return Asked(names=tuple(dict.fromkeys(names)), slot=slot)
    if fingerprint is not None:
        said = fingerprint.strip().lower().rstrip("…")
        if len(said) != WHOLE:
            fail(Exit.USAGE, f"To a server a fingerprint is said whole: its {WHOLE} letters, as `rotator status --output json` shows it.")
        return Asked(fingerprints=(said,))
    if scanned is None:
        return Asked(fingerprints=tuple(dict.fromkeys(value.fingerprint for line in leaked for value in line.values)))
    places: dict[str, list[Mapping[str, str]]] = {}
    for finding in scanned.findings:
        for value in finding.values:
            places.setdefault(value.fingerprint, []).append({"place": finding.place, "rule": finding.rule})
    if not places:
        fail(Exit.NOTHING_MATCHED, f"The report of {scanned.tool} holds no finding that could be a key.")
    return Asked(fingerprints=tuple(places), places=places)


def _base(server: str) -> str:
    """The address, without a way for the token to be read on the wire."""
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username or parts.password:
        fail(Exit.USAGE, "--server is the daemon's address: https://rotator.example.com")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        fail(
            Exit.USAGE,
            f"http to {parts.hostname} would show the token to whoever listens: use https (plain http goes to this machine alone).",
        )
    return server.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token() -> str:
    token = os.environ.get(TOKEN, "").strip()
    if not token or not token.isascii() or any(sign.isspace() for sign in token):
        fail(Exit.USAGE, f"Set {TOKEN} to the operator's token, or to an Entra token. It is never an argument.")
    return token


# --- the wire ---------------------------------------------------------------------------------------------------------------


class Away(Exception):
    """The daemon cannot be asked now; the text says why."""


class Server:
    """The daemon's two doors for orders."""

    def __init__(self, session: "aiohttp.ClientSession", base: str) -> None:
        self._session, self._base = session, base

    async def order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Sent again where no answer came: it has its id."""
        for _ in range(SENT_AT_MOST - 1):
            try:
                return await self._asked("POST", "/orders/revoke", body)
            except Away:
                await asyncio.sleep(ASKS_EVERY_S)
        return await self._asked("POST", "/orders/revoke", body)

    async def stands(self, identity: str) -> dict[str, Any]:
        return await self._asked("GET", f"/orders/{identity}", None)

    async def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        import aiohttp

        try:
            async with self._session.request(method, f"{self._base}{path}", json=body, allow_redirects=False) as answer:
                text = await answer.content.read(ANSWER_BYTES_MAX)
                while not answer.content.at_eof() and len(text) < ANSWER_BYTES_MAX:
                    text += await answer.content.read(ANSWER_BYTES_MAX - len(text))
                return self._read(answer.status, text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(f"{self._base} cannot be reached ({_why(error)}). Nothing is known to have been sent.") from error

    def _read(self, status: int, text: bytes) -> dict[str, Any]:
        import json

        try:
            said = json.loads(text)
        except ValueError:
            said = None
        told = said.get("error") if isinstance(said, dict) else None
        if status in (200, 202) and isinstance(said, dict) and isinstance(said.get("rows"), list):
            return said
        if status == 503:
            raise Away(f"{self._base}: {told or 'not ready'}.")
        return self._refused(status, str(told or ""))

    def _refused(self, status: int, told: str) -> NoReturn:
        if status == 401:
            fail(Exit.FAILED, f"{self._base} does not know this token (401): {told}. Is {TOKEN} the one of web.operator_token?")
        if status == 403:
            fail(Exit.FAILED, f"{self._base} refuses this token (403): {told}.")
        if status in (404, 405) and not told:
            fail(Exit.FAILED, f"{self._base} takes no orders: is it an older daemon, or something else that listens there?")
        if 300 <= status < 400:
            fail(Exit.FAILED, f"{self._base} sends elsewhere ({status}); the token is not taken there. Say the address itself.")
        fail(Exit.FAILED, f"{self._base} answers {status}: {told or 'and says nothing'}")


def _why(error: BaseException) -> str:
    return type(error).__name__


# --- plan, question, order ---------------------------------------------------------------------------------------------------


async def _revoke(server: Server, asked: Asked, wish: "Wish", common: "Common") -> Exit:
    from rotator.cli.rotate import print_rows

    order: dict[str, Any] = {"id": f"ord-{secrets.token_hex(8)}", "by": me(), "reason": wish.note, "mode": wish.mode}
    selector = {"names": list(asked.names), "slot": asked.slot} if asked.names else {"fingerprints": list(asked.fingerprints)}
    try:
        plan = (await server.order({**order, **selector, "dry_run": True}))["rows"]
    except Away as away:
        fail(Exit.FAILED, str(away))
    rows = _with_places(_ours(plan), asked)
    others = _strangers(plan, rows)
    for row in others:
        click.echo(f"{row['name'] or (row.get('fingerprint') or '')[:8] + '…'}: {row['because']}", err=True)
    if not rows or (wish.dry_run and common.json):
        print_rows([*others, *rows], common)
        return report.exit_code([*others, *rows])
    if not common.json:
        _show(rows)
    if wish.dry_run:
        click.echo("Nothing was changed (--dry-run).", err=True)
        return Exit.DONE
    _confirm(rows, wish)
    values = list(dict.fromkeys(value for row in rows for value in row["fingerprints"]))
    try:
        answer = await server.order({**order, "fingerprints": values})
    except Away as away:
        fail(Exit.FAILED, f"{away} The same command again is safe: one value has one case.")
    final = [*others, *_with_places(await _followed(server, answer, wish), asked)]
    print_rows(final, common)
    return report.exit_code(final)


def _ours(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["outcome"] == "planned"]


def _strangers(plan: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is none of ours; of many spellings of one pasted line those that are not the key are nobody's business."""
    others = [row for row in plan if row["outcome"] != "planned"]
    return [row for row in others if row["outcome"] != "not_ours" or row["name"] is not None] if rows else others


def _with_places(rows: Sequence[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    if asked.places is None:
        return list(rows)
    return [
        {**row, "findings": [place for value in row["fingerprints"] for place in asked.places.get(value, ())]}
        if "fingerprints" in row
        else row
        for row in rows
    ]


def _show(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        lines = [(str(number), str(one["step"]), str(one["slot"] or ""), str(one["because"])) for number, one in enumerate(row["steps"], 1)]
        print_table(f"{row['name']}: what will be done", ("#", "step", "slot", "because"), lines)
        places = [(place["place"] or "–", place["rule"] or "–") for place in row.get("findings", ())]
        if places:
            print_table(f"found at: {len(places)}", ("place", "rule"), places[:20])
        for told in row["impact"]:
            click.echo(f"  {told}")


def _confirm(rows: Sequence[dict[str, Any]], wish: "Wish") -> None:
    from rotator.cli.revoke import confirm

    confirm([row["name"] for row in rows], wish)


async def _followed(server: Server, answer: dict[str, Any], wish: "Wish") -> list[dict[str, Any]]:
    """How it stands, asked until it is at its end or nobody waits any longer. A daemon that is away for a moment is waited for."""
    end = time.monotonic() + (wish.limit.total_seconds() if wish.limit is not None else 0)
    told: dict[str, str] = {}
    while not answer["done"] and time.monotonic() < end:
        _tell(answer["rows"], told)
        await asyncio.sleep(ASKS_EVERY_S)
        try:
            answer = await server.stands(answer["id"])
        except Away as away:
            if told.get("") != str(away):
                told[""] = str(away)
                click.echo(f"{away} The order stands; asking again.", err=True)
    _tell(answer["rows"], told)
    return list(answer["rows"])


def _tell(rows: Sequence[dict[str, Any]], told: dict[str, str]) -> None:
    for row in rows:
        line = f"{row['name'] or '–':<16} {row['outcome']}: {row['because']}"
        if row["name"] and told.get(row["name"]) != line:
            told[row["name"]] = line
            click.echo(line, err=True)
