"""How Alembic runs the steps: on the connection that ``releases.database`` gives it."""

from alembic import context

from seatrial.releases.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
