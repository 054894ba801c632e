"""The desk on which a pile of reports is judged: what each is to us, and what is to be filed, woken and ordered for all of them together.

Pure: it is filled with what the ledger knows, in the transaction that stores the reports, and emptied into that same transaction.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rotator.core.incident import UNFINISHED, Incident, State, reported_again
from rotator.core.judge import Bench, Judgement, Rails, judge
from rotator.core.report import KnownKey, Matter, Report, Verdict
from rotator.core.sealed import Fingerprint

About = tuple[str, Fingerprint]
"""A credential and one of its values."""

Named = tuple[str, str, str]
"""A report by its source, the source's name for it, and the account that it names."""

BenchOf = Callable[[str, Rails, frozenset[About]], Bench]
"""What to judge the reports of a source by, given the rails as they stand and the values that a case is open about."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """What is known, and what has been decided so far. `woken` are credentials, `urgent` those whose case is open now; `acted_on` are the
    suspicions (source, its name for it, account) that something was done about already."""

    bench_of: BenchOf
    per_hour_max: int
    accounts_max: int
    opened: int
    known: list[KnownKey]
    cases: dict[About, Incident]
    acted_on: set[Named] = field(default_factory=set)
    filed: dict[About, Incident] = field(default_factory=dict)
    woken: set[str] = field(default_factory=set)
    urgent: set[str] = field(default_factory=set)
    orders: dict[str, Fingerprint] = field(default_factory=dict)
    _by_name: dict[str, list[KnownKey]] = field(init=False)

    def __post_init__(self) -> None:
        """Known by every name that a clue may call them by, so that a delivery of a thousand values costs a thousand look-ups."""
        self._by_name = {}
        for key in self.known:
            for name in {key.fingerprint, key.sha256, key.hmsl_hash} - {""}:
                self._by_name.setdefault(name, []).append(key)

    def known_to(self, report: Report) -> list[KnownKey]:
        """The values that a report may be about."""
        if report.matter is not Matter.LEAK:
            return self.known
        clues = report.clues
        found = (key for name in (*clues.fingerprints, *clues.sha256, *clues.hmsl_hash) for key in self._by_name.get(name, ()))
        return [key for key in dict.fromkeys(found) if key.matches(clues)]

    def bench(self, source: str) -> Bench:
        rails = Rails(opened_last_hour=self.opened, per_hour_max=self.per_hour_max, accounts_per_delivery_max=self.accounts_max)
        return self.bench_of(source, rails, frozenset(about for about, case in self.cases.items() if case.state in UNFINISHED))


ACTED = frozenset({Verdict.SUSPECTED, Verdict.HELD})
"""What is done about a suspicion, if anything."""


def decide(told: Sequence[Report], desk: Desk) -> list[Report]:
    """The reports with their verdicts; what is to be done about them goes onto the desk."""
    accounts = len({key.credential for report in told if report.matter is Matter.LEAK for key in desk.known_to(report)})
    accounts = max(accounts, len({report.account.lower() for report in told if report.matter is Matter.SUSPICION}))
    judged: list[Report] = []
    for report in told:
        for number, judgement in enumerate(_judged(report, desk, accounts)):
            case = _note(judgement, desk)
            judged.append(
                replace(
                    report,
                    id=report.id if not number else f"{report.id}.{number}",
                    verdict=_verdict(judgement, case),
                    because=judgement.because,
                    credential=judgement.credential,
                    fingerprint=judgement.fingerprint,
                    incident=case.id if case else "",
                )
            )
    return judged


def _judged(report: Report, desk: Desk, accounts: int) -> list[Judgement]:
    """A suspicion is acted on once: its sender tells of each change of it, and a rotation each time would never end."""
    if report.matter is Matter.SUSPICION and named(report) in desk.acted_on:
        return [Judgement(verdict=Verdict.NOTED, because="more of a suspicion that was acted on already")]
    judged = judge(report, desk.known_to(report), desk.bench(report.source), new_id=f"inc-{uuid.uuid4().hex[:10]}", accounts=accounts)
    if report.matter is Matter.SUSPICION and judged[0].verdict in ACTED:
        desk.acted_on.add(named(report))
    return judged


def named(report: Report) -> Named:
    return report.source, report.source_id, report.account.lower()


def _note(judgement: Judgement, desk: Desk) -> Incident | None:
    if judgement.wakes:
        desk.woken.add(judgement.credential)
    if judgement.orders and judgement.fingerprint:
        desk.opened += judgement.credential not in desk.orders
        desk.orders[judgement.credential] = judgement.fingerprint
        desk.woken.add(judgement.credential)
    if judgement.case is None:
        return desk.cases.get((judgement.credential, judgement.fingerprint)) if judgement.fingerprint else None
    about = (judgement.case.credential, judgement.case.fingerprint)
    was = desk.cases.get(about)
    case = judgement.case if was is None else reported_again(was, judgement.case, reopened=judgement.reopened)
    desk.cases[about] = case
    if case != was:
        desk.filed[about] = case
        if case.presses:
            desk.urgent.add(case.credential)
        if case.state is State.OPEN:
            desk.opened += was is None or was.state is not State.OPEN
    return case


def _verdict(judgement: Judgement, case: Incident | None) -> Verdict:
    """A case that waits for a person holds every report about it, and one that a person dismissed does nothing about it."""
    if judgement.case is None or case is None:
        return judgement.verdict
    if case.state is State.DISMISSED:
        return Verdict.NOTED
    if case.state is State.HELD:
        return Verdict.HELD
    return Verdict.COMPROMISED if judgement.verdict is Verdict.HELD else judgement.verdict
