"""`rotator drill`: leak a decoy's key on purpose, and measure from the alert to the proof that it is dead.

Only a credential that the settings call a decoy can be drilled: its key dies like any leaked one, and nobody uses it. The alert goes in by
the same door as a real one, correctly signed; the key's hash is in it, and never the key.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.duration import DURATION
from rotator.cli.session import Common, Exit, common_options, fail, in_house, read_settings
from rotator.cli.show import print_json, print_table, rfc3339
from rotator.core.legible import lasted, span
from rotator.telemetry import logged

if TYPE_CHECKING:
    from rotator.core.credential import Credential
    from rotator.core.incident import Incident
    from rotator.core.sealed import Sealed
    from rotator.wiring import House

DOOR = "/alerts/signed"
LOOKS_EVERY_S = 0.2
ANSWERS_WITHIN_S = 15
APPEARS_WITHIN = timedelta(minutes=2)
"""How long an alert that was taken may be nowhere in this ledger before it is said that the daemon keeps another one."""
NOTE = "rotator drill: leaked on purpose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage, and when it was reached; `at` is None for one that was not."""

    name: str
    at: datetime | None


@click.command("drill", short_help="Leak a decoy's key on purpose, and measure alert to dead.")
@click.argument("name")
@click.option("--server", metavar="URL", help="Where the daemon listens; by default as `web:` of the settings says.")
@click.option("--local", is_flag=True, help="Without a daemon: take the alert and act on it here.")
@click.option("--within", type=DURATION, default="60s", show_default=True, help="The goal; missed, the exit code is 1.")
@click.option("--timeout", type=DURATION, default="10m", show_default=True, help="How long it is followed.")
@common_options
def command(name: str, server: str | None, local: bool, within: timedelta, timeout: timedelta, common: Common) -> None:
    """Leak the key of a decoy on purpose: post a signed alert with its hash to the running daemon, and follow the case until the key is
    proven dead. Says how long each stage took, against a goal.

    A decoy is an account that nobody uses, kept like the others and marked `decoy: true` in the settings.

    \b
    Examples:
      rotator drill decoy
      rotator drill decoy --within 30s --output json
      rotator drill decoy --local
    """
    settings = read_settings(common)
    known = {one.name: one for one in settings.credentials}
    if name not in known:
        decoys = ", ".join(sorted(one.name for one in settings.credentials if one.decoy)) or "none is marked decoy: true"
        fail(Exit.NOTHING_MATCHED, f"No credential is named {name!r}. Decoys: {decoys}.")
    if not known[name].decoy:
        fail(Exit.REFUSED, f"{name} is no decoy: a drill kills its key. Mark an account that nobody uses with decoy: true, and drill that.")
    if settings.alerts.signed is None and not local:
        fail(Exit.USAGE, "The settings have no alerts.signed, so the daemon has no door for it. Write its secret there, or say --local.")
    if local and server:
        fail(Exit.USAGE, "--local needs no --server.")

    async def errand(house: "House") -> Exit:
        credential, value = await _leaked(house, name)
        posted = house.world.clock.now()
        if local:
            await _taken_here(house, credential, value)
        else:
            await _post(house, server or f"http://{_host(settings.web.host)}:{settings.web.port}", value)
        taken = house.world.clock.now()
        case = await _followed(house, credential, value, posted + max(timeout, within), local=local)
        stages = await _stages(house, credential, value, case, posted, taken)
        return _told(name, case, stages, within, common)

    in_house(common, errand, logged)


def _host(host: str) -> str:
    """What listens everywhere is asked here."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


async def _leaked(house: "House", name: str) -> "tuple[Credential, Sealed]":
    """The decoy's active key: what its secret gives out, if that is a live key of its account."""
    from rotator.engine.observe import current_of

    credential = house.credentials[name]
    keys = await house.world.issuer.keys(credential.account)
    _, given = current_of(credential, await house.world.vault.look(credential.secret))
    if given is None or given not in keys.values():
        fail(Exit.FAILED, f"{name}: the secret gives out no live key of its account, so there is none to leak. See: rotator plan {name}")
    return credential, given


# --- the alert ---------------------------------------------------------------------------------------------------------------


def _body(value: "Sealed") -> bytes:
    said = {"sha256": value.sha256(), "source": "drill", "note": NOTE}
    return json.dumps({"type": "key.leaked", "timestamp": datetime.now(UTC).isoformat(), "data": said}).encode()


