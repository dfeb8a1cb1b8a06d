"""One person behind many ids: the id domains of every source, and where a person stands in them.

An export may know a learner by one id, or in each domain (forums, peer review, each course) by
another; bridge tables say which ids are one person's. Ids that no bridge links can't be found from
each other: the person must be named by each. As in the rights registry, one id is one person,
whatever source it stands in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pipelines.errors import SourceError
from pipelines.governance.id_tables import IdTable, bridges, canonical_id, read_ids, searchable
from pipelines.settings import Workspace

_HUB: Final = "#hub"
_HOME: Final = "#home"
_ROOT: Final = "#root"
_SOURCE: Final = "#source"
_AMBIGUOUS: Final = "#ambiguous"

_Keys = dict[tuple[str, str], set[str]]
"""(source, key as declared) -> the keys of a person's rows."""


class AmbiguousPersonError(SourceError):
    """The bridge tables of a source give one person several learner keys."""


@dataclass(frozen=True, slots=True)
class Place:
    """A column that was searched for a person.

    Attributes:
        source: the source's name in the workspace.
        table: the table, as declared.
        column: the column, as the source names it.
        rows: how many of its rows name the person, or a row that does.
        holds_text: whether people wrote in the table, as far as is known.
        id_domain: which ids stand there; None where the column names rows that name the person.
        unreadable: how many rows of the table can't be split into columns, and were not searched.
    """

    source: str
    table: str
    column: str
    rows: int
    holds_text: bool
    id_domain: str | None
    unreadable: int


@dataclass(frozen=True, slots=True)
class Identities:
    """A person's ids in all id domains, and where they stand.

    Attributes:
        ids: canonical ids, the given one included.
        found: every column of ids, those without the person too; and the columns that name rows of
            the person.
        unknown: (source, table or table.column) that nothing is declared of.
    """

    ids: frozenset[str]
    found: tuple[Place, ...]
    unknown: tuple[tuple[str, str], ...]

    def unreached(self) -> tuple[tuple[str, str], ...]:
        """(source, id domain) without a row of the person, in sources that know him."""
        here = {place.source for place in self.found if place.rows}
        reached = {(place.source, place.id_domain) for place in self.found if place.rows}
        searched = {(p.source, p.id_domain) for p in self.found if p.id_domain is not None}
        return tuple(sorted(pair for pair in searched - reached if pair[0] in here))

    def unsearched(self) -> tuple[tuple[str, str], ...]:
        """(source, what) in which nobody was looked for, and why."""
        unsplit = {(p.source, p.table): p.unreadable for p in self.found if p.unreadable}
        return (
            *((source, f"{what}: not declared") for source, what in self.unknown),
            *(
                (s, f"{t}: rows that can't be split into columns: {n}")
                for (s, t), n in unsplit.items()
            ),
        )


def all_ids(workspace: Workspace, learner_id: str) -> Identities:
    """Every id of one person in every id domain of every source, and where they stand.

    Raises:
        SourceError: a source can't be opened or read: nobody was looked for there, so nobody was
            not found.
        AmbiguousPersonError: bridge tables of a source give the person several learner keys, so
            that some of the ids may be a stranger's.
    """
    return _identities(workspace, learner_id, linked=True)


def one_id(workspace: Workspace, learner_id: str) -> Identities:
    """Where one id stands; no bridge is followed.

    Raises:
        SourceError: a source can't be opened or read.
    """
    return _identities(workspace, learner_id, linked=False)


def aliases(workspace: Workspace) -> pl.DataFrame | None:
    """Which ids are one person's: every id that a bridge table of any source links to another.

    Of all sources, as a right may be on record under an id that another source knows.

    Returns:
        Text columns `id` and `person`, one row an id, in no order; ids are canonical. The person is
        called by his learner key, of the first source by name that has one, or by any of his ids
        where no bridge has a key: such a name stays when he takes up another course. `person` is
        null where the bridge tables of a source give several learner keys: one row that is wrong,
        such as an id that stands for nobody, makes strangers one, and nobody knows which row it is.
        None where no source has bridge tables.

    Raises:
        SourceError: a source whose family declares bridge tables can't be opened or read.
    """
    tables = [table for name in sorted(workspace.sources) for table in bridges(workspace, name)]
    if not tables:
        return None
    read = [_pairs(table) for table in tables]
    people = _chains(pl.concat([pairs for pairs, _ in read]))
    keys = pl.concat([keys for _, keys in read]).unique()
    keyed = people.join(keys, on="id").sort(_SOURCE, "id")
    several = pl.col(_SOURCE).len() > pl.col(_SOURCE).n_unique()
    named = keyed.group_by(_ROOT).agg(
        pl.col("id").first().alias("person"), several.alias(_AMBIGUOUS)
    )
    unambiguous = pl.col(_AMBIGUOUS).is_null() | ~pl.col(_AMBIGUOUS)
    return people.join(named, on=_ROOT, how="left").select(
        "id", pl.when(unambiguous).then(pl.coalesce("person", _ROOT)).alias("person")
    )


def _identities(workspace: Workspace, learner_id: str, *, linked: bool) -> Identities:
    sources = {name: searchable(workspace, name) for name in workspace.sources}
    tables = [table for source in sources.values() for table in source.tables]
    given = canonical_id(learner_id)
    ids = _linked_ids([t for t in tables if t.bridge], given) if linked else {given}
    unknown = [(name, what) for name, source in sources.items() for what in source.unknown]
    return Identities(frozenset(ids), _places(tables, ids), tuple(unknown))


