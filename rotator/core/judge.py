"""judge(): what one report is to us, with a sentence, before anything is done about it.

Only a clue that matches a value of ours opens a case that may kill by itself. A name alone (an account) opens at most a suspicion, and
whatever is more than a stated number an hour, or than a stated number of accounts in one delivery, waits for a person: an alert is also a
weapon in the hands of whoever can forge one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core.credential import Credential, Reason
from rotator.core.incident import Alert, Incident, open_incident
from rotator.core.policy import Mode, OnSuspicion, mode_when_proven, when_suspected
from rotator.core.report import KnownKey, Matter, Report, Verdict
from rotator.core.sealed import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicy:
    """What the settings say that reports of one source may cause."""

    proven: Mode | None = None
    suspected: OnSuspicion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rails:
    """The guard rails as they stand: how many cases the last hour has opened without a person, and how many it may."""

    opened_last_hour: int
    per_hour_max: int
    accounts_per_delivery_max: int

    def held(self, accounts: int) -> str:
        """Empty, or why a person is asked first."""
        if accounts > self.accounts_per_delivery_max:
            return f"one delivery speaks of {accounts} accounts, and {self.accounts_per_delivery_max} may be acted on without a person"
        if self.opened_last_hour >= self.per_hour_max:
            return f"{self.opened_last_hour} cases were opened within the hour, and {self.per_hour_max} may be without a person"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict of one report for one credential: with the case to file, or the credential to wake, if any. `reopened`: its sender has
    closed it before, and it is open there again."""

    verdict: Verdict
    because: str
    credential: str = ""
    fingerprint: Fingerprint | None = None
    case: Incident | None = None
    reopened: bool = False
    wakes: bool = False
    orders: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is needed to judge: the fleet, the policy of the source, the rails, the values that a case is open about already (no rail holds
    those up), who we are, and the time."""

    credentials: Mapping[str, Credential]
    by_account: Mapping[str, str]
    by_secret: Mapping[str, str]
    policy: SourcePolicy
    rails: Rails
    open_cases: frozenset[tuple[str, Fingerprint]]
    ourselves: str
    now: datetime


def judge(report: Report, known: Sequence[KnownKey], bench: Bench, *, new_id: str, accounts: int = 1) -> list[Judgement]:
    """What the report is to us, once for each credential that it is about; never empty. `accounts`: how many the whole delivery names."""
    match report.matter:
        case Matter.LEAK:
            matched = [key for key in known if key.matches(report.clues) and key.credential in bench.credentials]
            judged = [_leaked(report, key, bench, f"{new_id}{number or ''}", accounts) for number, key in enumerate(_one_each(matched))]
            return judged or [_unmatched(report)]
        case Matter.SUSPICION:
            return [_suspected(report, known, bench, new_id, accounts)]
        case Matter.REGENERATED | Matter.LISTED:
            return [_regenerated(report, bench)]
        case Matter.DUE:
            return [_due(report, bench)]
        case Matter.CLOSED:
            return [Judgement(verdict=Verdict.NOTED, because="closed at its source")]


def _one_each(matched: Sequence[KnownKey]) -> list[KnownKey]:
    return list({(key.credential, key.fingerprint): key for key in matched}.values())


def _leaked(report: Report, key: KnownKey, bench: Bench, new_id: str, accounts: int) -> Judgement:
    """It proves to know a value of ours: live, or replaced and to be proven dead."""
    if key.dead_at is not None and not report.reopened:
        because = f"a value of {key.credential} that is proven dead since {key.dead_at:%Y-%m-%d %H:%M:%S} UTC"
        return Judgement(verdict=Verdict.ALREADY_DEAD, because=because, credential=key.credential, fingerprint=key.fingerprint)
    credential = bench.credentials[key.credential]
    held = "" if (key.credential, key.fingerprint) in bench.open_cases else bench.rails.held(accounts)
    mode = mode_when_proven(credential.policy, bench.policy.proven)
    case = open_incident(new_id, credential, _alert(report, key, bench), slot=key.slot, mode=mode, held_because=held)
    verdict = Verdict.HELD if held else Verdict.COMPROMISED
    filed = _filed(verdict, f"matches {key.slot or 'a value'} of {key.credential}: {held or mode}", case)
    return replace(filed, reopened=report.reopened)


def _alert(report: Report, key: KnownKey, bench: Bench) -> Alert:
    """A deadline is counted from when it reached us: what a sender says of the time is the sender's."""
    return Alert(source=report.source, reported_at=bench.now, fingerprint=key.fingerprint, note=report.note)


