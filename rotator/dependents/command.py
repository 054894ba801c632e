"""A command of your own that hands the key to whatever has no API.

The key goes on its standard input, and nowhere else: not in an argument, not in the environment, not in a file. The command starts
without a shell, in a process group of its own, with a minimal environment that says which version it is about; what it prints is read up
to a bound and never repeated. Exit 0 is Claimed; where its last word is the fingerprint of what now runs, Proven. `check` is a command
that asks only: it gets no key.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.core.credential import Dependent
from rotator.core.faults import Ambiguous, Denied, Rejected, Transient
from rotator.core.legible import span
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.told import Told
from rotator.dependents.tools import Tools
from rotator.dependents.views import at, claimed, filled, proven, short, stale
from rotator.engine.ports import Published

OUTPUT_BYTES_MAX = 64 * 1024
TEMPORARY_FAILURE = 75
"""EX_TEMPFAIL of sysexits.h: nothing happened, again soon."""
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")


def kind(tools: Tools) -> "Command":
    return Command(tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How a command ended. `said` is what it printed, up to the bound; it goes into no text."""

    code: int
    said: str


class Command:
    """Fulfils `Kind` for a command on this machine. `_ran` is what ran well in this process; of those before it the ledger knows."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._ran = Told()

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        said = dependent.parameters
        if said["check"]:
            ended = await self._run(said["check"], said["timeout"], dependent, published, None)
            if ended.code != 0:
                raise Transient(f"check of {dependent.name}: exit {ended.code}")
            running = _fingerprint(ended.said)
            seen = f"{short(running) if running else 'nothing'} at {at(datetime.now(UTC))}"
            if running == published.fingerprint:
                return proven(dependent, seen, running=running)
            return stale(dependent, seen, "its check prints another fingerprint" if running else "its check prints none", running=running)
        known = self._ran.of(_place(dependent, published)) or _ran_before(dependent, published)
        return known or stale(dependent, "", "its command has not run for this version, and there is no `check` to ask")

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        said = dependent.parameters
        if (await self.adoption(dependent, published)).adoption is not Adoption.STALE:
            return
        text = filled(published.value, said["format"], None).reveal().encode()
        ended = await self._run(said["command"], said["timeout"], dependent, published, text)
        if ended.code == TEMPORARY_FAILURE:
            raise Transient(f"command of {dependent.name}: exit {ended.code}")
        if ended.code != 0:
            remedy = "run it by hand with a made-up key; what it printed is not kept, because it may hold the key"
            raise Rejected(f"command of {dependent.name}: exit {ended.code}", remedy=remedy)
        running, seen = _fingerprint(ended.said), f"exit 0 at {at(datetime.now(UTC))}"
        if running == published.fingerprint:
            view = proven(dependent, f"{seen}, printed {short(running)}", running=running)
        elif running:
            view = stale(dependent, f"{seen}, printed {short(running)}", "it prints another fingerprint", running=running)
        else:
            view = claimed(dependent, seen, "its command ended well, and does not say what runs now")
        self._ran.remember(_place(dependent, published), view)

    async def _run(
        self, command: Sequence[str], limit: timedelta, dependent: Dependent, published: Published, stdin: bytes | None
    ) -> _Ended:
        process, ended = await self._start(command, dependent, published), None
        try:
            async with asyncio.timeout(limit.total_seconds()):
                said, _ = await asyncio.gather(_bounded(process), _hand_over(process, stdin))
                ended = _Ended(code=await process.wait(), said=said)
                return ended
        except TimeoutError as error:
            kind_ = Transient if stdin is None else Ambiguous
            raise kind_(f"command of {dependent.name}: not done within {span(limit)}, and ended") from error
        finally:
            if ended is None:
                await _end(process)

    async def _start(self, command: Sequence[str], dependent: Dependent, published: Published) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._tools.directory,
                env=_environment(published),
                start_new_session=True,
            )
        except PermissionError as error:
            raise Denied(f"command of {dependent.name}: may not be run", remedy=f"grant execute on {command[0]} to rotator") from error
        except (OSError, ValueError) as error:
            raise Rejected(f"command of {dependent.name}: cannot be started", remedy=f"is {command[0]} there?") from error


def _environment(published: Published) -> Mapping[str, str]:
    """What a program needs to start, and which version this is about. Nothing else of ours: a token of rotator may stand there."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    about = {"ROTATOR_SECRET": str(published.secret), "ROTATOR_VERSION": published.version, "ROTATOR_FINGERPRINT": published.fingerprint}
    return {**kept, **about}


async def _hand_over(process: asyncio.subprocess.Process, stdin: bytes | None) -> None:
    """The key, and the end of it. Whether a command that closes its input early did well, its exit code says."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if stdin is not None:
            process.stdin.write(stdin)
            await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _bounded(process: asyncio.subprocess.Process) -> str:
    """What it prints, up to the bound; the rest is read and thrown away, so that it can go on printing."""
    assert process.stdout is not None
    said = bytearray()
    while part := await process.stdout.read(8192):
        said += part[: OUTPUT_BYTES_MAX - len(said)]
    return said.decode("utf-8", "replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Not done in time, or not wanted any more: it and whatever it started are gone when this returns."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        await process.wait()


def _fingerprint(said: str) -> Fingerprint | None:
    """The last word of the last line, where it has the form of a fingerprint."""
    words = said.split()
    last = words[-1] if words else ""
    formed = len(last) == 26 and all(letter in "abcdefghijklmnopqrstuvwxyz234567" for letter in last)
    return Fingerprint(last) if formed else None


def _ran_before(dependent: Dependent, published: Published) -> DependentView | None:
    """What the ledger remembers of another process: it ended well then."""
    if published.delivered_at is None:
        return None
    return claimed(dependent, f"ran at {at(published.delivered_at)}", "its command ended well, and does not say what runs now")


def _place(dependent: Dependent, published: Published) -> tuple[tuple[str, ...], str, str]:
    said: Mapping[str, Any] = dependent.parameters
    return tuple(said["command"]), dependent.name, published.version
