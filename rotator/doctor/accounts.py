"""An account: is it there, may we list and mint its keys, does a lock forbid it, and can a key's death be proven from here?"""

from rotator.core.credential import Credential
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView, Snapshot, Unseen
from rotator.doctor import mending
from rotator.doctor.allowed import lacking
from rotator.doctor.findings import About, Finding, Subject
from rotator.doctor.round import Round
from rotator.engine.ports import DataPlane, Verdict
from rotator.settings.kinds import Permission
from rotator.settings.permissions import KEYS, KILL_SWITCH, SURVEY


async def check(credential: Credential, snapshot: Snapshot, round_: Round) -> tuple[list[Finding], list[str]]:
    """What is found; and, of it, what forbids to revoke a key now."""
    about = About(Subject.ACCOUNT, credential.name)
    found, forbids = await _permissions(credential, about, round_)
    for lock in await _read_only(credential, about, round_, found):
        found.append(about.bad(f"a ReadOnly lock on {lock[1]} forbids to list and to mint its keys", mending.unlock(lock[0])))
        forbids.append(f"a ReadOnly lock on {lock[1]}")
    account, slots = snapshot.account, snapshot.slots
    if isinstance(account, Unseen):
        found.append(about.bad(account.because, _mend(account, credential, round_)))
        forbids.append(account.because)
    elif not account.local_auth:
        found.append(about.warn("local auth is off: it has no key to rotate, and none that could leak", "take it out of the settings"))
    elif isinstance(slots, Unseen):
        found.append(about.bad(slots.because, _mend(slots, credential, round_)))
        forbids.append(slots.because)
    if not found:
        found.append(about.well("is seen, and its keys may be listed and minted"))
    return found, list(dict.fromkeys(forbids))


async def probe(credential: Credential, account: AccountView | Unseen, key: Sealed | None, data_plane: DataPlane) -> list[Finding]:
    """The live key at every endpoint: where it is not accepted, no other key can be proven dead."""
    about = About(Subject.ACCOUNT, credential.name)
    if isinstance(account, Unseen) or key is None or not account.local_auth:
        return []
    if not account.provable:
        accepts = "unprovable: accept"
        return [about.warn(f"keys of the kind {account.kind} cannot be proven, alive or dead", f"say `{accepts}` if that will do")]
    found = []
    for endpoint in account.endpoints:
        answer = await data_plane.probe(account, endpoint, key)
        if answer.verdict is Verdict.BARRED:
            found.append(about.warn(f"{endpoint} keeps this machine out ({answer.seen}): no death can be proven from here", _NETWORK))
        elif answer.verdict is not Verdict.ACCEPTED:
            found.append(about.warn(f"{endpoint} does not accept the live key ({answer.seen}), so it proves nothing of another one"))
    return found


_NETWORK = "run rotator where the account's network lets it in, or allow its address: az cognitiveservices account network-rule add"


async def _permissions(credential: Credential, about: About, round_: Round) -> tuple[list[Finding], list[str]]:
    held = await round_.allowances(credential.account)
    if isinstance(held, Unseen):
        mend = mending.grant(SURVEY, _subscription_scope(credential), round_.who)
        return [about.warn(f"what we may do there cannot be told: {held.because}", mend)], []
    found: list[Finding] = []
    keys = lacking(KEYS.needs, held)
    if keys:
        found.append(about.bad(f"we may not {_actions(keys)}", mending.grant(KEYS, credential.account, round_.who)))
    if credential.policy.on_compromise is Mode.CONTAIN and lacking(KILL_SWITCH.needs, held):
        mend = mending.grant(KILL_SWITCH, credential.account, round_.who)
        found.append(about.bad("`on_compromise: contain` switches local auth off, and we may not", mend))
    return found, [f"we may not {_actions(keys)}"] if keys else []


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
