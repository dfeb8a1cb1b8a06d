"""Releases of aggregates, which show nobody: they have no k, no m and no frozen recode."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NULLABLE = ("k", "m", "recode")


def upgrade() -> None:
    """Let the columns be null; rows, and what refers to them, stay."""
    if op.get_bind().dialect.name == "sqlite":
        _lay_anew()
        return
    for name in _NULLABLE:
        op.alter_column("release", name, nullable=True)


def _lay_anew() -> None:
    """SQLite changes no column: the table is laid anew, and its rows put back.

    Not as Alembic's batch mode does it, which gives the new table the name of the old one: rows
    that refer to a release would be told from then on that there is none. Here foreign keys are
    held to all along, and counted when the transaction ends: what lost its release when the old
    table went has it back by then.
    """
    op.execute("PRAGMA defer_foreign_keys=ON")
    op.execute("CREATE TABLE release_before AS SELECT * FROM release ORDER BY rowid")
    op.drop_table("release")
    new = _create_release()
    names = new.c.keys()
    before = sa.table("release_before", *(sa.column(name) for name in names))
    rows = sa.select(before).order_by(sa.column("rowid"))
    op.execute(new.insert().from_select(names, rows))
    op.drop_table("release_before")


def _create_release() -> sa.Table:
    return op.create_table(
        "release",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False, index=True),
        *map(_text, ("title", "researcher", "purpose", "source", "family", "access", "scope")),
        sa.Column("project", sa.String()),
        sa.Column("k", sa.Integer()),
        sa.Column("m", sa.String()),
        sa.Column("item", sa.String()),
        sa.Column("jurisdictions", sa.Text(), nullable=False),
        *map(_digest, ("inputs_sha256", "data_version", "package_sha256")),
        sa.Column("recode", sa.Text()),
        *map(_instant, ("cut_off", "created_at")),
        sa.Column("expires_on", sa.Date()),
        sa.Column("entry", sa.BigInteger(), nullable=False, server_default="0"),
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _digest(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=False)


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(), nullable=False)
