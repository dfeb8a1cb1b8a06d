"""Which tables of a source hold ids of learners, in which columns, and which ids they link."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pipelines.errors import SourceError
from pipelines.settings import Workspace
from pipelines.sources import Source, load_family, open_source
from pipelines.sources.binding import Bound, bind, find_partner, is_headless, is_known, with_partner
from pipelines.sources.parse import cleaned
from pipelines.sources.tables import RawTable
from schemas.declaration import ColumnDeclaration, Family
from schemas.roles import Role

_ID: Final = ColumnDeclaration(role=Role.LEARNER_KEY)
"""Every id is read as the build reads the learner's: without blanks, `1000.0` as `1000`."""


@dataclass(frozen=True, slots=True)
class IdTable:
    """A table that knows learners by id, or by the key of a row that does.

    All columns go by the name that they have in the source.

    Attributes:
        source: the source's name in the workspace.
        name: the table's, as declared.
        raw: its rows.
        learner: its learner key; None where it has none.
        ids: column of ids -> id domain: `linked`, or the name of the column.
        bridge: those of them whose ids in one row are one person's.
        key: the column, as declared and as found, by which other tables name its rows.
        references: column -> key of another table, as declared, whose rows it names.
        holds_text: whether people wrote in it, as far as is known.
    """

    source: str
    name: str
    raw: RawTable
    learner: str | None
    ids: Mapping[str, str]
    bridge: tuple[str, ...]
    key: tuple[str, str] | None
    references: Mapping[str, str]
    holds_text: bool


@dataclass(frozen=True, slots=True)
class Searchable:
    """What of a source can be searched for a learner.

    Attributes:
        tables: those with ids, or with keys of rows that have some.
        unknown: tables and columns (`table.column`) that nothing is declared of.
    """

    tables: tuple[IdTable, ...]
    unknown: tuple[str, ...]


def canonical_id(learner_id: str) -> str:
    """The id as it stands in the registry and in a build."""
    return str(pl.DataFrame({"id": [learner_id]}).select(cleaned("id", _ID)).item() or "")


def searchable(workspace: Workspace, name: str) -> Searchable:
    """The tables of a source that may tell of a learner; no row is read yet.

    Raises:
        SourceError: the source can't be opened, or a table of it lacks a column of ids.
        SettingsError: the workspace has no such source.
    """
    family = _family(workspace, name)
    source, partner = _opened(workspace, name, family)
    bounds = _bound(family.tables, family, source, partner)
    ids = {bound.name: _ids(bound, partner) for bound in bounds}
    keys = {key for bound in bounds if (key := _key(bound)) is not None}
    named = {with_partner(n, partner) for n in _names(family)}
    tables = [_declared(name, bound, ids[bound.name], keys, partner) for bound in bounds]
    known = {with_partner(table, partner) or table for table in family.tables}
    dropped = {with_partner(table, partner) for table in family.dropped}
    unknown = [f"{bound.name}.{column}" for bound in bounds for column in bound.undeclared]
    for table, raw in source.tables.items():
        if table in dropped:
            tables.append(_dropped(name, table, raw, named, keys))
        elif table not in known:
            unknown.append(table)
    return Searchable(tuple(t for t in tables if t.ids or t.references), tuple(unknown))


def bridges(workspace: Workspace, name: str) -> tuple[IdTable, ...]:
    """The bridge tables of a source; no row is read yet.

    A source whose family declares none is not opened.

    Raises:
        SourceError: the source can't be opened, lacks a bridge that it may not lack, or has one of
            fewer than two columns of ids.
        SettingsError: the workspace has no such source.
    """
    family = _family(workspace, name)
    declared = [table for table, declaration in family.tables.items() if declaration.bridge]
    if not declared:
        return ()
    source, partner = _opened(workspace, name, family)
    bounds = _bound(declared, family, source, partner)
    return tuple(_declared(name, b, _ids(b, partner), set(), partner) for b in bounds)


def read_ids(table: IdTable, columns: Sequence[str], ragged: list[int]) -> Iterator[pl.DataFrame]:
    """Some columns as canonical ids, batch by batch.

    Args:
        table: where.
        columns: columns of ids, or keys.
        ragged: where the number of rows goes that can't be split into columns.
    """
    reading = table.raw.read(columns)
    for batch in reading.batches:
        yield batch.select(cleaned(column, _ID).alias(column) for column in columns)
    ragged.append(len(reading.ragged))


