"""What the dependents need: how each was last seen, and an operator's word to go back to the value before.

Only adds: a program of 0003 goes on writing its rows beside this one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.add_column(sa.Column("back_to", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("back_from", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("back_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "adoptions",
        sa.Column("credential", sa.String(length=200), nullable=False),
        sa.Column("dependent", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("adoption", sa.String(length=20), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("running", sa.String(length=64), nullable=True),
        sa.Column("seen", sa.Text(), server_default="", nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("credential", "dependent"),
    )


def downgrade() -> None:
    op.drop_table("adoptions")
    with op.batch_alter_table("work", schema=None) as batch_op:
        for column in ("back_at", "back_from", "back_to"):
            batch_op.drop_column(column)
