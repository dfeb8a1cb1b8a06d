"""How Alembic runs the steps: over the connection that it is given, in its transaction."""

from alembic import context

# SQLite lays tables in a transaction too, once BEGIN is said: see `pipelines.governance.database`.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
