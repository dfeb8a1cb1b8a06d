"""Whether the tables are tables: what an auditor reads must be what a build reads.

A view, a rule, a trigger, a schema that shadows another, or an index that leaves rows out shows one
query this and another query that. So the database's own catalog is asked before any row is.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from sqlalchemy import (
    Column,
    ColumnClause,
    Connection,
    Table,
    UniqueConstraint,
    column,
    select,
    table,
    text,
)

from pipelines.governance.tables import Base

_VERSION: Final = "alembic_version"
_PERMANENT: Final = "p"
_TABLE: Final = "r"
_KINDS: Final = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "p": "a partitioned table",
}
_CATALOG: Final = "pg_catalog"

_RELATIONS: Final = text(
    """
    SELECT own.name, c.relkind, c.relpersistence, c.relnamespace, c.relrowsecurity,
        EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = c.oid) AS rules,
        EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE c.oid IN (inhparent, inhrelid)) AS kin,
        EXISTS (
            SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
        ) AS triggers,
        EXISTS (
            SELECT FROM pg_catalog.pg_index WHERE indrelid = c.oid
            AND (NOT indisvalid OR indpred IS NOT NULL OR indexprs IS NOT NULL)
        ) AS indexes,
        ARRAY(
            SELECT a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
                || CASE WHEN a.attcollation = t.typcollation AND a.attgenerated = ''
                THEN '' ELSE ' otherwise' END
            FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ) AS columns
    FROM pg_catalog.unnest(CAST(:names AS text[])) AS own(name)
    LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(own.name)
    """
)
_SHADOWS: Final = text(
    """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = ANY (CAST(:path AS regnamespace[])) AND EXISTS (
            SELECT FROM pg_catalog.pg_proc b
            WHERE b.proname = p.proname AND b.pronamespace = 'pg_catalog'::regnamespace
        ) AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend WHERE objid = p.oid AND deptype = 'e'
        )
    ) OR EXISTS (
        SELECT FROM pg_catalog.pg_operator o
        WHERE o.oprnamespace = ANY (CAST(:path AS regnamespace[])) AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend WHERE objid = o.oid AND deptype = 'e'
        )
    )
    """
)
"""What of a team's own would be called in place of the database's: none but an extension's."""


def database_fault(connection: Connection) -> str | None:
    """What stands in for a table of the registry, in words; None: all are what they seem.

    Args:
        connection: that the rows will be read over; from here on it reads one state.
    """
    faults = _in_sqlite if connection.dialect.name == "sqlite" else _in_postgresql
    first = next(faults(connection), None)
    return None if first is None else f"the database: {first}"


def _in_sqlite(connection: Connection) -> Iterator[str]:
    """The faults of a SQLite file, the plain ones first."""
    main, temp = (_objects(connection, name) for name in ("sqlite_master", "sqlite_temp_master"))
    for kind, name, _, _ in chain(main, temp):
        if kind in {"view", "trigger"}:
            known = name in Base.metadata.tables
            yield f"{name} is a view" if known else f"it has a {kind}, and kohort lays none"
    laid = {name: (kind, page, sql) for kind, name, page, sql in main if kind != "index"}
    hidden = {str(name).lower() for _, name, _, _ in temp}
    for name, own in Base.metadata.tables.items():
        if name in hidden:
            yield f"a temporary table hides {name}"
        kind, page, sql = laid.get(name, (None, None, None))
        # One that a module makes up has no page.
        if kind != "table" or not page or not str(sql).upper().startswith("CREATE TABLE "):
            yield f"{name} is missing, or no table"
        # A column that takes one text for another.
        if "COLLATE" in str(sql).upper() or _columns_in_sqlite(connection, own) != _said(
            connection, own
        ):
            yield f"the columns of {name} are not those that kohort lays"
        if not _indexes_in_sqlite(connection, own) <= _expected_indexes(own):
            yield f"{name} has an index that kohort does not lay"
    if connection.scalar(text("PRAGMA main.integrity_check(1)")) != "ok":
        yield "its own integrity check fails"


