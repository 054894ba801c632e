"""The first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("credential", sa.String(length=200), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_credential", ["credential", "seq"], unique=False)

    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(head, [{"id": 1, "events": 0, "head": "0" * 64}])  # there to be locked by the first who adds an event
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("credential", sa.String(length=200), nullable=False),
        sa.Column("account", sa.String(length=500), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("slot", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("contained_at", sa.BigInteger(), nullable=True),
        sa.Column("regenerate_refused", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("dead_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index("incidents_credential", ["credential", "state"], unique=False)
        batch_op.create_index("incidents_fingerprint", ["fingerprint"], unique=False)

    op.create_table(
        "intents",
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("credential", sa.String(length=200), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("slot", sa.String(length=20), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("heals", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("outcome_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("operation"),
    )
    with op.batch_alter_table("intents", schema=None) as batch_op:
        batch_op.create_index("intents_credential", ["credential", "outcome", "at"], unique=False)

    op.create_table(
        "keys",
        sa.Column("credential", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=500), nullable=False),
        sa.Column("slot", sa.String(length=20), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("hmsl_hash", sa.String(length=64), nullable=True),
        sa.Column("minted_at", sa.BigInteger(), nullable=True),
        sa.Column("proven_at", sa.BigInteger(), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.String(length=100), nullable=True),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.Column("first_401_at", sa.BigInteger(), nullable=True),
        sa.Column("dead_at", sa.BigInteger(), nullable=True),
        sa.Column("seen", sa.Text(), server_default="", nullable=False),
        sa.Column("unprovable", sa.Text(), server_default="", nullable=False),
        sa.Column("proof", sa.Text(), server_default="", nullable=False),
        sa.Column("lost", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("probes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("probe_again_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("credential", "fingerprint"),
    )
    with op.batch_alter_table("keys", schema=None) as batch_op:
        batch_op.create_index("keys_fingerprint", ["fingerprint"], unique=False)
        batch_op.create_index("keys_hmsl_hash", ["hmsl_hash"], unique=False)
        batch_op.create_index("keys_sha256", ["sha256"], unique=False)

    op.create_table(
        "work",
        sa.Column("credential", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("generation", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("claimed_generation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("order_value", sa.String(length=200), nullable=True),
        sa.Column("order_foreign", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("credential"),
    )
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.create_index("work_due", ["owner", "priority", "due_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.drop_index("work_due")

    op.drop_table("work")
    with op.batch_alter_table("keys", schema=None) as batch_op:
        batch_op.drop_index("keys_sha256")
        batch_op.drop_index("keys_hmsl_hash")
        batch_op.drop_index("keys_fingerprint")

    op.drop_table("keys")
    with op.batch_alter_table("intents", schema=None) as batch_op:
        batch_op.drop_index("intents_credential")

    op.drop_table("intents")
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.drop_index("incidents_fingerprint")
        batch_op.drop_index("incidents_credential")

    op.drop_table("incidents")
    op.drop_table("audit_head")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("audit_credential")

    op.drop_table("audit")
