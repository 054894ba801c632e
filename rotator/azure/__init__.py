"""The one way to Azure: who we are, which cloud, one transport, and SDK errors translated into faults, here alone.

Promises that a call under `sent_once` reaches the wire at most once, and that no payload, header or key of an answer stands in a fault's
text. Every request, every token and every pause between two has a bound, whatever a service asks for. The SDKs' own retries are off, but
for one of a token: the corridor looks again instead. What Resource Manager grants is shared fairly: emergencies first.
"""

from rotator.azure.answers import error_code, faults
from rotator.azure.bucket import Level, Shares, Size
from rotator.azure.budget import SIZES, Budget, Sort
from rotator.azure.cloud import CLOUDS, Cloud
from rotator.azure.connection import Azure, open_azure
from rotator.azure.identity import ClientSecret, Identity, Tokens
from rotator.azure.operations import Heard, operation_of, unheard
from rotator.azure.wire import SendOnceTransport, sent_once

__all__ = [
    "CLOUDS",
    "SIZES",
    "Azure",
    "Budget",
    "ClientSecret",
    "Cloud",
    "Heard",
    "Identity",
    "Level",
    "SendOnceTransport",
    "Shares",
    "Size",
    "Sort",
    "Tokens",
    "error_code",
    "faults",
    "open_azure",
    "operation_of",
    "sent_once",
    "unheard",
]
