"""What a survey says about safety: how near each account is to no key at all, how old keys are, the gates a build may fail at. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.hunt.finding import Why
from rotator.survey.estate import KEPT_FOR, Exposure, Found, Survey

WITHOUT_ENTRA = frozenset({"Bing.Search.v7", "Bing.CustomSearch"})
"""Kinds that know keys alone."""


class Keyless(StrEnum):
    """How near an account is to having no key that could leak."""

    ALREADY = "already"
    CANDIDATE = "candidate"
    NEEDS_SUBDOMAIN = "needs_subdomain"
    NOT_POSSIBLE = "not_possible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old the key in use is. `exact` where the rotation is known; else it is at least so old; None where nothing tells."""

    value: timedelta | None
    exact: bool
    says: str = ""


def keyless(found: Found) -> Keyless:
    """An Entra token is taken only at a host name of the account's own."""
    account = found.account
    if not account.local_auth:
        return Keyless.ALREADY
    if account.kind in WITHOUT_ENTRA:
        return Keyless.NOT_POSSIBLE
    return Keyless.CANDIDATE if account.subdomain else Keyless.NEEDS_SUBDOMAIN


def age(found: Found, now: datetime) -> Age:
    """Where local auth is off no key is in use, and there is nothing to be old."""
    if not found.account.local_auth:
        return Age(value=None, exact=False)
    if found.rotated is not None:
        return Age(value=now - found.rotated.at, exact=True, says=found.rotated.says)
    if found.since is not None:
        return Age(value=now - found.since, exact=False)
    return Age(value=None, exact=False)


# --- the ages, as a picture -------------------------------------------------------------------------------------------------

EDGES = (7, 30, 90, 180, 365)
"""In days; a key is in the first bucket that it is younger than."""
UNROTATED = f"at least {KEPT_FOR.days}d"
"""Of a key whose rotation nobody saw: it is as old as the history is long, or older by any time."""
UNKNOWN = "unknown"


def histogram(survey: Survey) -> dict[str, int]:
    """How many accounts with keys are how old; every bucket is there, in order, and those of which nothing is known last."""
    labels = [f"< {edge}d" for edge in EDGES] + [f"≥ {EDGES[-1]}d", UNROTATED, UNKNOWN]
    counts = dict.fromkeys(labels, 0)
    for found in survey.found:
        if found.account.local_auth:
            counts[_bucket(age(found, survey.at))] += 1
    return counts


def _bucket(old: Age) -> str:
    """A lower bound is no age: a key that is at least so old is not younger than anything."""
    if old.value is None:
        return UNKNOWN
    last = timedelta(days=EDGES[-1])
    if not old.exact and old.value < last:
        return UNROTATED if old.value >= KEPT_FOR else UNKNOWN
    return next((f"< {edge}d" for edge in EDGES if old.value < timedelta(days=edge)), f"≥ {EDGES[-1]}d")


def bars(counts: Mapping[str, int], width: int = 40) -> list[str]:
    """A line for each bucket. What is there at all is seen, however few it is."""
    most = max(counts.values(), default=0)
    label = max((len(name) for name in counts), default=0)
    number = len(str(most))
    return [f"{name:>{label}} {count:>{number}} {'█' * _cells(count, most, width)}".rstrip() for name, count in counts.items()]


def _cells(count: int, most: int, width: int) -> int:
    return max(1, round(count / most * width)) if count else 0


# --- gates ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A condition of `--fail-on`, by the word that names it."""

    word: str
    fails: Callable[[Found, datetime], bool]


_GATES: Mapping[str, Callable[[Found, datetime], bool]] = {
    "unmanaged": lambda found, now: found.account.local_auth and found.managed_as is None,
    "public": lambda found, now: found.account.exposure is Exposure.OPEN,
    "local-auth": lambda found, now: found.account.local_auth,
    "no-secret": lambda found, now: found.account.local_auth and not found.holdings,
    "copied": lambda found, now: _is_held(found, Why.COPY),
    "pinned": lambda found, now: _is_held(found, Why.PINNED),
    "unwatched": lambda found, now: _is_held(found, Why.READER),
    "unknown-age": lambda found, now: found.account.local_auth and age(found, now).value is None,
}
WORDS = (*_GATES, "older-than=90d", "unseen")
HUNTED = ("pinned", "unwatched")
"""What only a hunt can tell; and `copied` without one is about the vaults alone."""
_OLDER = re.compile(r"older-than=(\d{1,5})([hd])")
UNSEEN = "unseen"


class NoSuchGate(ValueError):
    """A word that `--fail-on` does not know."""


def gates(said: str) -> list[Gate]:
    """The conditions in `unmanaged,public,older-than=90d`. Raises NoSuchGate."""
    return [_gate(word) for word in dict.fromkeys(part.strip() for part in said.split(",")) if word]


def _gate(word: str) -> Gate:
    older = _OLDER.fullmatch(word)
    if older:
        limit = timedelta(days=int(older[1])) if older[2] == "d" else timedelta(hours=int(older[1]))
        return Gate(word=word, fails=lambda found, now: _is_older(found, now, limit))
    if word == UNSEEN:
        return Gate(word=word, fails=lambda found, now: False)
    if word not in _GATES:
        raise NoSuchGate(word)
    return Gate(word=word, fails=_GATES[word])


def _is_held(found: Found, why: Why) -> bool:
    """By somebody whom the settings do not know, or who never moves."""
    return any(one.why is why and one.is_open for one in found.copies)


def _is_older(found: Found, now: datetime, limit: timedelta) -> bool:
    """One that is at least so old as some time cannot be shown to be younger than the limit, however short that time: only an age that
    is known clears a key. Of one without any age this gate says nothing (`unknown-age` does).
    """
    old = age(found, now)
    return old.value is not None and (not old.exact or old.value > limit)


def failed(survey: Survey, conditions: Iterable[Gate]) -> dict[str, Sequence[str]]:
    """Which conditions are met, and by which accounts (their ids); `unseen` by what could not be looked at."""
    met: dict[str, Sequence[str]] = {}
    for gate in conditions:
        names = [one.what for one in survey.unseen] if gate.word == UNSEEN else []
        names += [found.account.id for found in survey.found if gate.fails(found, survey.at)]
        if names:
            met[gate.word] = names
    return met