def _signed(body: bytes, secret: str) -> dict[str, str]:
    """As Standard Webhooks signs."""
    from rotator.alerts.signed import ID, SIGNATURE, TIMESTAMP, key_bytes

    identity, at = f"drill-{secrets.token_hex(8)}", str(int(time.time()))
    mac = hmac.new(key_bytes(secret), f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()
    return {ID: identity, TIMESTAMP: at, SIGNATURE: f"v1,{base64.b64encode(mac).decode()}", "content-type": "application/json"}


async def _post(house: "House", base: str, value: "Sealed") -> None:
    import aiohttp

    signed, body = house.settings.alerts.signed, _body(value)
    assert signed is not None
    assert signed.secret is not None
    headers = _signed(body, (await house.tools.secret(signed.secret)).reveal())
    timeout = aiohttp.ClientTimeout(total=ANSWERS_WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{base.rstrip('/')}{DOOR}", data=body, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        fail(
            Exit.FAILED, f"No daemon takes alerts at {base} ({type(error).__name__}). Start it: rotator serve; or say --server, or --local."
        )
    if status != 202:
        remedy = " Does it run with these settings?" if status in (401, 404) else ""
        fail(Exit.FAILED, f"{base} answers {status} to a signed alert: it was not taken.{remedy}")


async def _taken_here(house: "House", credential: "Credential", value: "Sealed") -> None:
    """The same words, taken by the same rooms that the daemon takes them with, under the same rails."""
    from rotator.alerts.delivery import Delivery, Hash, Leak, Origin
    from rotator.alerts.said import arrival_of
    from rotator.daemon.fleet import Fleet
    from rotator.daemon.reception import Reception

    now, identity = house.world.clock.now(), f"drill-{secrets.token_hex(8)}"
    await house.world.journal.index(credential.name, credential.account, await house.world.issuer.keys(credential.account))
    origin = Origin(source="signed", id=identity, reported_at=now, happened_at=now, url="", note=NOTE)
    record = Leak(origin=origin, clues=(Hash(kind="sha256", value=value.sha256()),), kind="key.leaked")
    digest = hashlib.sha256(_body(value)).hexdigest()
    delivery = Delivery(source="signed", delivery_id=identity, body_sha256=digest, records=(record,))
    fleet = Fleet(house.credentials, house.settings.limits, house.world)

    async def who_we_are() -> str:
        return ""

    await Reception(fleet, house.ledger.inbox, house.settings.alerts.policy, who_we_are).store([arrival_of(delivery)])


# --- the case ----------------------------------------------------------------------------------------------------------------


async def _followed(house: "House", credential: "Credential", value: "Sealed", until: datetime, *, local: bool) -> "Incident":
    """The case, as it stands when the value is proven dead, when it waits for a person, or when nobody waits any longer."""
    from rotator.core.incident import State

    clock, began, acted = house.world.clock, house.world.clock.now(), False
    while True:
        case = next((one for one in await house.ledger.cases.of(credential.name) if one.fingerprint == value.fingerprint), None)
        if case is None and clock.now() > began + APPEARS_WITHIN:
            fail(Exit.FAILED, "The alert was taken and is not in this ledger: the daemon at that address keeps another one.")
        if case is not None and (case.state in (State.DEAD, State.CLOSED, State.HELD, State.DISMISSED) or clock.now() >= until):
            return case
        if case is not None and local and not acted:
            acted = True
            await _act(house, credential, value, until)
            continue
        await clock.sleep(timedelta(seconds=LOOKS_EVERY_S))


async def _act(house: "House", credential: "Credential", value: "Sealed", until: datetime) -> None:
    from rotator.cli.rotate import claim, walk
    from rotator.engine.ports import HeldBy
    from rotator.engine.stay import Stay

    lease = await claim(house, credential.name, until - house.world.clock.now())
    if isinstance(lease, HeldBy):
        fail(Exit.FAILED, f"{lease.owner} acts on {credential.name}: a daemon serves this ledger. Leave --local away.")
    await walk(house, credential, lease, until, known=[value], stay=Stay.DEAD)


async def _stages(
    house: "House", credential: "Credential", value: "Sealed", case: "Incident", posted: datetime, taken: datetime
) -> list[Stage]:
    memory, _ = await house.ledger.journal.recall(credential.name)
    key = memory.of(value.fingerprint)
    events = house.ledger.audit.events(credential.name)  # by our own clock: the vault's times are whole seconds
    published = [one.at async for one in events if one.event == "outcome" and one.fields.get("result") == "published" and one.at >= posted]
    return [
        Stage(name="alert posted", at=posted),
        Stage(name="case opened", at=case.reported_at),
        Stage(name="alert taken", at=taken),
        Stage(name="replacement published", at=min(published, default=None)),
        Stage(name="revoked", at=key.replaced_at),
        Stage(name="first 401", at=key.first_401_at),
        Stage(name="proven dead", at=key.dead_at),
    ]


def _told(name: str, case: "Incident", stages: Sequence[Stage], within: timedelta, common: Common) -> Exit:
    from rotator.core.incident import State

    posted, dead = stages[0].at, stages[-1].at
    took = dead - posted if dead and posted else None
    met = took is not None and took <= within
    outcome = "held" if case.state is State.HELD else "dead" if took is not None else "not dead"
    if common.json:
        print_json(
            {
                "name": name,
                "incident": case.id,
                "fingerprint": case.fingerprint,
                "outcome": outcome,
                "goal_seconds": within.total_seconds(),
                "seconds": round(took.total_seconds(), 3) if took is not None else None,
                "met": met,
                "stages": [_row(stage, posted) for stage in stages],
            }
        )
    else:
        rows = [(stage.name, rfc3339(stage.at) or "–", _after(stage, posted)) for stage in sorted(stages, key=_when)]
        print_table(f"{name}: {case.id}, {case.mode}", ("stage", "at (UTC)", "after"), rows)
        said = f"dead {span(took)} after the alert" if took is not None else f"NOT dead: {case.id} is {case.state}"
        click.echo(f"{said}; the goal of {span(within)} is {'met' if met else 'MISSED'}.")
    if case.state is State.HELD:
        fail(Exit.REFUSED, f"{case.id} is held: {case.held_because}. A person: rotator incidents approve {case.id}")
    return Exit.DONE if met else Exit.FAILED


def _when(stage: Stage) -> datetime:
    return stage.at or datetime.max.replace(tzinfo=UTC)


def _row(stage: Stage, posted: datetime | None) -> Mapping[str, Any]:
    seconds = round((stage.at - posted).total_seconds(), 3) if stage.at and posted else None
    return {"stage": stage.name, "at": rfc3339(stage.at), "after_seconds": seconds}


def _after(stage: Stage, posted: datetime | None) -> str:
    return lasted(stage.at - posted) if stage.at and posted else "–"
