"""Which column of a source is which column of the declaration."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from pipelines.errors import SourceError
from pipelines.sources.tables import RawTable, Source
from schemas.declaration import Family, TableDeclaration

LINKED: Final = "linked"
"""The id domain that the core tables share."""

_PARTNER: Final = "{partner}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A declared table, found in a source.

    Attributes:
        name: its canonical name.
        declaration: what it is.
        raw: the table in the source; None where the source lacks it.
        columns: canonical name -> name in the source, for the declared columns that it has.
        undeclared: columns of the source that are neither declared nor dropped.
        id_domain: `linked`, or the isolated name of the learner column; None where the table has no
            learner column. Ids of two domains name the same learner differently: never join them.
    """

    name: str
    declaration: TableDeclaration
    raw: RawTable | None
    columns: Mapping[str, str]
    undeclared: tuple[str, ...]
    id_domain: str | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Declared columns that the source lacks and may not lack."""
        declared = self.declaration.columns.items()
        return tuple(n for n, c in declared if n not in self.columns and not c.optional)


def find_partner(family: Family, source: Source) -> str | None:
    """What `{partner}` stands for in this source; None where nothing tells.

    The columns of the table that lists the learners decide, or, without it, those of all declared
    tables by majority.

    Raises:
        SourceError: two partners are named equally often.
    """
    if family.partner_pattern is None:
        return None
    pattern = re.compile(family.partner_pattern)
    listing = family.learner_table()
    names = list(family.tables)
    if listing is not None and listing in source.tables:
        names = [listing]
    counts = Counter(
        match[1]
        for name in names
        if name in source.tables
        for column in source.tables[name].columns()
        if (match := pattern.search(column))
    )
    ranked = counts.most_common(2)
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        raise SourceError(
            f"{source.location}: learner columns of two partners, '{ranked[0][0]}' and "
            f"'{ranked[1][0]}'; give the exports of one partner"
        )
    return ranked[0][0] if ranked else None


def bind(family: Family, name: str, source: Source, partner: str | None) -> Bound:
    """Find a declared table and its columns in a source.

    Raises:
        SourceError: the table's header can't be read, or holds two names of one column.
    """
    declaration = family.tables[name]
    raw = source.tables.get(with_partner(name, partner) or name)
    present = raw.columns() if raw is not None else ()
    columns: dict[str, str] = {}
    id_domain = LINKED if declaration.learner_key() is not None else None
    for column, declared in declaration.columns.items():
        names = {with_partner(n, partner): n for n in (column, *declared.aliases)}
        found = [n for n in present if n in names]
        if len(found) > 1:
            raise SourceError(
                f"{source.location}: table '{name}' holds '{found[0]}' and '{found[1]}', two names "
                f"of column '{column}'; remove one"
            )
        if found:
            columns[column] = found[0]
            if column == declaration.learner_key() and _isolated(family, names[found[0]]):
                id_domain = found[0]
    unread = [n for n in present if n not in columns.values()]
    unknown = tuple(n for n in unread if not is_known(n, declaration.dropped, partner))
    return Bound(name, declaration, raw, columns, unknown, id_domain)


def _isolated(family: Family, template: str) -> bool:
    """Whether a learner column found by this name has ids of another domain.

    It has where the name is made for the partner, but is none that the table of learners has; where
    no table lists the learners, the first table with such a name speaks for it.
    """
    if _PARTNER not in template:
        return False
    keyed = {n: t.columns[k].aliases for n, t in family.tables.items() if (k := t.learner_key())}
    listing = family.learner_table()
    linked = (
        keyed.get(listing, ())
        if listing is not None
        else next((names for names in keyed.values() if any(_PARTNER in n for n in names)), ())
    )
    return template not in linked


def is_known(column: str, dropped: Iterable[str], partner: str | None) -> bool:
    """Whether a dropped name, which may hold `{partner}` and `*`, is this column's."""
    names = (with_partner(name, partner) for name in dropped)
    return any(name is not None and fnmatchcase(column, name) for name in names)


def is_headless(known: int, unknown: int) -> bool:
    """Whether a first line is hardly a header: most of its names are not known.

    A learner's row may stand there instead; its cells must not be told as names of columns.
    """
    return known < unknown or known == 0


def with_partner(name: str, partner: str | None) -> str | None:
    """The name in this source; None where it needs a partner and none is known."""
    if _PARTNER not in name:
        return name
    return None if partner is None else name.replace(_PARTNER, partner)
