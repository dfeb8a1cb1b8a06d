"""Rights alone: the registry as it was before it had migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Lay the table."""
    op.create_table(
        "rights_record",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("learner", sa.String(64)),
        sa.Column("source", sa.String()),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("legal_basis", sa.String()),
        sa.Column("jurisdiction", sa.String()),
        sa.Column("notice_version", sa.String()),
        sa.Column("effective_from", sa.DateTime(), nullable=False),
        sa.Column("effective_to", sa.DateTime()),
        sa.Column("origin", sa.String()),
        sa.Column("note", sa.String()),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("learner IS NOT NULL OR source IS NOT NULL", name="bears_on_somebody"),
    )
