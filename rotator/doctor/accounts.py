"""An account: is it there, may we list and mint its keys, does a lock forbid it, and can a key's death be proven from here?"""

from collections.abc import Sequence
from dataclasses import dataclass

from rotator.core.credential import Credential
from rotator.core.incident import Incident
from rotator.core.plan import plan
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView, Snapshot, Unseen
from rotator.doctor import mending
from rotator.doctor.findings import About, Finding, Subject
from rotator.doctor.granted import denied, doubtful, lacking
from rotator.doctor.round import Round
from rotator.engine.ports import Answer, DataPlane, Verdict
from rotator.settings.kinds import Permission
from rotator.settings.permissions import KEYS, KILL_SWITCH, SURVEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is found; and, of it, what forbids to revoke a key now, and what `contain` lacks."""

    found: list[Finding]
    forbids: tuple[str, ...]
    lacks: tuple[str, ...]


async def check(credential: Credential, snapshot: Snapshot, incidents: Sequence[Incident], round_: Round) -> Checked:
    """Permissions, locks, and what a look saw of it."""
    about = About(Subject.ACCOUNT, credential.name)
    found, forbids, lacks = await _permissions(credential, about, round_)
    for lock in await _read_only(credential, about, round_, found):
        found.append(about.bad(f"a ReadOnly lock on {lock[1]} forbids to list and to mint its keys", mending.unlock(lock[0])))
        forbids.append(f"a ReadOnly lock on {lock[1]}")
    account, slots = snapshot.account, snapshot.slots
    if isinstance(account, Unseen):
        found.append(about.bad(account.because, _mend(account, credential, round_)))
        forbids.append(account.because)
    elif not account.local_auth:
        found.append(_keyless(credential, snapshot, incidents, about, round_))
    elif isinstance(slots, Unseen):
        found.append(about.bad(slots.because, _mend(slots, credential, round_)))
        forbids.append(slots.because)
    if not found:
        found.append(about.well("is seen, and its keys may be listed and minted"))
    return Checked(found=found, forbids=tuple(dict.fromkeys(forbids)), lacks=lacks)


def _keyless(credential: Credential, snapshot: Snapshot, incidents: Sequence[Incident], about: About, round_: Round) -> Finding:
    """What we have switched off for a leak is not simply done with: the planner says what is left of it."""
    contained = next((case for case in incidents if case.contained_at), None)
    on = mending.local_auth_on(credential.account)
    if contained is None:
        said = "local auth is off: it has no key to rotate, and none that could leak"
        return about.warn(said, f"take it out of the settings; or, if it is to have keys: {on}")
    left = plan(snapshot, credential, incidents, round_.house.world.clock.now()).because
    mend = f"rotator incidents show {contained.id}; then take it out of the settings, or, if it is to have keys again: {on}"
    return about.warn(f"local auth is off since we contained {contained.id}: {left}", mend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What the endpoints said to the live key. `barred`: why no other key could be proven good, empty where one could be; `keeps_out`: it
    is us who are kept out, and no word about the key.
    """

    found: list[Finding]
    barred: str = ""
    keeps_out: bool = False


async def probe(credential: Credential, account: AccountView | Unseen, key: Sealed | None, data_plane: DataPlane) -> Probed:
    """The live key at every endpoint: where it is not accepted, no other key can be proven dead; where it is nowhere, none alive."""
    about = About(Subject.ACCOUNT, credential.name)
    if isinstance(account, Unseen) or key is None or not account.local_auth:
        return Probed(found=[])
    if not account.provable:
        accepts = "unprovable: accept"
        mend = f"say `{accepts}` if that will do: until then nothing is published, and a leaked key dies at its drain deadline"
        return Probed(found=[about.warn(f"keys of the kind {account.kind} cannot be proven, alive or dead", mend)])
    answers = [await data_plane.probe(account, endpoint, key) for endpoint in account.endpoints]
    verdicts = {answer.verdict for answer in answers}
    accepted = Verdict.ACCEPTED in verdicts and Verdict.REFUSED not in verdicts
    told = ", ".join(f"{endpoint}: {answer.seen}" for endpoint, answer in zip(account.endpoints, answers, strict=True))
    return Probed(
        found=_unaccepting(account, answers, about),
        barred="" if accepted or not answers else told,
        keeps_out=verdicts <= {Verdict.BARRED, Verdict.NOT_SERVED},
    )


def _unaccepting(account: AccountView, answers: Sequence[Answer], about: About) -> list[Finding]:
    found = []
    for endpoint, answer in zip(account.endpoints, answers, strict=True):
        if answer.verdict is Verdict.BARRED:
            found.append(about.warn(f"{endpoint} keeps this machine out ({answer.seen}): no death can be proven from here", _NETWORK))
        elif answer.verdict is not Verdict.ACCEPTED:
            found.append(about.warn(f"{endpoint} does not accept the live key ({answer.seen}), so it proves nothing of another one"))
    return found


_NETWORK = "run rotator where the account's network lets it in, or allow its address: az cognitiveservices account network-rule add"


async def _permissions(credential: Credential, about: About, round_: Round) -> tuple[list[Finding], list[str], tuple[str, ...]]:
    powers = await round_.powers(credential.account)
    if isinstance(powers, Unseen):
        mend = mending.grant(SURVEY, _subscription_scope(credential), round_.who)
        return [about.warn(f"what we may do there cannot be told: {powers.because}", mend)], [], ()
    contains = credential.policy.on_compromise is Mode.CONTAIN
    needs = [*KEYS.needs, *(KILL_SWITCH.needs if contains else ())]
    found = [*denied(needs, powers, about, round_.who), *doubtful(needs, powers, about, credential.account, round_.who)]
    keys = lacking(KEYS.needs, powers)
    if keys:
        found.append(about.bad(f"we may not {_actions(keys)}", mending.grant(KEYS, credential.account, round_.who)))
    if contains and lacking(KILL_SWITCH.needs, powers):
        mend = mending.grant(KILL_SWITCH, credential.account, round_.who)
        found.append(about.bad("`on_compromise: contain` switches local auth off, and we may not", mend))
    without = powers.lacks(KEYS.needs)
    switch = powers.lacks(KILL_SWITCH.needs) if contains else []
    lacks = tuple(f"local auth stays on, for we may not {one.action}" for one in switch)
    return found, [f"we may not {_actions(without)}"] if without else [], lacks


async def _read_only(credential: Credential, about: About, round_: Round, found: list[Finding]) -> list[tuple[str, str]]:
    """The locks over the account that forbid, by id and place."""
    locks = await round_.locks(credential.account.split("/")[2])
    if isinstance(locks, Unseen):
        mend = mending.grant(SURVEY, _subscription_scope(credential), round_.who)
        found.append(about.warn(f"whether it is locked cannot be told: {locks.because}", mend))
        return []
    return [(one.id, one.scope.rsplit("/", 1)[-1]) for one in locks if one.level == "ReadOnly" and one.is_over(credential.account)]


def _mend(one: Unseen, credential: Credential, round_: Round) -> str:
    return mending.grant(KEYS, credential.account, round_.who) if "403" in one.because else one.remedy


def _actions(needs: list[Permission]) -> str:
    return ", ".join(one.action for one in needs)


def _subscription_scope(credential: Credential) -> str:
    return "/".join(credential.account.split("/")[:3])
