"""What readers of the vault are left with once a value is dead: a live key, a dead one, or nobody can tell. Dead is not yet done."""

from rotator.core.aim import last_given
from rotator.core.facts import Facts, Needed
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Memory

DEAD_KEY = "the vault still gives out a dead key: whoever reads it is refused until a new one is published"


def left_with(facts: Facts) -> str:
    """Empty where they get a live key, or are to have none (contained); else what they have instead."""
    if facts.local_auth_is_off or facts.contain_ordered():
        return ""
    try:
        current = facts.current
    except Needed as needed:
        if last_given(facts.memory) is None:
            return f"whether the vault still gives out a dead key cannot be told: {needed.unseen.what} cannot be seen"
        return remembered(facts.memory)
    if current is None or current.fingerprint is None or not current.enabled:
        return ""
    return DEAD_KEY if _is_gone(current.fingerprint, facts.memory) else ""


def remembered(memory: Memory) -> str:
    """The same by what we remember as published last."""
    given = last_given(memory)
    return DEAD_KEY if given is not None and _is_gone(given, memory) else ""


def _is_gone(value: Fingerprint, memory: Memory) -> bool:
    known = memory.of(value)
    return bool(known.replaced_at or known.dead_at)
