"""The tables of one side of a comparison, the real one or its twin: checked, joined, of text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from schemas.roles import Grain

LEARNERS: Final = "learners"
ENROLMENTS: Final = "enrolments"
COUNT: Final = "rows of a learner"
"""Compared like a column of the learners: how many enrolments each has, as text."""


@dataclass(frozen=True)
class Side:
    """The learners and the enrolments of one side.

    Attributes:
        key: the column of the learner key.
        learners: one row a learner with his columns and, if there are enrolments, `COUNT`.
        rows: one row an enrolment with its own columns and those of its learner; None if there are
            none.
    """

    key: str
    learners: pl.DataFrame
    rows: pl.DataFrame | None

    @property
    def of_learners(self) -> tuple[str, ...]:
        """The columns of the learners, but for the key."""
        return tuple(name for name in self.learners.columns if name != self.key)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, but for the key: those of the learners first."""
        finest = self.learners if self.rows is None else self.rows
        rest = set(finest.columns) - {self.key, *self.of_learners}
        return (*self.of_learners, *(name for name in finest.columns if name in rest))

    def grain_of(self, columns: Sequence[str]) -> Grain:
        """The coarsest grain that has these columns."""
        return Grain.LEARNER if set(columns) <= set(self.of_learners) else Grain.LEARNER_COURSE

    def at(self, grain: Grain) -> pl.DataFrame:
        """The table of a grain that the columns were found at."""
        if grain is Grain.LEARNER:
            return self.learners
        assert self.rows is not None
        return self.rows


def sides(
    real: Mapping[str, pl.DataFrame],
    twin: Mapping[str, pl.DataFrame],
    *,
    key: str,
    item: str | None,
) -> tuple[Side, Side]:
    """Check both sides and join their tables.

    Args:
        real: `learners`, `enrolments` or both.
        twin: the same tables with the same columns, in any order.
        key: the learner-key column, of any type.
        item: the item column of the enrolments; None if there is none.

    Raises:
        ValueError: the tables or columns of the sides differ, or a side has nulls, columns that are
            not text, a learner twice, an item twice for one learner, or a row of nobody.
    """
    if not real or set(real) != set(twin) or not set(real) <= {LEARNERS, ENROLMENTS}:
        raise ValueError("real, twin: give both sides the same tables, learners or enrolments")
    for table in real:
        differing = sorted(set(real[table].columns) ^ set(twin[table].columns))
        if differing:
            raise ValueError(
                f"{table}: one side alone has the columns {', '.join(differing)}; give both sides"
                " the same"
            )
    ordered = {table: twin[table].select(real[table].columns) for table in real}
    return _side(real, "real", key, item), _side(ordered, "twin", key, item)


def _side(tables: Mapping[str, pl.DataFrame], name: str, key: str, item: str | None) -> Side:
    of_text = {
        table: _text(rows, where=f"{name} {table}", key=key) for table, rows in tables.items()
    }
    learners, enrolments = of_text.get(LEARNERS), of_text.get(ENROLMENTS)
    if learners is not None:
        _once(learners, [key], f"{name} {LEARNERS}: a learner has two rows; keep one")
    if enrolments is None:
        assert learners is not None
        return Side(key, learners, None)
    if item is not None:
        if item not in enrolments.columns:
            raise ValueError(f"item: the enrolments have no column {item}")
        twice = f"{name} {ENROLMENTS}: a learner has two rows of one {item}; keep one"
        _once(enrolments, [key, item], twice)
    counts = enrolments.group_by(key).agg(pl.len().alias(COUNT))
    if learners is None:
        people = counts.with_columns(pl.col(COUNT).cast(pl.String))
        return Side(key, people, enrolments.join(people, on=key))
    if len(counts.join(learners, on=key, how="anti")):
        raise ValueError(f"{name} {ENROLMENTS}: a row is of no learner of the table {LEARNERS}")
    doubled = sorted(set(learners.columns) & set(enrolments.columns) - {key})
    if doubled:
        raise ValueError(f"{name}: both tables have the columns {', '.join(doubled)}; rename one")
    number = pl.col(COUNT).fill_null(0).cast(pl.String)
    people = learners.join(counts, on=key, how="left").with_columns(number)
    return Side(key, people, enrolments.join(people, on=key))


def _text(rows: pl.DataFrame, *, where: str, key: str) -> pl.DataFrame:
    """The same rows with all columns but the key as text; no nulls."""
    if key not in rows.columns:
        raise ValueError(f"key: {where} has no column {key}")
    if COUNT in rows.columns:
        raise ValueError(f"{where}: the name {COUNT!r} is taken; rename that column")
    for column in rows.iter_columns():
        if column.null_count():
            raise ValueError(
                f"{where}, column {column.name}: nulls; give what is missing a label of its own"
            )
        of_text = isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum)
        if column.name != key and not of_text:
            raise ValueError(
                f"{where}, column {column.name}: {column.dtype}, not text; give it as labels"
            )
    return rows.with_columns(pl.exclude(key).cast(pl.String))


def _once(rows: pl.DataFrame, columns: list[str], refusal: str) -> None:
    if rows.select(columns).is_duplicated().any():
        raise ValueError(refusal)
