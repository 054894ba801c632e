"""A vault and a secret in it: may we read, set, tag and disable; does a firewall bar us; is the name free to be set?"""

from rotator.core.credential import Credential
from rotator.core.snapshot import AccountView, SecretView, Snapshot, Unseen
from rotator.doctor import mending
from rotator.doctor.findings import About, Finding, Subject
from rotator.doctor.granted import denied, doubtful, lacking
from rotator.doctor.round import Round
from rotator.settings.permissions import SECRETS, SURVEY

VERSIONS_MANY = 450
"""Key Vault backs up no secret of more than 500."""


async def check(credential: Credential, snapshot: Snapshot, round_: Round) -> tuple[list[Finding], list[str]]:
    """What is found; and, of it, what forbids to publish."""
    about = About(Subject.VAULT, str(credential.secret))
    secret = snapshot.secret
    found, forbids = await _of_vault(credential, round_)
    if isinstance(secret, Unseen):
        found.append(about.bad(secret.because, _mend(secret, credential, round_)))
        forbids.append(secret.because)
    else:
        found += _of_secret(credential, secret, snapshot, about)
        if secret.deleted and not _is_keyless(snapshot):
            unrecoverable = await _unrecoverable(credential, about, round_)
            found += unrecoverable or [about.warn("is deleted softly: the next run recovers it", f"rotator plan {credential.name}")]
            forbids += [one.said for one in unrecoverable]
    if not any(one.name == about.name for one in found):
        found.append(about.well("can be read" if isinstance(snapshot.slots, Unseen) else "can be read, and holds a key of the account"))
    return found, forbids


async def _of_vault(credential: Credential, round_: Round) -> tuple[list[Finding], list[str]]:
    url = credential.secret.vault
    about = About(Subject.VAULT, url)
    place = round_.vaults.get(url.lower())
    if place is None or not place.id:
        said = "is not among the vaults that we can see, so what we may set there cannot be told"
        return [about.warn(said, mending.grant(SURVEY, "/subscriptions/SUBSCRIPTION-OF-THE-VAULT", round_.who))], []
    found = [] if place.recoverable else [about.warn("deletes for good: soft delete is off", mending.soft_delete(place.id))]
    if not place.rbac:
        said = "goes by access policies, of which only a try can tell: reading is tried here, setting is not"
        return [*found, about.warn(said, mending.set_policy(place.id, round_.who))], []
    powers = await round_.powers(place.id)
    if isinstance(powers, Unseen):
        mend = mending.grant(SURVEY, "/".join(place.id.split("/")[:3]), round_.who)
        return [*found, about.warn(f"what we may do there cannot be told: {powers.because}", mend)], []
    found += denied(SECRETS.needs, powers, about, round_.who) + doubtful(SECRETS.needs, powers, about, place.id, round_.who)
    missing = lacking(SECRETS.needs, powers)
    needed = [one.action for one in missing if not one.only_for]
    grant = mending.grant(SECRETS, place.id, round_.who)
    if needed:
        found.append(about.bad(f"we may not {', '.join(needed)}, unless a role on a single secret says so", grant))
    found += [about.warn(f"we may not {one.action}: needed for {one.only_for}", grant) for one in missing if one.only_for]
    setting = [one.action for one in powers.lacks(SECRETS.needs) if one.action.endswith("/setSecret/action")]
    return found or [about.well("grants what a rotation needs")], [f"we may not {action}" for action in setting]


def _of_secret(credential: Credential, secret: SecretView, snapshot: Snapshot, about: About) -> list[Finding]:
    found: list[Finding] = []
    current, slots = secret.current, snapshot.slots
    if _is_keyless(snapshot):
        there = "does not exist" if current is None else "can be read"
        found.append(about.well(f"{there}; while local auth is off nothing is published there, and no key of it is accepted"))
    elif secret.deleted:
        pass
    elif current is None:
        found.append(about.warn("does not exist yet: the first rotation makes it", f"rotator plan {credential.name}"))
    elif not current.enabled:
        found.append(
            about.warn("its current version is disabled: whoever reads it gets 403", mending.enable(credential.secret, current.version))
        )
    elif not isinstance(slots, Unseen) and current.fingerprint not in slots.values():
        found.append(about.warn("holds no key of the account", f"rotator plan {credential.name} says what would be done about it"))
    if len(secret.versions) > VERSIONS_MANY:
        found.append(about.warn(f"has {len(secret.versions)} versions; Key Vault backs up no more than 500"))
    return found


def _is_keyless(snapshot: Snapshot) -> bool:
    return isinstance(snapshot.account, AccountView) and not snapshot.account.local_auth


async def _unrecoverable(credential: Credential, about: About, round_: Round) -> list[Finding]:
    """Whether the planner's way out is shut: a role is missing for it. Where that cannot be told, a run tells."""
    place = round_.vaults.get(credential.secret.vault.lower())
    powers = await round_.powers(place.id) if place and place.id and place.rbac else None
    lost = [one for one in SECRETS.needs if one.action.endswith("/recover/action")]
    if place is None or powers is None or isinstance(powers, Unseen) or not powers.lacks(lost):
        return []
    said = "is deleted softly, and we may not recover it: its name refuses every set"
    return [about.bad(said, mending.grant(SECRETS, place.id, round_.who))]


def _mend(secret: Unseen, credential: Credential, round_: Round) -> str:
    """A role says nothing in a vault that goes by access policies."""
    place = round_.vaults.get(credential.secret.vault.lower())
    if "firewall" in secret.remedy:
        return mending.let_in(credential.secret.vault, place.id if place else "")
    if "403" not in secret.because or not place or not place.id:
        return secret.remedy
    return mending.grant(SECRETS, place.id, round_.who) if place.rbac else mending.set_policy(place.id, round_.who)
