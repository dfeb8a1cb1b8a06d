"""Salts of rows that have a learner's digest: see `Salted`."""

import os
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, select, tuple_, update

from pipelines.governance.bulk import insert_rows
from pipelines.governance.tables import SALT_LENGTH

_BATCH: Final = 50_000


def random_salt() -> str:
    """For a row that has one."""
    return os.urandom(SALT_LENGTH // 2).hex()


def salt_rows(connection: Connection, table: Table) -> None:
    """Draw a salt for each row that has none, as rows from before the chain; in bounded memory.

    Args:
        connection: in a transaction.
        table: one with salts.
    """
    keys = [Column(key.name, key.type, primary_key=True) for key in table.primary_key]
    salt = Column("salt", String(SALT_LENGTH))
    drawn = Table("drawn_salt", MetaData(), *keys, salt, prefixes=["TEMPORARY"])
    drawn.create(connection)
    own = list(table.primary_key)
    bare = select(*own).where(table.c.salt.is_(None)).order_by(*own).limit(_BATCH)
    query = bare
    while batch := connection.execute(query).all():
        rows = ((*row, random_salt()) for row in batch)
        insert_rows(connection, drawn, [*(key.name for key in keys), "salt"], rows)
        query = bare.where(tuple_(*own) > tuple_(*batch[-1]))
    same = [table.c[key.name] == key for key in keys]
    connection.execute(update(table).where(*same).values(salt=salt))
    drawn.drop(connection)
