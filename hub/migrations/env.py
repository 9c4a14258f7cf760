"""Run migrations on the connection `hub.store` hands over; there is no other way in."""

from alembic import context

connection = context.config.attributes["connection"]
# SQLite cannot alter a table in place; batch mode copies it instead.
context.configure(connection=connection, target_metadata=None, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
