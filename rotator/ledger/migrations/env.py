"""Alembic's way in: run on the connection that `ledger.open` hands over."""

from alembic import context

from rotator.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
