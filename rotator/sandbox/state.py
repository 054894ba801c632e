"""Everything the loopback Azure knows, behind all its surfaces.

Promises: one owner for accounts, vaults, tokens, faults and the journal; each kind of chance has its own stream from
the one seed, so that asking for one more key does not change the next fault. Never: HTTP.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid5

from rotator.sandbox.accounts import Account
from rotator.sandbox.faults import Faults
from rotator.sandbox.grants import Grants
from rotator.sandbox.journal import Journal
from rotator.sandbox.keys import Key
from rotator.sandbox.leaks import Leaks
from rotator.sandbox.throttle import Bucket
from rotator.sandbox.versions import Vault
from rotator.sandbox.wire import Refused

if TYPE_CHECKING:
    from rotator.sandbox.elsewhere import Elsewhere

# Names that resolve nowhere: a token for them is of no use outside, and nobody can mistake them for Azure's.
AUDIENCE = "https://management.sandbox.invalid"
VAULT_RESOURCE = "https://vault.sandbox.invalid"
DATA_PLANE_RESOURCE = "https://cognitiveservices.sandbox.invalid"
STORE_RESOURCE = "https://appconfig.sandbox.invalid"
DEVOPS_RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"  # Azure DevOps's own, the same everywhere
RESOURCES = (AUDIENCE, VAULT_RESOURCE, DATA_PLANE_RESOURCE, STORE_RESOURCE, DEVOPS_RESOURCE)


T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Limits:
    """As Azure's, until a test makes them smaller; changed through `State.throttle`, which starts everyone afresh."""

    reads: float = 250
    reads_per_s: float = 25
    writes: float = 200
    writes_per_s: float = 10
    sets: int = 300
    transactions: int = 4000
    span_s: float = 10


@dataclass(frozen=True, slots=True)
class Token:
    audience: str
    tenant: str
    expires_at: datetime


@dataclass(slots=True, kw_only=True)
class Operation:
    """A PATCH that was answered with 202."""

    id: str
    account: Account
    started_at: datetime
    ends_at: datetime
    settled: bool = False


@dataclass(slots=True, kw_only=True)
class Sessions:
    """Who may come in. One service principal is all that the tool needs."""

    tenant: str
    client: str
    client_secret: str = field(repr=False)
    token_lifetime_s: int = 3599
    tokens: dict[str, Token] = field(default_factory=dict, repr=False)

    @property
    def object_id(self) -> str:
        """The principal's own, which is never that of its application."""
        return str(uuid5(UUID(self.client), "object"))


class State:
    elsewhere: "Elsewhere"
    """What runs on keys outside Resource Manager; the sandbox furnishes it, because its rooms know this one."""

    def __init__(self, seed: int, clock: Callable[[], float] = time.time) -> None:
        self.seed = seed
        self.clock = clock
        self.key_random = Random(f"{seed}/keys")
        self.version_random = Random(f"{seed}/versions")
        self._guid_random = Random(f"{seed}/guids")
        self._request_random = Random(f"{seed}/requests")
        self.leaks = Leaks(Random(f"{seed}/leaks"))
        self.faults = Faults(Random(f"{seed}/faults"))
        self.journal = Journal()
        self.subscription = self._identity()
        self.sessions = Sessions(tenant=self._identity(), client=self._identity(), client_secret=self._phrase())
        self.accounts: dict[str, Account] = {}
        self.vaults: dict[str, Vault] = {}
        # What runs on keys, by resource id in lower case.
        self.consumers: dict[str, object] = {}
        # Providers, as Microsoft.Web, that the subscription never had a resource of, in lower case.
        self.unregistered: set[str] = set()
        # What somebody else does right after an operation took effect: (operation, how many to let by, what).
        self.meanwhile: list[tuple[str, int, Callable[[], object]]] = []
        self.operations: dict[str, Operation] = {}
        self.limits = Limits()
        self.buckets: dict[tuple[str, str], Bucket] = {}
        self.page_size = 3
        # A PATCH answers 200 at once, or 202 and takes this long; poll_after_s is its Retry-After, 0 for none.
        self.update_status = 200
        self.update_takes_s = 0.0
        self.poll_after_s = 0
        self.stopping = False
        # Who may do what; locks on groups and subscriptions: (scope, level); whether Resource Graph answers.
        self.grants = Grants(principal=self.sessions.object_id)
        self.locks: list[tuple[str, str]] = []
        self.graph_denied = False
        # Lists whose next page is the page itself: ListActivity, QueryGraph.
        self.repeating: set[str] = set()
        # Policy assignments and initiatives, as the API shows them.
        self.policies: list[dict[str, Any]] = []
        self.initiatives: dict[str, dict[str, Any]] = {}
        self.moved = timedelta(0)
        self._connections = 0

    def now(self) -> datetime:
        """The time that platforms and keys live in, which a test may move on."""
        return self.wall() + self.moved

    def wall(self) -> datetime:
        """The time of tokens: a client judges by its own clock whether to ask for another."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def find(self, id_: str, noun: type[T]) -> T:
        """What is there under a resource id. Raises Refused (404) where nothing of the kind is."""
        found = self.consumers.get(id_.lower())
        if not isinstance(found, noun):
            raise Refused(404, "ResourceNotFound", f"The Resource '{id_}' was not found.")
        return found

    def happen(self, operation: str) -> None:
        """Let happen what was to happen right after this operation."""
        for number, (wanted, skip, act) in enumerate(self.meanwhile):
            if wanted == operation and skip:
                self.meanwhile[number] = (wanted, skip - 1, act)
            elif wanted == operation:
                del self.meanwhile[number]
                act()
                return

    def guid(self) -> str:
        return str(UUID(int=self._request_random.getrandbits(128), version=4))

    def next_connection(self) -> int:
        self._connections += 1
        return self._connections

    def keys_ever(self) -> list[Key]:
        keys = [key for account in self.accounts.values() for slot in account.history.values() for key in slot]
        return sorted(keys, key=lambda key: key.minted_at)

    def bucket(self, subscription: str, sort: str) -> Bucket:
        sizes = {
            "reads": (self.limits.reads, self.limits.reads_per_s),
            "writes": (self.limits.writes, self.limits.writes_per_s),
        }
        return self.buckets.setdefault((subscription.lower(), sort), Bucket(*sizes[sort]))

    def throttle(self, **limits: float) -> None:
        """Other sizes, and everyone starts afresh: full buckets, empty spans."""
        unknown = set(limits) - set(Limits.__slots__)
        if unknown:
            raise ValueError(f"no such limit: {sorted(unknown)}; there are {list(Limits.__slots__)}")
        for name, value in limits.items():
            setattr(self.limits, name, int(value) if name in ("sets", "transactions") else value)
        self.buckets.clear()
        for vault in self.vaults.values():
            vault.limit(self.limits.sets, self.limits.transactions, self.limits.span_s)

    def _identity(self) -> str:
        return str(UUID(int=self._guid_random.getrandbits(128), version=4))

    def _phrase(self) -> str:
        return f"{self._guid_random.getrandbits(240):060x}"
