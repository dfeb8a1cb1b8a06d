"""Salts of rows that have a learner's digest: see `Salted`."""

import os
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, select, update

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
    bare = select(*table.primary_key).where(table.c.salt.is_(None)).limit(_BATCH)
    same = [table.c[key.name] == key for key in keys]
    while batch := connection.execute(bare).all():
        rows = ((*row, random_salt()) for row in batch)
        insert_rows(connection, drawn, [*(key.name for key in keys), "salt"], rows)
        connection.execute(update(table).where(*same).values(salt=salt))
        connection.execute(delete(drawn))
    drawn.drop(connection)
