"""Runs the migrations on the connection, and inside the transaction, that ``Database.migrate`` hands over."""

from alembic import context

from farm.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
