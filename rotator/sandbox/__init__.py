"""A loopback Azure over TLS, strict about wire formats and hostile on request, that the unchanged SDK clients talk to.

Promises: Entra, Resource Manager (with what runs on keys behind it), Key Vault and the AI data plane as far as
rotating keys needs them, on loopback ports of their own; fake keys made at run time from a seed; the truth only at
the control port. Never: imports anything of rotator outside this package; they meet on the wire.
"""

from rotator.sandbox.accounts import Account
from rotator.sandbox.apps import App
from rotator.sandbox.faults import Fault
from rotator.sandbox.fleet import furnish
from rotator.sandbox.journal import Entry
from rotator.sandbox.keys import Key
from rotator.sandbox.server import Sandbox
from rotator.sandbox.thread import SandboxThread
from rotator.sandbox.versions import Version

__all__ = ["Account", "App", "Entry", "Fault", "Key", "Sandbox", "SandboxThread", "Version", "furnish"]
