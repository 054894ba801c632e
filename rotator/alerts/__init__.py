"""Senders of leak alerts, a room each: is it really from them (verify), and what does it say (parse)?

Promises: nothing is parsed before it is verified, and it is verified over the bytes that came; a value is sealed the moment it is read; a
refusal says what is wrong in words of ours, never in those of the sender. Never: an effect, a URL fetched that a payload names, a decision
about a key. What an alert may cause is decided behind this door.
"""

from rotator.alerts.delivery import (
    Closed,
    Clue,
    Delivery,
    Due,
    Handshake,
    Hash,
    HeldByGitGuardian,
    HeldByGitHub,
    Ignored,
    Leak,
    Malformed,
    NotTaken,
    Origin,
    Post,
    Record,
    Refused,
    Regenerated,
    Reopened,
    Sender,
    Suspicion,
    Unverifiable,
)

__all__ = [
    "Closed",
    "Clue",
    "Delivery",
    "Due",
    "Handshake",
    "Hash",
    "HeldByGitGuardian",
    "HeldByGitHub",
    "Ignored",
    "Leak",
    "Malformed",
    "NotTaken",
    "Origin",
    "Post",
    "Record",
    "Refused",
    "Regenerated",
    "Reopened",
    "Sender",
    "Suspicion",
    "Unverifiable",
]