def _family(workspace: Workspace, name: str) -> Family:
    return load_family(workspace.source(name).family, base=workspace.root).family


def _opened(workspace: Workspace, name: str, family: Family) -> tuple[Source, str | None]:
    source = open_source(workspace.source(name).location, base=workspace.root)
    return source, find_partner(family, source)


def _bound(
    names: Iterable[str], family: Family, source: Source, partner: str | None
) -> list[Bound]:
    """Those of the declared tables that the source has."""
    bounds = [bind(family, name, source, partner) for name in names]
    for bound in bounds:
        if bound.raw is not None:
            _check(bound, source)
        elif bound.declaration.bridge and not bound.declaration.optional:
            raise SourceError(
                f"{source.location}: lacks table '{bound.name}', which says which ids are one "
                "person's; export it too"
            )
    return [bound for bound in bounds if bound.raw is not None]


def _check(bound: Bound, source: Source) -> None:
    """A table that can't be searched must not pass for one without the learner."""
    where = f"{source.location}: table '{bound.name}'"
    assert bound.raw is not None
    unknown = len(bound.undeclared)
    if is_headless(len(bound.raw.columns()) - unknown, unknown):
        raise SourceError(
            f"{where}: its first line names hardly a known column; put the header line back"
        )
    columns = bound.declaration.columns
    for name in bound.missing:
        if columns[name].role is Role.LEARNER_KEY or columns[name].person:
            raise SourceError(
                f"{where}: column '{name}' is missing, so nobody can be found in it; export it too"
            )


def _ids(bound: Bound, partner: str | None) -> dict[str, str]:
    assert bound.raw is not None
    learner, declared = bound.declaration.learner_key(), bound.declaration.columns
    found = {raw: raw for name, raw in bound.columns.items() if declared[name].person}
    bridged = _bridge(bound, partner)
    if bound.declaration.bridge and len(bridged) < 2:
        raise SourceError(
            f"table '{bound.name}' says which ids are one person's, but has {len(bridged)} of two "
            "columns of ids; export it whole"
        )
    found |= {raw: raw for raw in bridged}
    if learner is not None and learner in bound.columns and bound.id_domain is not None:
        found[bound.columns[learner]] = bound.id_domain
    return found


def _bridge(bound: Bound, partner: str | None) -> tuple[str, ...]:
    assert bound.raw is not None
    names = bound.declaration.bridge
    return tuple(n for n in bound.raw.columns() if is_known(n, names, partner))


def _key(bound: Bound) -> str | None:
    """The declared column that alone identifies a row, where it is not the person's id."""
    if len(bound.declaration.key) != 1:
        return None
    column = bound.declaration.columns[bound.declaration.key[0]]
    own = column.role not in (Role.LEARNER_KEY, Role.ITEM) and not column.person
    found = bound.declaration.key[0] in bound.columns
    return bound.declaration.key[0] if own and found else None


def _declared(
    source: str, bound: Bound, ids: Mapping[str, str], keys: set[str], partner: str | None
) -> IdTable:
    assert bound.raw is not None
    learner, key, found = bound.declaration.learner_key(), _key(bound), bound.columns
    texts = (c.role is Role.FREE_TEXT for n, c in bound.declaration.columns.items() if n in found)
    return IdTable(
        source=source,
        name=bound.name,
        raw=bound.raw,
        learner=found.get(learner) if learner is not None else None,
        ids=ids,
        bridge=_bridge(bound, partner),
        key=(key, found[key]) if key is not None else None,
        references={raw: n for n, raw in found.items() if n in keys and n != key},
        holds_text=any(texts),
    )


def _dropped(
    source: str, name: str, raw: RawTable, named: set[str | None], keys: set[str]
) -> IdTable:
    """A table that no build reads; what its columns mean is told by their names alone."""
    columns = raw.columns()
    return IdTable(
        source=source,
        name=name,
        raw=raw,
        learner=None,
        ids={column: column for column in columns if column in named},
        bridge=(),
        key=None,
        references={column: column for column in columns if column in keys},
        holds_text=True,
    )


def _names(family: Family) -> Iterator[str]:
    """Every name that a column of learners' ids goes by."""
    for table in family.tables.values():
        for name, column in table.columns.items():
            if column.role is Role.LEARNER_KEY or column.person:
                yield from (name, *column.aliases)
