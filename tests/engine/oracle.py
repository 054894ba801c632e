"""What must never happen, asked at every effect by somebody who knows the truth; and what must be so in the end.

An act of a person (or a report) between a worker's look and its effect excuses what that effect does to it, and only where it really
happened in between: every look carries the number of the last act that it can know of.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rotator.core.credential import TAG_ACCOUNT, TAG_FINGERPRINT, TAG_OPERATION, TAG_REASON, TAG_RETIRED, Reason, Slot
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode, Unprovable
from rotator.core.sealed import Fingerprint, fingerprint
from rotator.core.snapshot import Adoption, DependentView, KeyMemory
from rotator.core.stale import STALE_LOOK_BELIEVED_AFTER
from rotator.core.step import Do, Mint, Propagate, Revoke, fingerprint_of, slot_of
from rotator.engine.ports import Edition, Verdict

if TYPE_CHECKING:
    from tests.engine.memory_ledger import MemoryLedger
    from tests.engine.world import Entry, Key, MemoryWorld

SKEW_MAX = timedelta(seconds=3)
"""How far a worker's clock may be off the truth, either way."""

TAGS_MAX = 15
"""So many a version may have. Those of others survive, and only where there is no room do ours give way."""

LATE_MAX = timedelta(seconds=15)
"""How long after its deadline a leaked value may live while Azure permits to kill it: a look with its patience, the call, a retry."""

EFFECTS_PER_HOUR_MAX = 400
"""No run may spin. Deliveries to a dependent that does not move are the most frequent effect."""

ADOPTIONS_MAX = 3
"""How often a version that says everything already may be tagged again: an answer that was lost, an effect that came late."""


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True)
class Report:
    """One value that somebody reported: when it must be dead."""

    value: Fingerprint
    mode: Mode
    act: int
    due: datetime
    forgotten: bool = False


@dataclass(slots=True)
class Knowledge:
    """What one worker can know, and what it is about to do."""

    keys_as_of: int = 0
    vault_as_of: int = 0
    old_vault: bool = False
    old_keys: bool = False
    cases_as_of: int = 0
    views: dict[str, DependentView] = field(default_factory=dict)
    allowance: int = 0
    busy: bool = False
    operation: str = ""
    do: Do | None = None
    calls: int = 0
    meant: dict[str, str] = field(default_factory=dict)
    cleared: dict[str, str] = field(default_factory=dict)

    @property
    def as_of(self) -> int:
        return min(self.keys_as_of, self.vault_as_of, self.cases_as_of)


