"""`rotator waves`: how scheduled rotations go out; to stop them, and to go on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.session import Common, Exit, common_options, fail, in_ledger, me
from rotator.cli.show import print_json, print_table, rfc3339
from rotator.core.wave import Wave, resume, stop
from rotator.engine.gate import change_wave, wave_now

if TYPE_CHECKING:
    from rotator.ledger.store import Ledger


@click.group("waves", short_help="How scheduled rotations go out; stop and resume them.")
def command() -> None:
    """Scheduled rotations go out in waves: a canary first, then a share of the fleet at a time. A revocation never waits for one."""


@command.command("show")
@common_options
def show(common: Common) -> None:
    """The wave that is out now: how far it is, what failed, who stopped it and why.

    \b
    Example:
      rotator waves show
    """

    async def errand(ledger: "Ledger") -> Exit:
        _print(await wave_now(ledger.waves), common)
        return Exit.DONE

    in_ledger(common, errand)


@command.command("stop")
@click.option("--reason", required=True, help="Why, for whoever finds it stopped.")
@click.option("--by", default=None, help="Who; by default you.")
@common_options
def stop_(reason: str, by: str | None, common: Common) -> None:
    """Let no scheduled rotation start until somebody resumes. What is published goes on; a revocation for compromise never waits.

    \b
    Example:
      rotator waves stop --reason "release weekend"
    """
    _change(common, lambda wave, now: stop(wave, by=by or me(), because=reason, now=now))


@command.command("resume")
@click.option("--by", default=None, help="Who; by default you.")
@common_options
def resume_(by: str | None, common: Common) -> None:
    """Go on, with a canary first. What failed before is tried again and not counted again.

    \b
    Example:
      rotator waves resume
    """
    _change(common, lambda wave, now: resume(wave, by=by or me(), now=now))


def _change(common: Common, change: Callable[[Wave | None, Any], Wave]) -> None:
    async def errand(ledger: "Ledger") -> Exit:
        def changed(wave: Wave | None) -> tuple[Wave, Wave]:
            new = change(wave, ledger.database.now())
            return new, new

        wave = await change_wave(ledger.waves, changed)
        if not wave.note:
            fail(Exit.NOTHING_MATCHED, "Nothing to change: " + (_stopped(wave) or "the waves are not stopped."))
        _print(wave, common)
        return Exit.DONE

    in_ledger(common, errand)


def _print(wave: Wave | None, common: Common) -> None:
    if common.json:
        print_json(_plain(wave) if wave else None)
        return
    if wave is None or not wave.size:
        click.echo(_stopped(wave) if wave and wave.stop else "No wave is out.")
        return
    kind = "canary" if wave.canary else "share"
    columns = ("wave", "kind", "size", "started", "through", "under way", "failed")
    counts = (wave.number, kind, wave.size, wave.started, wave.through, len(wave.members), ", ".join(wave.failed) or "–")
    print_table("the wave that is out", columns, [tuple(str(count) for count in counts)])
    if wave.stop:
        click.echo(_stopped(wave))


def _stopped(wave: Wave) -> str:
    if wave.stop is None:
        return ""
    return f"Stopped by {wave.stop.by} at {rfc3339(wave.stop.at)}: {wave.stop.because}. To go on: rotator waves resume"


def _plain(wave: Wave) -> dict[str, Any]:
    return {
        "number": wave.number,
        "kind": "canary" if wave.canary else "share",
        "size": wave.size,
        "started": wave.started,
        "through": wave.through,
        "under_way": [member.credential for member in wave.members],
        "failed": list(wave.failed),
        "opened_at": rfc3339(wave.opened_at),
        "stopped": {"by": wave.stop.by, "at": rfc3339(wave.stop.at), "because": wave.stop.because} if wave.stop else None,
    }
