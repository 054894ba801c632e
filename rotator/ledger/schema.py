"""The tables. Times are integer milliseconds since 1970 in UTC, so that both databases keep and compare them alike.

A migration only adds (columns that may be empty or have a default, tables, indexes), so that the program before it can go on writing while
workers are replaced one by one; what it must not meet any more is taken away one version later, with `oldest_program` moved on.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

REVISION = "0005"
"""The newest migration; a test keeps it in step with `migrations/`."""

OLDEST_PROGRAM = "0003"
"""The oldest revision whose program may use the newest schema: what the last migration wrote into `compatibility`."""

metadata = MetaData()

work = Table(
    "work",
    metadata,
    Column("credential", String(200), primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("generation", BigInteger, nullable=False, server_default="1"),
    Column("claimed_generation", BigInteger, nullable=False, server_default="0"),
    Column("owner", String(200)),
    Column("token", String(64)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("order_value", String(200)),
    Column("order_foreign", Boolean, nullable=False, server_default="0"),
    Column("rests_until", BigInteger),
    Column("looked_at", BigInteger),
    Column("risk_at", BigInteger, nullable=False, server_default="0"),
    Column("rotation", String(200)),
    Column("back_to", String(64)),
    Column("back_from", String(64)),
    Column("back_at", BigInteger),
    Index("work_due", "owner", "priority", "due_at"),
    Index("work_risk", "owner", "priority", "risk_at"),
)
"""One row a credential, and all the queue there is. `rests_until`: nothing to do before, unless drift; empty while a rotation is under way.
`risk_at`: what has waited longest goes first. `rotation`: one id from trigger to proof. `back_…`: an operator's word to publish the value
before again, in columns of its own: a program that knows nothing of it must not take it for an order to rotate.
"""

adoptions = Table(
    "adoptions",
    metadata,
    Column("credential", String(200), primary_key=True),
    Column("dependent", String(200), primary_key=True),
    Column("kind", String(100), nullable=False),
    Column("adoption", String(20), nullable=False),
    Column("version", String(100), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("running", String(64)),
    Column("seen", Text, nullable=False, server_default=""),
    Column("because", Text, nullable=False, server_default=""),
    Column("since", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
)
"""How each dependent was last seen, since when, and when it was handed the version that it is held against."""

keys = Table(
    "keys",
    metadata,
    Column("credential", String(200), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("account", String(500), nullable=False),
    Column("slot", String(20)),
    Column("sha256", String(64)),
    Column("hmsl_hash", String(64)),
    Column("minted_at", BigInteger),
    Column("proven_at", BigInteger),
    Column("published_at", BigInteger),
    Column("version", String(100)),
    Column("replaced_at", BigInteger),
    Column("first_401_at", BigInteger),
    Column("dead_at", BigInteger),
    Column("seen", Text, nullable=False, server_default=""),
    Column("unprovable", Text, nullable=False, server_default=""),
    Column("proof", Text, nullable=False, server_default=""),
    Column("lost", Boolean, nullable=False, server_default="0"),
    Column("probes", Integer, nullable=False, server_default="0"),
    Column("probe_again_at", BigInteger),
    Index("keys_fingerprint", "fingerprint"),
    Index("keys_sha256", "sha256"),
    Index("keys_hmsl_hash", "hmsl_hash"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("credential", String(200), nullable=False),
    Column("account", String(500), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("slot", String(20)),
    Column("reason", String(40), nullable=False),
    Column("mode", String(20), nullable=False),
    Column("source", String(100), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("reported_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("contained_at", BigInteger),
    Column("regenerate_refused", Boolean, nullable=False, server_default="0"),
    Column("revoked_at", BigInteger),
    Column("dead_at", BigInteger),
    Column("held_because", Text, nullable=False, server_default=""),
    Index("incidents_credential", "credential", "state"),
    Index("incidents_fingerprint", "fingerprint"),
)

intents = Table(
    "intents",
    metadata,
    Column("operation", String(64), primary_key=True),
    Column("credential", String(200), nullable=False),
    Column("step", String(40), nullable=False),
    Column("slot", String(20)),
    Column("fingerprint", String(64)),
    Column("reason", String(40), nullable=False),
    Column("because", Text, nullable=False),
    Column("heals", Boolean, nullable=False, server_default="0"),
    Column("at", BigInteger, nullable=False),
    Column("outcome", Text),
    Column("outcome_at", BigInteger),
    Index("intents_credential", "credential", "outcome", "at"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("event", String(60), nullable=False),
    Column("credential", String(200), nullable=False),
    Column("fields", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_credential", "credential", "seq"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
    Column("head", String(64), nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("source", String(40), primary_key=True),
    Column("identity", String(200), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("deliveries_at", "at"),
)
"""What was taken already, by the sender's id and by the hash of the body: neither alone tells a replay."""

reports = Table(
    "reports",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("source", String(40), nullable=False),
    Column("source_id", String(500), nullable=False),
    Column("matter", String(20), nullable=False),
    Column("reported_at", BigInteger, nullable=False),
    Column("clues", Text, nullable=False),
    Column("account", String(500), nullable=False, server_default=""),
    Column("secret", String(500), nullable=False, server_default=""),
    Column("caller", String(200), nullable=False, server_default=""),
    Column("url", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("exposed", Text, nullable=False, server_default=""),
    Column("reopened", Boolean, nullable=False, server_default="0"),
    Column("verdict", String(20), nullable=False),
    Column("because", Text, nullable=False, server_default=""),
    Column("credential", String(200), nullable=False, server_default=""),
    Column("fingerprint", String(64)),
    Column("incident", String(64), nullable=False, server_default=""),
    Column("owner", String(200)),
    Column("due_at", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("closing", String(20), nullable=False, server_default=""),
    Column("closing_told", Text, nullable=False, server_default=""),
    Column("closed_at", BigInteger),
    Index("reports_due", "due_at"),
    Index("reports_incident", "incident"),
    Index("reports_source", "source", "source_id"),
)
"""What was reported, and what came of it. `due_at`: when it is to be worked on next (judged again, or closed at its source); empty when it
is done. `closing`: as `closings.py` tells, with what the source said. `exposed`: the sender's word for since when, empty where it has none.
"""

waves = Table(
    "waves",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("wave", Text, nullable=False),
)
"""The wave of cadence rotations that is out now, as `core/wave.py` writes it."""

compatibility = Table(
    "compatibility",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("oldest_program", String(32), nullable=False),
)
"""The oldest revision whose program may still use this schema."""