def _linked_ids(tables: Sequence[IdTable], learner_id: str) -> set[str]:
    """The ids that rows of the bridge tables link to this one, by way of others too."""
    ids, before = {learner_id}, 0
    keys: dict[str, set[str]] = {}
    while len(ids) > before:
        before = len(ids)
        for table in tables:
            for batch in read_ids(table, table.bridge, []):
                rows = batch.filter(
                    pl.any_horizontal(pl.col(c).is_in(list(ids)) for c in table.bridge)
                )
                for column in table.bridge:
                    ids.update(rows[column].drop_nulls())
                if table.learner in table.bridge:
                    keys.setdefault(table.source, set()).update(rows[table.learner].drop_nulls())
    for source, several in keys.items():
        if len(several) > 1:
            raise AmbiguousPersonError(
                f"source '{source}': its bridge tables give one person {len(several)} learner "
                "keys, so some of the ids may be another's; have the platform mend the row that is "
                "wrong"
            )
    return ids


def _places(tables: Sequence[IdTable], ids: Iterable[str]) -> tuple[Place, ...]:
    """Where the ids stand, and where rows stand that hang on rows of the person by their key."""
    keys: _Keys = {}
    places = [p for table in tables for p in _search(table, dict.fromkeys(table.ids, ids), keys)]
    hanging: dict[tuple[str, str], list[Place]] = {}
    before = 0
    while before < (now := sum(map(len, keys.values()))):
        before = now
        for table in tables:
            of_person = {
                column: keys[table.source, key]
                for column, key in table.references.items()
                if (table.source, key) in keys
            }
            found = _search(table, of_person, keys)
            hanging[table.source, table.name] = [place for place in found if place.rows]
    return (*places, *(place for found in hanging.values() for place in found))


def _search(table: IdTable, wanted: Mapping[str, Iterable[str]], keys: _Keys) -> list[Place]:
    """Count the rows with a wanted value, by column; the keys of these rows are added to `keys`."""
    if not wanted:
        return []
    hits = {c: pl.col(c).is_in(list(v)).fill_null(value=False) for c, v in wanted.items()}
    own = [table.key[1]] if table.key is not None else []
    rows, ragged = dict.fromkeys(wanted, 0), list[int]()
    for batch in read_ids(table, list(dict.fromkeys([*wanted, *own])), ragged):
        for column, hit in hits.items():
            found = batch.filter(hit)
            rows[column] += found.height
            if table.key is not None and found.height:
                name, raw = table.key
                keys.setdefault((table.source, name), set()).update(found[raw].drop_nulls())
    return [
        Place(
            source=table.source,
            table=table.name,
            column=column,
            rows=count,
            holds_text=table.holds_text,
            id_domain=table.ids.get(column),
            unreadable=sum(ragged),
        )
        for column, count in rows.items()
    ]


def _pairs(table: IdTable) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each id of a bridge's row beside the row's hub: `id`, `#hub`; and all learner keys.

    The hub of a row is its learner key, or the first of its ids where it has none. Keys come as
    `id` and `#source`, also from rows that link nothing.
    """
    columns = sorted(table.bridge, key=lambda column: column != table.learner)
    found = [pl.DataFrame(schema={"id": pl.String, _HUB: pl.String})]
    keys = [pl.DataFrame(schema={"id": pl.String})]
    for batch in read_ids(table, columns, []):
        rows = batch.select(*columns, pl.coalesce(columns).alias(_HUB))
        pairs = [rows.select(pl.col(column).alias("id"), _HUB) for column in columns]
        found.append(pl.concat(pairs).filter(pl.col("id") != pl.col(_HUB)))
        if columns[0] == table.learner:
            keys.append(rows.select(pl.col(columns[0]).alias("id")).drop_nulls().unique())
    named = pl.concat(keys).with_columns(pl.lit(table.source).alias(_SOURCE))
    return pl.concat(found), named


def _chains(pairs: pl.DataFrame) -> pl.DataFrame:
    """Every id, and one of those that any chain of pairs links to it, the same for all: `#root`."""
    # Nearly every id stands beside one hub alone; only hubs that share one are traced further.
    home = pairs.group_by("id").agg(pl.col(_HUB).first().alias(_HOME))
    hubs = pairs.select(_HUB).unique()
    shared = pairs.join(home, on="id").select(_HUB, _HOME)
    chained = hubs.join(home, left_on=_HUB, right_on="id")
    links = pl.concat([shared, chained]).filter(pl.col(_HUB) != pl.col(_HOME)).unique()
    ids = pl.concat([home.rename({_HOME: _HUB}), hubs.select(pl.col(_HUB).alias("id"), _HUB)])
    rooted = ids.unique("id").join(_roots(links.rows()), on=_HUB, how="left")
    return rooted.select("id", pl.coalesce(_ROOT, _HUB).alias(_ROOT))


def _roots(links: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """The first in order of those whom any chain of links makes one: `#hub`, `#root` (union-find).

    Args:
        links: pairs of ids that are one person's.
    """
    parent: dict[str, str] = {}

    def root(one: str) -> str:
        parent.setdefault(one, one)
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        return one

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    rows = [(one, root(one)) for one in parent]
    return pl.DataFrame(rows, schema={_HUB: pl.String, _ROOT: pl.String}, orient="row")
