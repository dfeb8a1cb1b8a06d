"""`source check`: what a source holds, against its declaration. Names and counts, never values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipelines.errors import SourceError
from pipelines.sources.binding import (
    Bound,
    bind,
    find_partner,
    is_headless,
    is_known,
    with_partner,
)
from pipelines.sources.tables import RawTable, Source
from schemas.declaration import Family
from schemas.roles import Role

Status = Literal["declared", "dropped", "undeclared", "absent", "unreadable"]


@dataclass(frozen=True, slots=True)
class TableReport:
    """What was found of one table.

    Attributes:
        name: its canonical name, or the source's where it is undeclared.
        status: declared; dropped: known and never read; undeclared: not known, so never read;
            absent: declared, but not in the source; unreadable: declared, but can't be read.
        rows: how many the file holds, ragged ones included; None unless declared.
        undeclared: columns that are not known. A declared table that has any can't be staged.
        missing: declared columns that the source lacks and may not lack.
        aliases: canonical name -> the source's name, where they differ.
        id_domain: `linked`, or the isolated name of the learner column.
        direct_identifiers: raw ids and the like, under the source's names. Never read.
        problem: why it can't be read.
        optional: whether a source may lack it.
        viewed: whether a releasable view reads it.
        headless: whether its first line is hardly a header.
    """

    name: str
    status: Status
    rows: int | None = None
    undeclared: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    aliases: Mapping[str, str] | None = None
    id_domain: str | None = None
    direct_identifiers: tuple[str, ...] = ()
    problem: str | None = None
    optional: bool = False
    headless: bool = False
    viewed: bool = False


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What was found of a source; `partner` is what `{partner}` stands for."""

    location: str
    family: str
    partner: str | None
    tables: tuple[TableReport, ...]

    def warnings(self) -> tuple[str, ...]:
        """One line for each finding that a steward should look at."""
        return tuple(line for table in self.tables for line in _warnings(table))


def check_source(source: Source, family: Family) -> SourceReport:
    """Compare a source with a declaration.

    The rows of declared tables are counted; of all others only the header is read.

    Raises:
        SourceError: the source holds the exports of two partners, or the table that lists the
            learners can't be read.
    """
    partner = find_partner(family, source)
    reports = [_declared(family, name, source, partner) for name in family.tables]
    known = {with_partner(name, partner) for name in family.tables}
    dropped = {with_partner(n, partner): columns for n, columns in family.dropped.items()}
    for name, raw in source.tables.items():
        if name in dropped:
            reports.append(_dropped(name, raw, dropped[name], partner))
        elif name not in known:
            reports.append(TableReport(name, "undeclared"))
    return SourceReport(source.location, family.family, partner, tuple(reports))


def _declared(family: Family, name: str, source: Source, partner: str | None) -> TableReport:
    optional = family.tables[name].optional
    try:
        bound = bind(family, name, source, partner)
        if bound.raw is None:
            return TableReport(name, "absent", optional=optional, viewed=_is_viewed(family, name))
        rows = _count(bound.raw, list(bound.columns.values())[:1])
    except SourceError as error:
        return TableReport(name, "unreadable", problem=str(error), optional=optional)
    if is_headless(len(bound.raw.columns()) - len(bound.undeclared), len(bound.undeclared)):
        # What stands there instead of a header may be a learner's row: it is counted, not named.
        return TableReport(name, "declared", rows=rows, headless=True, optional=optional)
    return TableReport(
        name,
        "declared",
        rows=rows,
        undeclared=bound.undeclared,
        missing=bound.missing,
        aliases={c: found for c, found in bound.columns.items() if c != found},
        id_domain=bound.id_domain,
        direct_identifiers=_direct_identifiers(bound),
        optional=optional,
    )


def _is_viewed(family: Family, table: str) -> bool:
    views = family.views.values()
    return any(table in {v.table, *(c.table for c in v.columns.values())} for v in views)


def _dropped(
    name: str, raw: RawTable, dropped: tuple[str, ...], partner: str | None
) -> TableReport:
    try:
        columns = raw.columns()
    except SourceError as error:
        return TableReport(name, "dropped", problem=str(error))
    unknown = tuple(column for column in columns if not is_known(column, dropped, partner))
    if is_headless(len(columns) - len(unknown), len(unknown)):
        return TableReport(name, "dropped", headless=True)
    return TableReport(name, "dropped", undeclared=unknown)


def _direct_identifiers(bound: Bound) -> tuple[str, ...]:
    roles = {name: column.role for name, column in bound.declaration.columns.items()}
    return tuple(f for c, f in bound.columns.items() if roles[c] is Role.DIRECT_IDENTIFIER)


def _count(raw: RawTable, known: list[str]) -> int:
    # A column that is not declared may be of a type that is not read.
    reading = raw.read(known or raw.columns()[:1])
    return sum(batch.height for batch in reading.batches) + len(reading.ragged)


def _warnings(table: TableReport) -> list[str]:
    lines = []
    name = f"table '{table.name}'"
    if table.problem is not None:
        lines.append(f"{name}: {table.problem}")
    if table.status == "undeclared":
        lines.append(f"{name}: not declared; nothing of it is read")
    if table.status == "absent" and not table.optional and table.viewed:
        lines.append(f"{name}: missing; requests that need it will be refused")
    if table.missing:
        lines.append(f"{name}: missing columns: {', '.join(table.missing)}")
    if table.headless:
        lines.append(f"{name}: its first line names hardly a known column; put the header back")
        return lines
    if table.undeclared and table.status == "declared":
        lines.append(
            f"{name}: undeclared columns: {', '.join(table.undeclared)}; declare them, or requests "
            "that need this table will be refused"
        )
    elif table.undeclared:
        lines.append(f"{name}: undeclared columns: {', '.join(table.undeclared)}; never read")
    if table.direct_identifiers:
        lines.append(
            f"{name}: plain ids in this export: {', '.join(table.direct_identifiers)}; never read"
        )
    return lines