class Oracle:
    """One world's judge. A violation is kept and raised: a task that swallows it does not hide it."""

    def __init__(self, world: "MemoryWorld") -> None:
        self.world = world
        self.violations: list[str] = []
        self.known: dict[str, Knowledge] = {}
        self.last_act = 0
        self.reports: dict[Fingerprint, Report] = {}
        self.accepted: set[str] = set()
        self.given_out: set[str] = set()
        self.ordered_back: set[str] = set()
        self.chains: list[MemoryLedger] = []
        self.obstructed_until = world.now()
        self.effects: list[tuple[datetime, str]] = []
        self.counts: Counter[str] = Counter()
        self.adoptions: Counter[str] = Counter()
        self.mints_wasted, self.mints_excused = 0, 0

    def violated(self, invariant: int | str, what: str) -> None:
        told = f"invariant {invariant}: {what}"
        self.violations.append(told)
        self.world.say("ORACLE", f"*** {told}")
        raise Violation(told)

    def of(self, worker: str) -> Knowledge:
        return self.known.setdefault(worker, Knowledge())

    # --- what happens beside the workers

    def outside_act(self, what: str) -> None:
        self.last_act = self.world.act
        self.world.say("person", what)

    def filed(self, case: Incident) -> None:
        now, key = self.world.now(), self.world.key_of(case.fingerprint)
        known = self.reports.get(case.fingerprint)
        due = now if case.cuts else max(case.deadline, now)
        if known and not known.forgotten and key and key.replaced is None:
            due = min(due, known.due)
        self.reports[case.fingerprint] = Report(value=case.fingerprint, mode=case.mode, act=self.world.act, due=due)

    def ledger_emptied(self) -> None:
        self.last_act = self.world.act
        told = [entry for entry in self.world.entries if entry.tags.get(TAG_FINGERPRINT) == fingerprint(self._inside(entry))]
        self.given_out = {self._inside(entry) for entry in told}
        for report in self.reports.values():
            report.forgotten = True

    def purged(self) -> None:
        """With the versions their tags are gone: only the ledger knows what was given out."""
        known = {value for value, memory in self.world.ledger.keys.items() if memory.published_at}
        self.given_out = {value for value in self.given_out if fingerprint(value) in known}

    def lost_answer(self, call: str) -> None:
        """Nobody knows what came of a regenerate (or its worker is gone): one mint may be made for nothing."""
        self.mints_excused += call == "issuer.regenerate"

    def obstructed(self, length: timedelta) -> None:
        """Azure (or the weather over our own processes) does not permit a kill for so long."""
        self.obstructed_until = max(self.obstructed_until, self.world.now() + length)

    def going_back(self, value: str) -> None:
        """An operator ordered this value, which a later one superseded, to be given out again."""
        self.ordered_back.add(value)

    # --- what the workers look at

    def saw_keys(self, worker: str, as_of: int, *, old: bool) -> None:
        self.of(worker).keys_as_of, self.of(worker).old_keys = as_of, old

    def saw_vault(self, worker: str, as_of: int, *, old: bool) -> None:
        self.of(worker).vault_as_of, self.of(worker).old_vault = as_of, old

    def asked_vault(self, worker: str) -> None:
        for name, view in self.of(worker).views.items():
            self.of(worker).views[name] = DependentView(name=name, kind=view.kind, adoption=Adoption.UNSEEN)

    def saw_cases(self, worker: str) -> None:
        self.of(worker).cases_as_of = self.world.act
        self.of(worker).busy = False

    def saw_app(self, worker: str, view: DependentView) -> None:
        self.of(worker).views[view.name] = view

    def probed(self, value: str, verdict: Verdict) -> None:
        if verdict is Verdict.ACCEPTED:
            self.accepted.add(value)

    # --- one worker at a time, one call per intent, the lease before each effect (5, 6, 9)

    def held(self, worker: str) -> None:
        known = self.of(worker)
        known.allowance, known.busy = 1, True
        known.cleared, known.meant = known.meant, {}
        self.overdue(self.reports.values())

    def intended(self, worker: str, operation: str, do: Do) -> None:
        known = self.of(worker)
        known.operation, known.do, known.calls = operation, do, 0
        if isinstance(do.step, Propagate):
            known.meant[do.step.dependent] = operation

    def sends(self, worker: str, steps: Sequence[str], *, slot: Slot | None = None, operation: str | None = None) -> Do:
        known, row = self.of(worker), self.world.ledger.row
        do = known.do
        if known.allowance < 1:
            self.violated(5, f"{worker} acts again without looking at its lease")
        if row is None or row.owner != worker:
            self.violated(5, f"{worker} acts while {row.owner if row else 'nobody'} holds the lease")
        if do is None or do.step.name not in steps or (slot is not None and slot_of(do.step) is not slot):
            self.violated(9, f"{steps[0]} without an intent (the last one: {do and do.step.name})")
        if operation is not None and operation != known.operation:
            self.violated(9, "the version names another operation than the intent")
        if known.calls:
            self.violated(6, f"{steps[0]} is sent twice for one intent")
        wish = self.world.ledger.wishes.get(known.operation)
        if wish is None or wish.outcome is not None:
            self.violated(9, f"{steps[0]} for an intent that is not open")
        assert do is not None
        known.allowance, known.calls = known.allowance - 1, known.calls + 1
        self._count(do.step.name)
        return do

    def delivers(self, worker: str, dependent: str) -> None:
        """Of several at once each has an intent of its own; the lease was looked at after the last of these, and before the first call."""
        known, row = self.of(worker), self.world.ledger.row
        operation = known.cleared.pop(dependent, None)
        if row is None or row.owner != worker:
            self.violated(5, f"{worker} delivers while {row.owner if row else 'nobody'} holds the lease")
        wish = self.world.ledger.wishes.get(operation or "")
        if wish is None or wish.outcome is not None:
            self.violated(9, f"{dependent} is delivered to without an intent of its own that is open")
        self._count("propagate")
        self._in_turn(known, dependent)

    def _in_turn(self, known: Knowledge, dependent: str) -> None:
        """On schedule, and while the value before lives, nobody is handed the new one before the stage before has it, or grace is over."""
        world, current = self.world, self.world.current
        places = {one.name: (one.stage, not one.canary) for one in world.credential.dependents}
        emergency = any(case.is_open for case in world.ledger.cases.values()) or self.last_act > known.as_of or known.old_vault
        reasons = (Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE)
        if emergency or current is None or current.tags.get(TAG_REASON) in reasons:
            return
        before_lives = all(value in self.given_out for value in world.slots.values())
        if not before_lives or world.now() >= current.created + world.credential.policy.grace - SKEW_MAX:
            return
        for view in known.views.values():
            if places[view.name] < places[dependent] and view.adoption in (Adoption.STALE, Adoption.UNSEEN):
                self.violated("stages", f"{dependent} is handed the value while {view.name} of the stage before is {view.adoption}")

    def _count(self, step: str) -> None:
        now = self.world.now()
        self.effects.append((now, step))
        self.counts[step] += 1
        lately = sum(1 for at, _ in self.effects[-EFFECTS_PER_HOUR_MAX - 1 :] if now - at < timedelta(hours=1))
        if lately > EFFECTS_PER_HOUR_MAX:
            self.violated(4, f"more than {EFFECTS_PER_HOUR_MAX} effects within an hour: {self.counts}")

    # --- regenerate (1, 3, scheduled revocations)

    def as_known(self, worker: str) -> Knowledge:
        """What the worker knows when it sends: its effect may come later."""
        known = self.of(worker)
        return replace(known, views=dict(known.views))

    def before_regenerate(self, worker: str, slot: Slot, known: Knowledge) -> None:
        """Asked when the effect comes, which may be after the answer was lost."""
        world = self.world
        value, do = world.slots[slot], known.do
        assert do is not None
        excused = self.last_act > known.as_of
        if value == world.current_value and not self._is_due(value) and not excused:
            self.violated(1, f"{worker} regenerates {slot}, whose value {value} the vault gives out")
        if isinstance(do.step, Mint):
            self._is_wasted(value, excused)
        if do.reason is Reason.SUPERSEDED and not self._is_reported(value):
            self._on_schedule(do, value, known, excused)
        elif isinstance(do.step, Revoke) and not excused and not known.old_keys:
            self._for_compromise(value, known)

    def _stands_in(self, value: str, known: Knowledge) -> bool:
        """A leaked value that is to die now, and that we put there a moment ago, is denied by the list: what is there instead goes with it,
        but for what readers were given."""
        meant = fingerprint_of(known.do.step) if known.do else None
        leaked = self.world.key_of(meant) if meant else None
        if (
            leaked is None
            or leaked.by in ("azure", "person", "setup")
            or not self._is_due(leaked.value)
            or value == self.world.current_value
        ):
            return False
        return self.world.now() < leaked.minted + STALE_LOOK_BELIEVED_AFTER + SKEW_MAX

    def _is_wasted(self, value: str, excused: bool) -> None:
        """A mint of ours that nobody was given, thrown away for another: once for each answer that was lost, and no more."""
        key = self.world.keys[value]
        ours = key.by not in ("azure", "person", "setup")
        by_hand = any(self._inside(entry) == value for entry in self.world.entries)
        if not ours or excused or by_hand or value in self.given_out or self._is_reported(value):
            return
        self.mints_wasted += 1
        if self.mints_wasted > self.mints_excused + len(self.chains):
            self.violated("mints", f"{self.mints_wasted} mints were thrown away, with {self.mints_excused} answers lost: {value} now")

    def _on_schedule(self, do: Do, value: str, known: Knowledge, excused: bool) -> None:
        """A value that readers were given dies only when they have moved: by what was seen, and in truth."""
        world, policy, now = self.world, self.world.credential.policy, self.world.now()
        given = any(entry.tags.get(TAG_FINGERPRINT) == fingerprint(value) for entry in world.entries)
        if excused or not given:
            return
        if not isinstance(do.step, Revoke):
            self.violated("3, scheduled", f"{value} was given out, and a mint on schedule kills it")
        current = world.current
        since = current.created if current else now
        for view in known.views.values():
            claimed = view.adoption is Adoption.CLAIMED and now >= since + policy.grace - SKEW_MAX
            if view.adoption is not Adoption.PROVEN and not claimed:
                self.violated("scheduled", f"{value} is revoked on schedule while {view.name} is {view.adoption}")
        for app in world.apps.values():
            if app.running == value and not app.lies and not app.mute:
                self.violated("scheduled", f"{value} is revoked on schedule while {app.name} runs on it")
        if now < since + policy.overlap - SKEW_MAX:
            self.violated("overlap", f"{value} is revoked {since + policy.overlap - now} before its overlap is over")

    def _for_compromise(self, value: str, known: Knowledge) -> None:
        """A compromised value is killed early only when nothing uses it."""
        if self._is_due(value) or self._stands_in(value, known) or not self.world.local_auth:
            return  # where no key can be listed, the slot of the case is regenerated unseen; no key is accepted there
        if not self._is_reported(value):
            self.violated(8, f"{value} is killed as compromised, and nobody said so")
        for view in known.views.values():
            if view.adoption in (Adoption.STALE, Adoption.UNSEEN):
                self.violated("drain", f"{value} is killed before its deadline while {view.name} is {view.adoption}")

    def _is_reported(self, value: str) -> bool:
        return fingerprint(value) in self.reports or self._said_by_the_vault(value) is not None

    def _is_due(self, value: str) -> bool:
        now, report, said = self.world.now() + SKEW_MAX, self.reports.get(fingerprint(value)), self._said_by_the_vault(value)
        return bool((report and (report.mode is not Mode.DRAIN or now >= report.due)) or (said and now >= said))

    def _said_by_the_vault(self, value: str) -> datetime | None:
        """When the value must be dead because a later version says that it superseded a compromised one."""
        reasons = (Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE)
        held = [entry for entry in self.world.entries if entry.tags.get(TAG_FINGERPRINT) == fingerprint(value)]
        later = [entry for entry in self.world.entries if entry.tags.get(TAG_REASON) in reasons]
        dues = [entry.created for entry in later for older in held if older.made < entry.made]
        return min(dues) + self.world.credential.policy.drain_deadline if dues else None

    def replaced(self, key: "Key") -> None:
        report = self.reports.get(key.fingerprint)
        if report is not None:
            self._not_late(report)

    def overdue(self, reports: Iterable[Report]) -> None:
        """Reported values that still live although they should be dead, and nothing stands in the way."""
        for report in reports:
            key = self.world.key_of(report.value)
            if key and key.replaced is None:
                self._not_late(report)

    def _not_late(self, report: Report) -> None:
        if report.forgotten or not self.world.local_auth:
            return
        late = self.world.now() - max(report.due, self.obstructed_until)
        if late > LATE_MAX:
            self.violated(3, f"{self.world.name(report.value)} was to be dead at {report.due:%H:%M:%S} and lives {late} too long")

    # --- publish (2, 4)

    def before_publish(self, worker: str, edition: Edition) -> None:
        world, known = self.world, self.of(worker)
        value = world.credential.template.extract(edition.text.reveal()) or ""
        excused = self.last_act > known.as_of
        full = len(edition.tags) == TAGS_MAX
        named = {TAG_FINGERPRINT: fingerprint(value), TAG_ACCOUNT: world.credential.account}
        if any(edition.tags.get(name, said if full else None) != said for name, said in named.items()):
            self.violated("tags", f"{value} is published under tags that do not name it")
        if value not in self.accepted and world.credential.policy.unprovable is not Unprovable.ACCEPT:
            self.violated(2, f"{value} is published, and the data plane never accepted it")
        report = self.reports.get(fingerprint(value))
        if report and fingerprint(value) in self._cases() and report.act <= known.cases_as_of:
            self.violated(4, f"{value} is compromised, and is published")
        if value not in world.slots.values() and not excused:
            self.violated(4, f"{value} is in no slot, and is published")
        self._no_going_back(value, excused)
        if not excused and not known.old_vault:
            self.given_out.add(world.current_value or "")

    def published(self, value: str) -> None:
        self.given_out.add(value)

    def _no_going_back(self, value: str, excused: bool) -> None:
        """A value that a later one superseded is not given out again while the later one is good."""
        ours = [entry for entry in self.world.entries if TAG_OPERATION in entry.tags]
        given = [(entry, self._inside(entry)) for entry in ours if entry.tags.get(TAG_FINGERPRINT) == fingerprint(self._inside(entry))]
        if excused or not given or value in self.ordered_back:
            return
        last, newest = given[-1]
        good = newest in self.world.slots.values() and not self._is_reported(newest) and newest in self.accepted
        older = [entry for entry, held in given if held == value]
        told_apart = all(entry.created < last.created for entry in older)
        if good and newest != value and older and told_apart:
            self.violated(4, f"{value} is published again, although {newest} superseded it and is good")

    def _cases(self) -> set[Fingerprint]:
        return {case.fingerprint for case in self.world.ledger.cases.values() if case.state is not State.DISMISSED}

    def _inside(self, entry: "Entry") -> str:
        return self.world.credential.template.extract(entry.text) or ""

    # --- tags

    def before_tag(self, worker: str, version: str, tags: Mapping[str, str], *, disable: bool) -> None:
        entry = next((entry for entry in self.world.entries if entry.id == version), None)
        if entry is None:
            return None
        value, known = self._inside(entry), self.of(worker)
        excused = self.last_act > known.as_of
        lost = [name for name in entry.tags if not name.startswith("rotator-") and name not in tags]
        if lost:
            self.violated("tags", f"the foreign tags {lost} do not survive")
        if disable:
            return self._before_retire(entry, known, excused)
        if tags.get(TAG_FINGERPRINT) != fingerprint(value):
            self.violated("tags", f"version {version[:6]} holds {value} and is tagged as something else")
        same = entry.tags.get(TAG_FINGERPRINT) == tags[TAG_FINGERPRINT] and entry.tags.get(TAG_ACCOUNT) == tags[TAG_ACCOUNT]
        self.adoptions[version] += same and not excused and not known.old_vault
        if self.adoptions[version] > ADOPTIONS_MAX:
            self.violated(4, f"version {version[:6]} is adopted again and again")
        return None

    def _before_retire(self, entry: "Entry", known: Knowledge, excused: bool) -> None:
        """By what its tags say, else by its value: a person may have copied tags to a version that holds something else."""
        said = Fingerprint(entry.tags.get(TAG_FINGERPRINT) or fingerprint(self._inside(entry)))
        key = self.world.key_of(said)
        if key is None or key.replaced is None or not self.world.refused_everywhere(key.value):
            self.violated("retire", f"the version of {self.world.name(said)} is retired, which is not dead")
        if self.world.current and entry.id == self.world.current.id and not excused:
            self.violated("retire", "the current version is disabled")
        for view in known.views.values():
            if view.adoption in (Adoption.STALE, Adoption.UNSEEN):
                self.violated("retire", f"the version of {self.world.name(said)} is disabled while {view.name} is {view.adoption}")

    # --- what is claimed

    def before_outcome(self, learned: Sequence[KeyMemory]) -> None:
        for memory in learned:
            key, known = self.world.key_of(memory.fingerprint), self.world.ledger.keys.get(memory.fingerprint)
            newly_dead = memory.dead_at and not (known and known.dead_at)
            if key and newly_dead and (key.replaced is None or not self.world.refused_everywhere(key.value)):
                self.violated(3, f"{key.value} is said to be dead, and it is not")

    def before_save(self, case: Incident) -> None:
        key = self.world.key_of(case.fingerprint)
        if case.state in (State.DEAD, State.CLOSED) and key and (key.replaced is None or not self.world.refused_everywhere(key.value)):
            self.violated(3, f"the case about {key.value} is {case.state}, and the value is not dead")

    # --- in the end

    def settled(self) -> None:
        """What must be so when everything was calm for long enough, and nobody acts any more."""
        world = self.world
        self.overdue(self.reports.values())
        for ledger in [*self.chains, world.ledger]:
            broken = ledger.verify().broken
            if broken:
                self.violated(9, broken)
        self._contained()
        if not world.local_auth:
            return
        unsettled = [wish.intent.step for wish in world.ledger.wishes.values() if wish.outcome is None]
        if unsettled:
            self.violated(9, f"intents without an outcome: {unsettled}")
        for case in world.ledger.cases.values():
            if case.state not in (State.CLOSED, State.UNPROVEN, State.DISMISSED) and world.provable:
                self.violated(4, f"the case about {world.name(case.fingerprint)} is still {case.state}")
        if not world.gone and (world.provable or world.credential.policy.unprovable is Unprovable.ACCEPT):
            self._given_out()
            self._tidy()
        return

    def _given_out(self) -> None:
        world, entry, value = self.world, self.world.current, self.world.current_value
        if entry is None or value is None or value not in world.slots.values():
            return self.violated(4, f"the vault gives out {value}, the slots hold {list(world.slots.values())}")
        if fingerprint(value) in self._cases():
            return self.violated(4, f"the vault gives out {value}, which is compromised")
        if entry.tags.get(TAG_FINGERPRINT) != fingerprint(value) or entry.tags.get(TAG_ACCOUNT) != world.credential.account:
            return self.violated(4, "the current version does not say that it is ours")
        return None

    def _tidy(self) -> None:
        world = self.world
        for value in world.slots.values():
            if value in self.given_out and value != world.current_value:
                self.violated(4, f"{value} was given out and superseded, and is never revoked")
        for entry in world.entries:
            value = self._inside(entry)
            ours = entry.tags.get(TAG_FINGERPRINT) == fingerprint(value) and entry is not world.current
            lost = world.ledger.keys.get(fingerprint(value), KeyMemory(fingerprint=fingerprint(value))).lost
            if (
                ours
                and entry.enabled
                and TAG_RETIRED not in entry.tags
                and value not in world.slots.values()
                and world.provable
                and not lost
            ):
                self.violated(4, f"the version of {value}, a dead value, is never retired")

    def _contained(self) -> None:
        for case in self.world.ledger.cases.values():
            if case.mode is Mode.CONTAIN and case.contained_at is None and case.state is not State.DISMISSED:
                self.violated(3, f"{case.id} ({self.world.name(case.fingerprint)}) says contain, and is {case.state} without it")