def _filed(verdict: Verdict, because: str, case: Incident) -> Judgement:
    return Judgement(verdict=verdict, because=because, credential=case.credential, fingerprint=case.fingerprint, case=case)


def _unmatched(report: Report) -> Judgement:
    if report.clues.held_by and report.clues.empty:
        return Judgement(verdict=Verdict.WAITING, because=f"its value is to be fetched from {report.clues.held_by}")
    if report.clues.empty:
        return Judgement(verdict=Verdict.NOTED, because="it says nothing by which a key could be recognised; a person is to look")
    if not report.clues.likely:
        return Judgement(verdict=Verdict.NOT_OURS, because="the index knows no such value, and it has not the shape of a key of ours")
    return Judgement(verdict=Verdict.WAITING, because="the index knows no such value; the fleet is to be asked")


def _suspected(report: Report, known: Sequence[KnownKey], bench: Bench, new_id: str, accounts: int) -> Judgement:
    """It names an account and proves nothing: what the policy of a suspicion says, and never a cut."""
    name = bench.by_account.get(report.account.lower(), "")
    if not name:
        return Judgement(verdict=Verdict.NOT_OURS, because="the account it names is not in the settings")
    credential = bench.credentials[name]
    word = when_suspected(credential.policy, bench.policy.suspected)
    if word is OnSuspicion.INFORM:
        return Judgement(verdict=Verdict.NOTED, because=f"a suspicion about {name}; the policy says to inform", credential=name)
    active = _given_out(name, known)
    if active is None:
        return Judgement(verdict=Verdict.WAITING, because=f"a suspicion about {name}; its active key is to be looked for", credential=name)
    held = bench.rails.held(accounts) or ("the policy of a suspicion says: ask" if word is OnSuspicion.ASK else "")
    if word is OnSuspicion.ROTATE and not held:
        because = f"a suspicion about {name}: rotated as if it were due"
        return Judgement(verdict=Verdict.SUSPECTED, because=because, credential=name, fingerprint=active.fingerprint, orders=True)
    alert, reason = _alert(report, active, bench), Reason.SUSPECTED_COMPROMISE
    case = open_incident(new_id, credential, alert, slot=active.slot, mode=Mode.DRAIN, reason=reason, held_because=held)
    return _filed(Verdict.HELD if held else Verdict.SUSPECTED, f"a suspicion about {name}: {held or Mode.DRAIN}", case)


def _given_out(name: str, known: Sequence[KnownKey]) -> KnownKey | None:
    """The value that readers got last and that nothing has replaced, as far as the index knows."""
    live = [(key.published_at, key) for key in known if key.credential == name and key.published_at and not key.replaced_at]
    return max(live, key=lambda pair: pair[0])[1] if live else None


def _regenerated(report: Report, bench: Bench) -> Judgement:
    """Somebody asked for keys, or made one. Ours are recognised by who did it; a stranger's regenerate makes a look due at once."""
    name = bench.by_account.get(report.account.lower(), "")
    if not name:
        return Judgement(verdict=Verdict.NOT_OURS, because="the account it names is not in the settings")
    if bench.ourselves and report.caller.lower() == bench.ourselves.lower():
        return Judgement(verdict=Verdict.NOTED, because="our own doing", credential=name)
    if report.matter is Matter.LISTED:
        return Judgement(verdict=Verdict.NOTED, because=f"{report.caller or 'somebody'} listed the keys of {name}", credential=name)
    because = f"{report.caller or 'somebody'} regenerated a key of {name}: looked at now"
    return Judgement(verdict=Verdict.NOTED, because=because, credential=name, wakes=True)


def _due(report: Report, bench: Bench) -> Judgement:
    name = bench.by_secret.get(report.secret.lower(), "")
    if not name:
        return Judgement(verdict=Verdict.NOT_OURS, because="the secret it names is not in the settings")
    return Judgement(verdict=Verdict.NOTED, because=f"the secret of {name} is about to expire: looked at now", credential=name, wakes=True)
