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

BenchOf = Callable[[str, Rails, frozenset[About]], Bench]
"""What to judge the reports of a source by, given the rails as they stand and the values that a case is open about."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """What is known, and what has been decided so far. `woken` are credentials, `urgent` those whose case is open now."""

    bench_of: BenchOf
    per_hour_max: int
    accounts_max: int
    opened: int
    known: list[KnownKey]
    cases: dict[About, Incident]
    filed: dict[About, Incident] = field(default_factory=dict)
    woken: set[str] = field(default_factory=set)
    urgent: set[str] = field(default_factory=set)
    orders: dict[str, Fingerprint] = field(default_factory=dict)

    def bench(self, source: str) -> Bench:
        rails = Rails(opened_last_hour=self.opened, per_hour_max=self.per_hour_max, accounts_per_delivery_max=self.accounts_max)
        return self.bench_of(source, rails, frozenset(about for about, case in self.cases.items() if case.state in UNFINISHED))


def decide(told: Sequence[Report], desk: Desk) -> list[Report]:
    """The reports with their verdicts; what is to be done about them goes onto the desk."""
    accounts = len({key.credential for key in desk.known for report in told if key.matches(report.clues)})
    accounts = max(accounts, len({report.account.lower() for report in told if report.matter is Matter.SUSPICION}))
    judged: list[Report] = []
    for report in told:
        new_id = f"inc-{uuid.uuid4().hex[:10]}"
        for number, judgement in enumerate(judge(report, desk.known, desk.bench(report.source), new_id=new_id, accounts=accounts)):
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


def _note(judgement: Judgement, desk: Desk) -> Incident | None:
    if judgement.wakes:
        desk.woken.add(judgement.credential)
    if judgement.orders and judgement.fingerprint:
        desk.orders[judgement.credential] = judgement.fingerprint
        desk.woken.add(judgement.credential)
    if judgement.case is None:
        return desk.cases.get((judgement.credential, judgement.fingerprint)) if judgement.fingerprint else None
    about = (judgement.case.credential, judgement.case.fingerprint)
    was = desk.cases.get(about)
    case = judgement.case if was is None else reported_again(was, judgement.case)
    desk.cases[about] = case
    if case != was:
        desk.filed[about] = case
        if case.state is State.OPEN:
            desk.urgent.add(case.credential)
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
