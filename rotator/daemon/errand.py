"""One run of one claimed row: a light look at a credential that rests, a whole walk along the corridor for everything else.

A row that rests is looked at lightly until a whole look is due; one whose cadence has come and that the wave holds is not looked at for
that. How a run ends decides when the next one is, and tells the wave.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from rotator.core.credential import Credential
from rotator.core.faults import LeaseLost
from rotator.core.policy import due_at, starts_at
from rotator.core.retry import rest
from rotator.core.snapshot import AccountView, SecretView
from rotator.core.step import Decision, Do, Quiet, Wait
from rotator.core.wave import Wave, WaveResult, asks_again, enter, result_of, room
from rotator.daemon.fleet import Fleet
from rotator.daemon.overdue import Overdue
from rotator.daemon.rows import Ending, GiveBack, HandBack, Rows
from rotator.engine.drift import Dim, Odd, Still, light_look
from rotator.engine.gate import WaveKeeper, tell_wave, wave_now
from rotator.engine.reconcile import Run, reconcile
from rotator.ledger.work import OPERATOR, Claimed

PARKED = timedelta(days=1)
"""How long the row of a credential that is in no settings any more rests."""
SOONEST_ASK = 0.95


class Errands:
    """What is remembered here between two runs (an account as it was seen, troubles in a row, who is held) is lost without harm."""

    def __init__(
        self,
        fleet: Fleet,
        rows: Rows,
        waves: WaveKeeper,
        overdue: Overdue,
        stopping: Callable[[], bool],
        chance: random.Random | None = None,
    ) -> None:
        self._fleet, self._rows, self._waves, self._overdue, self._stopping = fleet, rows, waves, overdue, stopping
        self._chance = chance or random.Random()
        self._accounts: dict[str, AccountView] = {}
        self._asked: dict[str, datetime] = {}
        self._troubles: dict[str, int] = {}
        self._held: dict[str, datetime] = {}

    async def run(self, claimed: Claimed) -> Ending:
        """Act on the credential, and say when it is due next."""
        name = claimed.lease.credential
        credential = self._fleet.credentials.get(name)
        if credential is None:
            self._forget(name)
            return GiveBack(again=self._now() + PARKED, looked=False)
        return await self._resting(claimed, credential) or await self._walk(claimed, credential)

    async def _resting(self, claimed: Claimed, credential: Credential) -> Ending | None:
        """How a row that rests ends without a whole look; None where one is due."""
        rests, now, limits = claimed.rests_until, self._now(), self._fleet.limits
        if rests is None or claimed.priority >= OPERATOR or not _is_within(limits.look_every, claimed.looked_at, now):
            return None
        held = now >= rests and await self._is_held(credential.name, rests, now)
        if now >= rests and not held:
            return None
        asked = self._asked.get(credential.name, claimed.looked_at)
        if not _is_within(limits.ask_every * SOONEST_ASK, asked, now) and not await self._is_still(credential):
            return None
        again = now + asks_again(self._fleet.size) if held else min(rests, self._next_ask(now))
        return GiveBack(again=again, rests_until=rests, looked=False)

    async def _is_still(self, credential: Credential) -> bool:
        """A light look: False where something is odd. What cannot be seen waits."""
        world, name = self._fleet.world, credential.name
        sight = await light_look(credential, world, self._accounts.get(name))
        self._asked[name] = self._now()
        match sight:
            case Still(account=account):
                self._accounts[name] = account
                world.watch("asked", credential=name, outcome="as it was left")
            case Dim(because=because, account=account):
                if account:
                    self._accounts[name] = account
                world.watch("asked", credential=name, outcome="not seen", because=because)
            case Odd(because=because):
                world.watch("drifted", credential=name, because=because)
                return False
        return True

    async def _walk(self, claimed: Claimed, credential: Credential) -> Ending:
        world, name = self._fleet.world, credential.name
        try:
            run = await reconcile(credential, world, claimed.lease, chance=self._chance, stopping=self._stopping)
        except LeaseLost:
            raise
        except Exception:
            await self._tell_wave(name, WaveResult.TROUBLED)
            raise
        self._remember(run)
        self._tell(run)
        if isinstance(run.decision, Do) or (self._stopping() and isinstance(run.decision, Wait) and run.decision.until <= self._now()):
            return HandBack()
        await self._tell_wave(name, result_of(run.decision, run.look.snapshot.dependents))
        return self._ending(run, run.decision)

    def _ending(self, run: Run, decision: Wait | Quiet) -> Ending:
        name, now, since = run.credential.name, self._now(), _active_since(run)
        if isinstance(decision, Quiet):
            self._troubles.pop(name, None)
            rests = now + self._fleet.limits.look_every if decision.phase == "local_auth_off" else decision.until
            return GiveBack(again=min(rests, self._next_ask(now)), rests_until=rests)
        if decision.phase == "wave" and since:
            rests = starts_at(run.credential.policy, since)
            self._held[name] = rests
            return GiveBack(again=now + asks_again(self._fleet.size), rests_until=min(rests, now))
        if any(case.is_open for case in run.incidents):
            self._troubles.pop(name, None)
            return HandBack(after=max(decision.until - now, timedelta(0)))  # an emergency keeps its place before everyone else
        latest = now + self._fleet.limits.look_every
        if not (decision.failed or decision.refused or decision.hopeless or decision.tell):
            self._troubles.pop(name, None)
            return GiveBack(again=min(decision.until, latest))
        troubles = self._troubles[name] = self._troubles.get(name, 0) + 1
        patience = rest(troubles, self._chance, hopeless=decision.refused or decision.hopeless)
        return GiveBack(again=min(max(decision.until, now + patience), latest))

    # --- waves ------------------------------------------------------------------------------------------------------------

    async def _is_held(self, name: str, rests: datetime, now: datetime) -> bool:
        """Whether the wave would let it start now: asked before anything is asked of Azure."""
        wave = await wave_now(self._waves)
        limits, size = self._fleet.limits.wave.limits(), self._fleet.size
        held = wave is not None and enter(wave, name, limits=limits, fleet=size, now=now)[1] is not None
        if held:
            self._held[name] = rests
        return held

    async def _tell_wave(self, name: str, result: WaveResult) -> None:
        """What a run says of a rotation that the wave let out; who is held is woken where there is room now."""
        self._held.pop(name, None)
        wave = await tell_wave(self._waves, name, result, self._now())
        if wave:
            await self._let_out(wave)

    async def _let_out(self, wave: Wave) -> None:
        """Wake as many of those that are held as there is room for now, what has waited longest first."""
        free = room(wave, self._fleet.limits.wave.limits(), self._fleet.size, self._now())
        for name in sorted(self._held, key=lambda name: self._held[name])[:free]:
            del self._held[name]
            await self._rows.wake(name)

    # --- what is remembered -----------------------------------------------------------------------------------------------

    def _remember(self, run: Run) -> None:
        name, account, since = run.credential.name, run.look.snapshot.account, _active_since(run)
        self._asked[name] = self._now()
        if isinstance(account, AccountView):
            self._accounts[name] = account
        if since:
            self._overdue.note(name, due_at(run.credential.policy, since))

    def _tell(self, run: Run) -> None:
        """How the run ended, for whoever counts."""
        seen = [{"kind": one.kind, "adoption": one.adoption.value} for one in run.look.snapshot.dependents]
        about = {"outcome": _outcome(run.decision), "reason": run.reason, "steps": len(run.steps), "dependents": seen}
        self._fleet.world.watch("run", credential=run.credential.name, **about)

    def _forget(self, name: str) -> None:
        for memory in (self._accounts, self._asked, self._troubles, self._held):
            memory.pop(name, None)
        self._overdue.forget(name)

    def _next_ask(self, now: datetime) -> datetime:
        """Not all of a fleet at once, and no seldomer than is stated."""
        return now + self._fleet.limits.ask_every * self._chance.uniform(SOONEST_ASK, 1)

    def _now(self) -> datetime:
        return self._fleet.world.clock.now()


def _outcome(decision: Decision) -> str:
    match decision:
        case Quiet():
            return "done"
        case Wait(failed=True):
            return "failed"
        case Wait(refused=True):
            return "refused"
        case Wait(phase="unseen"):
            return "unseen"
        case _:
            return "under_way"


def _is_within(length: timedelta, since: datetime | None, now: datetime) -> bool:
    """Whether `since` is no longer ago than `length`; a time to come (of a clock that was set back since) is not believed."""
    return since is not None and timedelta(0) <= now - since < length


def _active_since(run: Run) -> datetime | None:
    secret = run.look.snapshot.secret
    return secret.active_since(run.credential.account) if isinstance(secret, SecretView) else None
