"""Every digest of the registry under one more layer of its key: what a rotation rewrites.

This is the one exception from append-only. Afterwards one entry of the chain answers for all rows
of the tables anew.
"""

from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from pipelines.governance.bulk import insert_rows
from pipelines.governance.chain import Change, random_salt
from pipelines.governance.layers import folded
from pipelines.governance.tables import (
    DIGEST_LENGTH,
    SALT_LENGTH,
    Base,
    ReleaseMember,
    RightsRecord,
)

_BATCH: Final = 50_000
_RECORDS: Final = Base.metadata.tables[RightsRecord.__tablename__]
_MEMBERS: Final = Base.metadata.tables[ReleaseMember.__tablename__]
_MAPPING: Final = Table(
    "rewritten_digest",
    MetaData(),
    Column("old", String(DIGEST_LENGTH), primary_key=True),
    Column("new", String(DIGEST_LENGTH), nullable=False),
    Column("salt", String(SALT_LENGTH), nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
"""Seen by its own connection alone, and gone with it: the old digest, the new one, and a salt.

The old salts must go: with them and the old key, old entries could be asked about anybody.
"""


def rewrite_digests(change: Change, layer: bytes) -> tuple[int, int]:
    """Put a layer on every digest; rights records keep their ids.

    Args:
        change: the transaction; the caller records why.
        layer: 32 bytes.

    Returns:
        How many rights records, and how many rows of the item-set registry, have a digest.
    """
    connection = change.connection
    _MAPPING.create(connection)
    _map_digests(connection, _RECORDS, layer)
    connection.execute(
        update(_RECORDS)
        .where(_RECORDS.c.learner == _MAPPING.c.old)
        .values(learner=_MAPPING.c.new, salt=_MAPPING.c.salt, entry=change.entry)
    )
    connection.execute(delete(_MAPPING))
    _map_digests(connection, _MEMBERS, layer)
    _lay_members_anew(connection, change.entry)
    _MAPPING.drop(connection)
    for table in (_RECORDS, _MEMBERS):
        change.adopt(table)
    records = connection.scalars(select(func.count(_RECORDS.c.learner))).one()
    members = connection.scalars(select(func.count(_MEMBERS.c.learner))).one()
    return records, members


def _map_digests(connection: Connection, table: Table, layer: bytes) -> None:
    """Fill the mapping with everybody in a table, batch by batch."""
    digest, learner = folded(layer), table.c.learner
    in_order = select(learner).distinct().order_by(learner).limit(_BATCH)
    last = ""
    while batch := connection.scalars(in_order.where(learner > last)).all():
        rows = ((old, digest(bytes.fromhex(old)).hex(), random_salt()) for old in batch)
        insert_rows(connection, _MAPPING, ("old", "new", "salt"), rows)
        last = batch[-1]


def _lay_members_anew(connection: Connection, entry: int) -> None:
    """Write the members of releases once more, and remove the old rows.

    They lie in the order of digests. Changed in place they would stay in that of the old ones, and
    tell whoever has the old key and a list of ids which row may be whose.
    """
    names = [column.name for column in _MEMBERS.columns]
    anew = {"learner": _MAPPING.c.new, "salt": _MAPPING.c.salt, "entry": literal(entry)}
    cells = [anew.get(name, _MEMBERS.c[name]) for name in names]
    in_order = (
        select(*cells)
        .join_from(_MEMBERS, _MAPPING, _MEMBERS.c.learner == _MAPPING.c.old)
        .order_by(_MEMBERS.c.release, _MAPPING.c.new, _MEMBERS.c.item)
    )
    connection.execute(insert(_MEMBERS).from_select(names, in_order))
    connection.execute(delete(_MEMBERS).where(_MEMBERS.c.learner.in_(select(_MAPPING.c.old))))
