"""What the doors for leak alerts need: reports, which deliveries were seen, and why a case waits for a person.

A case that is held is a state that the programs before do not know, so they may not use this schema.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("held_because", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "deliveries",
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("identity", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "identity"),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("deliveries_at", ["at"], unique=False)
    op.create_table(
        "reports",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("source_id", sa.String(length=500), nullable=False),
        sa.Column("matter", sa.String(length=20), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("clues", sa.Text(), nullable=False),
        sa.Column("account", sa.String(length=500), server_default="", nullable=False),
        sa.Column("secret", sa.String(length=500), server_default="", nullable=False),
        sa.Column("caller", sa.String(length=200), server_default="", nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("reopened", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.Column("credential", sa.String(length=200), server_default="", nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("incident", sa.String(length=64), server_default="", nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closing", sa.String(length=20), server_default="", nullable=False),
        sa.Column("closing_told", sa.Text(), server_default="", nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.create_index("reports_due", ["due_at"], unique=False)
        batch_op.create_index("reports_incident", ["incident"], unique=False)
        batch_op.create_index("reports_source", ["source", "source_id"], unique=False)

    op.execute("UPDATE compatibility SET oldest_program = '0003'")


def downgrade() -> None:
    op.execute("UPDATE compatibility SET oldest_program = '0001'")
    op.drop_table("reports")
    op.drop_table("deliveries")
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.drop_column("held_because")
