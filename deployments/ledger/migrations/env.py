"""Run by Alembic in the transaction of whoever opens the ledger (`ledger/opening.py`)."""

from alembic import context

from deployments.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
