"""The audit chain, the budget ledger, and what became of keys.

Rows that are there already get their entry when the chain begins: see `database.py`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_GOVERNED = (
    "rights_record",
    "request",
    "request_event",
    "release",
    "release_event",
    "release_class",
    "release_member",
)


def upgrade() -> None:
    """Lay the tables; what is there stays."""
    for name, kind in (("rows", sa.Text()), ("previous", sa.String(64)), ("hash", sa.String(64))):
        op.add_column("action", sa.Column(name, kind, nullable=False, server_default=""))
    op.create_table(
        "chain_head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        _digest("hash"),
    )
    for name in _GOVERNED:
        op.add_column(name, _entry())
    for name in ("rights_record", "release_member"):
        op.add_column(name, sa.Column("salt", sa.String(32)))
    _create_accounts()
    _create_charges()
    op.create_table(
        "key_event",
        _number(),
        *map(_text, ("kind", "name")),
        sa.Column("key_id", sa.String(16), nullable=False),
        _text("event"),
        _instant("at"),
        _text("actor"),
        sa.Column("reason", sa.Text()),
        _entry(),
    )


def _create_accounts() -> None:
    op.create_table(
        "data_family",
        sa.Column("name", sa.String(), primary_key=True),
        *map(_text, ("unit", "adjacency", "id_column")),
        _entry(),
    )
    op.create_table(
        "dataset_version",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("family", sa.String(), sa.ForeignKey("data_family.name"), primary_key=True),
        _instant("snapshot_at"),
        _entry(),
    )
    op.create_table(
        "account",
        _number(),
        sa.Column("family", sa.String(), sa.ForeignKey("data_family.name"), nullable=False),
        *map(_text, ("scope", "subject", "regime")),
        _entry(),
        sa.UniqueConstraint("family", "scope", "subject"),
    )
    op.create_table(
        "account_ceiling",
        _number(),
        sa.Column("account", _NUMBER, sa.ForeignKey("account.id"), nullable=False),
        _instant("at"),
        *map(_count, ("micro", "atto_delta")),
        _digest("policy_sha256"),
        _entry(),
        sa.Index("ix_account_ceiling_account", "account"),
    )


def _create_charges() -> None:
    op.create_table(
        "charge",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("family", sa.String(), sa.ForeignKey("data_family.name"), nullable=False),
        *map(_digest, ("version", "request")),
        *map(_text, ("purpose", "recipient", "code_version")),
        sa.Column("libraries", sa.Text(), nullable=False),
        _instant("created_at"),
        _entry(),
        sa.Index("ix_charge_family", "family"),
        sa.Index("ix_charge_request", "request"),
    )
    op.create_table(
        "charge_event",
        _number(),
        sa.Column("charge", sa.String(8), sa.ForeignKey("charge.id"), nullable=False),
        _text("kind"),
        _instant("at"),
        _text("actor"),
        sa.Column("result_sha256", sa.String(64)),
        sa.Column("reason", sa.Text()),
        _entry(),
        sa.Index("ix_charge_event_charge", "charge"),
    )
    op.create_table(
        "draw",
        _number(),
        sa.Column("charge", sa.String(8), sa.ForeignKey("charge.id"), nullable=False),
        *map(_text, ("mechanism", "scale")),
        sa.Column("l0", sa.Integer(), nullable=False),
        _count("linf"),
        _text("norm"),
        sa.Column("micro_epsilon", sa.BigInteger()),
        *map(_count, ("micro_rho", "atto_delta")),
        _entry(),
        sa.Index("ix_draw_charge", "charge"),
    )
    op.create_table(
        "spend",
        sa.Column("charge", sa.String(8), sa.ForeignKey("charge.id"), primary_key=True),
        sa.Column("account", _NUMBER, sa.ForeignKey("account.id"), primary_key=True),
        *map(_count, ("micro", "atto_delta")),
        _entry(),
    )


def _number() -> sa.Column[int]:
    return sa.Column("id", _NUMBER, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _digest(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=False)


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(), nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _entry() -> sa.Column[int]:
    return sa.Column("entry", sa.BigInteger(), nullable=False, server_default="0")
