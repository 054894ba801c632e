"""A vault and a secret in it: may we read, set, tag and disable; does a firewall bar us; is the name free to be set?"""

from rotator.core.credential import Credential
from rotator.core.snapshot import SecretView, Snapshot, Unseen
from rotator.doctor import mending
from rotator.doctor.allowed import lacking
from rotator.doctor.findings import About, Finding, Subject
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
        forbids += ["its secret is deleted softly"] if secret.deleted else []
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
    found = [] if place.recoverable else [about.warn("deletes for good: soft delete is off", f"az keyvault update --ids {place.id}")]
    if not place.rbac:
        said = "goes by access policies, of which only a try can tell: reading is tried here, setting is not"
        return [*found, about.warn(said, f"az keyvault update --ids {place.id} --enable-rbac-authorization true")], []
    held = await round_.allowances(place.id)
    if isinstance(held, Unseen):
        mend = mending.grant(SURVEY, "/".join(place.id.split("/")[:3]), round_.who)
        return [*found, about.warn(f"what we may do there cannot be told: {held.because}", mend)], []
    missing = lacking(SECRETS.needs, held)
    needed = [one.action for one in missing if not one.only_for]
    grant = mending.grant(SECRETS, place.id, round_.who)
    if needed:
        found.append(about.bad(f"we may not {', '.join(needed)}, unless a role on a single secret says so", grant))
    found += [about.warn(f"we may not {one.action}: needed for {one.only_for}", grant) for one in missing if one.only_for]
    setting = [action for action in needed if action.endswith("/setSecret/action")]
    return found or [about.well("grants what a rotation needs")], [f"we may not {action}" for action in setting]


def _of_secret(credential: Credential, secret: SecretView, snapshot: Snapshot, about: About) -> list[Finding]:
    found: list[Finding] = []
    current, slots = secret.current, snapshot.slots
    if secret.deleted:
        found.append(about.bad("is deleted softly: its name refuses every set", mending.recover(credential.secret)))
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


def _mend(secret: Unseen, credential: Credential, round_: Round) -> str:
    if "firewall" in secret.remedy:
        return mending.let_in(credential.secret.vault)
    place = round_.vaults.get(credential.secret.vault.lower())
    return mending.grant(SECRETS, place.id, round_.who) if "403" in secret.because and place and place.id else secret.remedy
