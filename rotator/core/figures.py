"""The figures of a case, and what is not known of it. A length is told only where both ends are; an upper bound says that it is one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from rotator.core.credential import Reason
from rotator.core.evidence import KILLS
from rotator.core.exposure import Bound, Said, tightest
from rotator.core.incident import State
from rotator.core.legible import legible, stamp
from rotator.core.line import Line, What
from rotator.core.timeline import Timeline

NOTHING_LEFT = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long something lasted, or why that is not known. `at_most`: nobody knows since when it was over."""

    of: timedelta | None = None
    at_most: bool = False
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`exposure` ends with the revoke, `time_to_dead` with the stable 401; both begin with the first report. `existed_before`: for how long
    the value had been there by then, which is the most that it can have been in wrong hands unseen. `exposed_…`: between what times its
    senders say that the exposure began, which is their word."""

    reported_at: datetime
    exposure: Length
    time_to_dead: Length
    waited_for_a_person: Length | None
    existed_before: timedelta | None
    exposed_earliest: Said | None
    exposed_latest: Said | None
    reports: int
    calls: int
    mints: int
    probe_rounds: int


def figures(told: Timeline) -> Figures:
    """The numbers that a post-mortem asks for first."""
    started = reported_at(told)
    revoked, dead = last_since(told, What.REVOKED), last_since(told, What.DEAD)
    before = [one for one in told.exposed if one.word.at is not None and one.word.at < started]  # a later time says nothing new
    return Figures(
        reported_at=started,
        exposure=_until(revoked, "it is not revoked", told),
        time_to_dead=_until(dead, "it is not proven dead", told),
        waited_for_a_person=_waited(told),
        existed_before=_existed_before(told, started),
        exposed_earliest=tightest(before, Bound.EARLIEST),
        exposed_latest=tightest(before, Bound.LATEST),
        reports=len(told.reports),
        calls=sum(not effect.is_probe for effect in told.evidence.effects),
        mints=sum(effect.step in KILLS and effect.took_effect for effect in told.evidence.effects),
        probe_rounds=sum(effect.is_probe for effect in told.evidence.effects),
    )


def reported_at(told: Timeline) -> datetime:
    """The first word about it, by whichever record has the earliest."""
    filed = told.evidence.filed
    times = [told.case.reported_at, *(one.report.reported_at for one in told.reports)]
    return min([*times, filed.at] if filed else times)


def last_since(told: Timeline, what: What) -> Line | None:
    """The end that still holds: none where the value was seen alive after it, or where the case says that it is not over."""
    alive = told.case.state in (State.OPEN, State.HELD)
    unproven = told.case.state in (State.REVOKED, State.UNPROVEN) and what is What.DEAD
    return None if alive or unproven else told.last(what)


def _until(end: Line | None, otherwise: str, told: Timeline) -> Length:
    if end is None:
        return Length(because=otherwise)
    started = reported_at(told)
    if end.at >= started:
        return Length(of=end.at - started, at_most=end.at_latest)
    filed = told.evidence.filed
    if filed is not None and end.place is not None and end.place < filed.seq:
        return Length(of=NOTHING_LEFT, because=f"it was so before the first report, since {end.at:%Y-%m-%d %H:%M:%S} UTC")
    return Length(because="a clock was set back in between")


def _waited(told: Timeline) -> Length | None:
    """None where nobody had to be asked."""
    held = told.first(What.HELD)
    if held is None:
        return None
    after = told.lines[told.lines.index(held) :]
    word = next((line for line in after if line.what in (What.APPROVED, What.DISMISSED, What.REOPENED)), None)
    if word is None:
        return Length(because="it still waits for a person")
    return Length(of=word.at - held.at) if word.at >= held.at else Length(because="a clock was set back in between")


def _existed_before(told: Timeline, started: datetime) -> timedelta | None:
    memory = told.memory
    made = min((at for at in (memory.minted_at, memory.published_at) if at), default=None) if memory else None
    return started - made if made and made <= started else None


# --- what is not known --------------------------------------------------------------------------------------------------------


def unknowns(told: Timeline) -> list[str]:
    """A sentence for each thing that a reader might take for known and that is not."""
    return [*_of_the_records(told), *_of_the_beginning(told), *_of_the_death(told), *_of_the_steps(told), *_of_the_sources(told)]


def _of_the_records(told: Timeline) -> Iterator[str]:
    if told.evidence.filed is None:
        yield "The audit chain has no event of the filing of this case: it is from another ledger, or the chain is not whole."
    if told.memory is None:
        yield "The ledger remembers nothing of the value: when it was made, and what the probes saw, is not known."
    events = told.evidence.events
    back = [(was, now) for was, now in pairwise(events) if now.at < was.at]
    for was, now in back[:1]:
        yield f"Event #{now.seq} bears an earlier time than event #{was.seq} before it: a clock was set back; the order is the chain's."


def _of_the_beginning(told: Timeline) -> Iterator[str]:
    yield "When the value came into wrong hands is not known: the exposure is counted from the first report."
    if any(one.word.at for one in told.exposed):
        yield "What its senders say of since when it lay open is their word: unverified, and no figure is counted from it."
    for one in list(dict.fromkeys((one.source, one.word.what, one.word.refused) for one in told.exposed if one.word.refused))[:10]:
        yield f"A time that {legible(one[0], 60)} gave ({legible(one[1], 100)}) was left out: {legible(one[2], 100)}."
    if told.case.reason is Reason.SUSPECTED_COMPROMISE:
        yield "That the value leaked is suspected, not proven: no report proved to know it."


def _of_the_death(told: Timeline) -> Iterator[str]:
    state, seen = told.case.state, legible(told.memory.seen) if told.memory else ""
    if state in (State.HELD, State.OPEN):
        yield "The value is not revoked, as far as the ledger knows."
    if state is State.DISMISSED:
        yield "A person dismissed the case: nothing was proven about the value on its account."
    if state is State.REVOKED:
        yield "The value is not proven dead yet" + (f": the last probe saw {seen}." if seen else ": no probe was recorded.")
    if state is State.UNPROVEN:
        yield "The death of the value is not proven, and cannot be any more: nobody holds it, to probe it."
    revoked, dead = last_since(told, What.REVOKED), last_since(told, What.DEAD)
    if revoked and revoked.at_latest:
        yield "When the value was revoked is known only as an upper bound: a look found it gone."
    if revoked is None and state in (State.REVOKED, State.UNPROVEN, State.DEAD, State.CLOSED):
        yield "When the value was revoked is in no record of this ledger."
    if dead is None and state in (State.DEAD, State.CLOSED):
        yield "The proof of death is in no record of this ledger."
    if dead and not told.first(What.FIRST_401):
        yield "When the first 401 came is not recorded."


def _of_the_steps(told: Timeline) -> Iterator[str]:
    unanswered = [line for line in told.lines if line.what is What.UNANSWERED]
    if unanswered:
        refs = ", ".join(line.evidence[0] for line in unanswered[:10])
        yield f"The outcome of {len(unanswered)} step(s) is not known ({refs})."
    if told.first(What.DELIVERED):
        yield "That each dependent took the new value up was seen in looks, which are not recorded; recorded is that it was delivered."


def _of_the_sources(told: Timeline) -> Iterator[str]:
    failed = [one for one in told.reports if one.closing == "failed"]
    waiting = sum(one.closing == "due" for one in told.reports)
    if failed:
        again = max((one.again_at for one in failed if one.again_at), default=None)
        then = f"tried again at {stamp(again)}" if again else "tried again when the daemon starts or reads its settings anew"
        yield f"{len(failed)} report(s) are not closed at their source, because {legible(failed[-1].answer)}; {then}."
    if waiting:
        yield f"{waiting} report(s) are still to be closed at their source."
