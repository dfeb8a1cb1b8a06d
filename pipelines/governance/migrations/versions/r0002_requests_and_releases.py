"""Actions, requests and releases; a record of rights may end a state, and is found by learner."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Lay what governs a release; records of rights stay as they are."""
    op.add_column("rights_record", sa.Column("ends", sa.String()))
    op.create_index("rights_record_learner", "rights_record", ["learner"])
    op.create_table(
        "action",
        _number(),
        _instant("at"),
        _text("actor"),
        _text("login"),
        _text("kind"),
        _text("subject"),
        sa.Column("detail", sa.Text()),
    )
    _create_requests()
    _create_releases()


def _create_requests() -> None:
    op.create_table(
        "request",
        sa.Column("sha256", sa.String(64), primary_key=True),
        *map(_text, ("title", "researcher", "purpose", "source")),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.create_table(
        "request_event",
        _number(),
        sa.Column(
            "request", sa.String(64), sa.ForeignKey("request.sha256"), nullable=False, index=True
        ),
        _text("kind"),
        _instant("at"),
        _text("actor"),
        sa.Column("reason", sa.Text()),
        sa.Column("waived", sa.Text()),
        _digest("policy_sha256"),
    )


def _create_releases() -> None:
    op.create_table(
        "release",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False, index=True),
        *map(_text, ("title", "researcher", "purpose", "source", "family", "access", "scope")),
        sa.Column("project", sa.String()),
        sa.Column("k", sa.Integer(), nullable=False),
        _text("m"),
        sa.Column("item", sa.String()),
        sa.Column("jurisdictions", sa.Text(), nullable=False),
        *map(_digest, ("inputs_sha256", "data_version", "package_sha256")),
        sa.Column("recode", sa.Text(), nullable=False),
        _instant("cut_off"),
        _instant("created_at"),
        sa.Column("expires_on", sa.Date()),
    )
    op.create_table(
        "release_event",
        _number(),
        sa.Column("release", sa.String(8), sa.ForeignKey("release.id"), nullable=False, index=True),
        _text("kind"),
        _instant("at"),
        _text("actor"),
        sa.Column("recipient", sa.String()),
        sa.Column("reason", sa.Text()),
    )
    op.create_table(
        "release_class",
        sa.Column("release", sa.String(8), sa.ForeignKey("release.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("labels", sa.Text(), nullable=False),
    )
    op.create_table(
        "release_member",
        sa.Column("release", sa.String(8), sa.ForeignKey("release.id"), primary_key=True),
        sa.Column("learner", sa.String(64), primary_key=True),
        sa.Column("item", sa.String(), primary_key=True),
        sa.Column("class_number", sa.Integer(), nullable=False),
        sa.Index("release_member_learner", "learner"),
    )


def _number() -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", number, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _digest(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=False)


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(), nullable=False)