def _objects(connection: Connection, master: str) -> Sequence[tuple[object, ...]]:
    """Type, name, first page and statement of what a schema of SQLite holds."""
    names = ("type", "name", "rootpage", "sql")
    # A select, as `snapshot` needs for its first statement.
    columns: list[ColumnClause[object]] = [column(name) for name in names]
    return [tuple(row) for row in connection.execute(select(*columns).select_from(table(master)))]


def _said(connection: Connection, own: Table) -> set[tuple[str, str, int]]:
    """Name, type and place in the primary key of each column of a table, from 1; 0: it has none."""
    keys = [c.name for c in own.primary_key]

    def described(one: Column[object]) -> tuple[str, str, int]:
        place = keys.index(one.name) + 1 if one.name in keys else 0
        return one.name, one.type.compile(connection.dialect), place

    return {described(one) for one in own.c}


def _columns_in_sqlite(connection: Connection, own: Table) -> set[tuple[str, str, int]]:
    rows = connection.execute(text(f"PRAGMA main.table_xinfo({own.name})"))
    # Hidden: computed, not stored.
    return {(row.name, row.type if row.hidden == 0 else "", row.pk) for row in rows}


_Index = tuple[str | None, tuple[str | None, ...], bool]
"""Name, columns, and whether they are unique; no name: it keeps a constraint."""


def _expected_indexes(own: Table) -> set[_Index]:
    constraints = [c for c in own.constraints if isinstance(c, UniqueConstraint)]
    keys = [c.columns.keys() for c in (own.primary_key, *constraints)]
    named = {(str(i.name), tuple(i.columns.keys()), bool(i.unique)) for i in own.indexes}
    return named | {(None, tuple(names), True) for names in keys}


def _indexes_in_sqlite(connection: Connection, own: Table) -> set[_Index]:
    """Those of a table; one that leaves rows out, or orders otherwise, has no columns."""
    found: set[_Index] = set()
    for index in connection.execute(text(f"PRAGMA main.index_list({own.name})")).all():
        quoted = str(index.name).replace('"', '""').replace(":", r"\:")
        parts = connection.execute(text(f'PRAGMA main.index_xinfo("{quoted}")')).all()
        keys = [part for part in parts if part.key]
        plain = not index.partial and all((k.desc, k.coll) == (0, "BINARY") for k in keys)
        columns = tuple(k.name for k in keys) if plain else ()
        found.add((index.name if index.origin == "c" else None, columns, bool(index.unique)))
    return found


def _in_postgresql(connection: Connection) -> Iterator[str]:
    """The faults of a PostgreSQL database."""
    whole = connection.scalar(text("SELECT pg_catalog.current_schemas(true)")) or []
    path = [name for name in whole if not name.startswith("pg_temp_")]
    if path[:1] != [_CATALOG]:
        yield "its search_path has another schema before the database's own"
    names = [_VERSION, *Base.metadata.tables]
    rows = {r.name: r for r in connection.execute(_RELATIONS, {"names": names}).all()}
    home = rows[_VERSION].relnamespace
    for name, own in Base.metadata.tables.items():
        row = rows[name]
        if row.relkind != _TABLE:
            yield f"{name} is {_KINDS.get(row.relkind, 'missing, or no table')}"
        if (row.relnamespace, row.relpersistence) != (home, _PERMANENT):
            yield f"{name} is found in another schema than {_VERSION}, or is not permanent"
        if row.rules or row.triggers or row.relrowsecurity:
            yield f"{name} has a rule, a trigger or row security, and kohort lays none"
        if row.kin:
            yield f"{name} inherits from a table, or another from it"
        if sorted(row.columns) != sorted(_column_in_postgresql(connection, c) for c in own.c):
            yield f"the columns of {name} are not those that kohort lays"
        if row.indexes:
            yield f"{name} has an index that is not valid, or leaves rows out"
    quoted = [connection.dialect.identifier_preparer.quote_identifier(n) for n in path[1:]]
    if connection.scalar(_SHADOWS, {"path": quoted}):
        yield "it has functions or operators that stand in for the database's own"


def _column_in_postgresql(connection: Connection, one: Column[object]) -> str:
    kind = one.type.compile(connection.dialect).lower()
    return f"{one.name} {kind.replace('varchar', 'character varying')}"
