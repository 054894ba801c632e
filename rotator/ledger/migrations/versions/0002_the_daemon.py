"""What the daemon needs: how long a credential rests, when it was last looked at, what goes first; waves; who may use this schema.

Only adds: a program of 0001 goes on writing its rows beside this one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.add_column(sa.Column("rests_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("looked_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("risk_at", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("rotation", sa.String(length=200), nullable=True))
        batch_op.create_index("work_risk", ["owner", "priority", "risk_at"], unique=False)
    op.create_table(
        "waves",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wave", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    compatibility = op.create_table(
        "compatibility",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("oldest_program", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(compatibility, [{"id": 1, "oldest_program": "0001"}])


def downgrade() -> None:
    op.drop_table("compatibility")
    op.drop_table("waves")
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.drop_index("work_risk")
        for column in ("rotation", "risk_at", "looked_at", "rests_until"):
            batch_op.drop_column(column)
