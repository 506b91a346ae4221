"""The steps by which the state's tables came to be; Alembic runs them when the state is opened."""
