"""Does somebody else rotate this credential, out of a ledger of their own? Told by what was written into the tags.

The vault's current version says that it is ours, by an operation that our ledger never intended. That is no fault by itself: a ledger that
was lost says the same of its own work. So it is said only of a version that came after one that this ledger remembers; what was there
before it began is nobody's guilt. Little is decided by it: that a list of keys which shows what it made is believed at once. The planner
heals what a second writer does as it heals anything else.
"""

from rotator.core.credential import Credential, Version
from rotator.core.snapshot import SecretView, Snapshot

EVENT = "second_writer"


def to_be_asked_about(snapshot: Snapshot, credential: Credential) -> Version | None:
    """The current version, where it is one of ours that came after another that is remembered: whose operation was it?"""
    secret = snapshot.secret
    current = secret.current_version if isinstance(secret, SecretView) else None
    if current is None or current.operation is None or not current.is_of(credential.account):
        return None
    before = (key for key in snapshot.memory.keys.values() if key.version not in (None, current.id) and key.published_at)
    return current if any(key.published_at <= current.created for key in before if key.published_at) else None


def sentence(version: Version) -> str:
    """What a person should look after."""
    return (
        f"the version of {version.created:%Y-%m-%d %H:%M:%S} UTC was published by an operation that this ledger never intended: does "
        f"another rotator, with a ledger of its own, keep this credential, too? Let both use one ledger, or take it out of the settings "
        f"of one (if this ledger was restored from an older copy, all is well)"
    )
