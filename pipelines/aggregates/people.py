"""Who takes part as a learner, numbered; and the attributes that each has one value of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.aggregates.grid import Key, Listed
from pipelines.passes import Frame, admit
from pipelines.sources.quarantine import Quarantine, Reason
from pipelines.sources.tables import ROW
from pipelines.views import COURSE, LEARNER, leaf_expr, raw_view
from schemas.declaration import Family

NUMBER: Final = "_number"
"""Of a learner who takes part, from 0; in no order that anybody sees."""

ENROLMENTS: Final = "enrolments"
LEARNERS: Final = "learners"
_KNOWN: Final = "_known"


@dataclass(frozen=True, slots=True)
class People:
    """The learners of a build, and where they take part.

    Attributes:
        pairs: `learner`, `_number`, and `_course` where the family has items: each pair once.
        own: key -> the position of each learner's value among its labels, by his number; -1 where
            he has none.
    """

    pairs: pl.DataFrame
    own: Mapping[Key, NDArray[np.int64]]


def people_of(
    tables: Mapping[str, Frame], family: Family, keys: list[Key], quarantine: Quarantine
) -> People:
    """Number the learners, and look up the attributes that cells are told apart by.

    Only accounts that take part as learners count: those that the view `enrolments` admits, in
    which courses it does; or else those of `learners`. Whoever has no row in `learners` is in no
    cell of queries that ask for an attribute, and is counted in quarantine.

    Args:
        tables: conformed tables, of permitted rows alone.
        family: its views.
        keys: all keys of all queries.
        quarantine: where learners without attributes go.
    """
    numbered = _numbered(_taking_part(tables, family))
    own = [key for key in dict.fromkeys(keys) if key.own]
    if not own:
        return People(numbered.drop(ROW), {})
    attributes = _attributes(tables, family, own)
    orphans = numbered.join(attributes, on=LEARNER, how="anti")
    quarantine.add(_table(family), Reason.NO_LEARNER_ROW, orphans[ROW])
    learners = numbered.select(LEARNER, NUMBER).unique().sort(NUMBER)
    values = learners.join(
        attributes.with_columns(pl.lit(value=True).alias(_KNOWN)),
        on=LEARNER,
        how="left",
        maintain_order="left",
    )
    known = values[_KNOWN].fill_null(value=False).to_numpy()
    return People(
        numbered.drop(ROW),
        {key: np.where(known, coded(values[key.column], key), -1) for key in own},
    )


def coded(labels: pl.Series, key: Key) -> NDArray[np.int64]:
    """The positions of leaf labels among the labels of a key.

    Returns:
        int64, of the same length; what the key does not list is its other, or -1 where it has none.
    """
    assert isinstance(key.coding, Listed)
    other = -1 if key.coding.other is None else key.coding.other
    schema = {"label": pl.String, "code": pl.Int64}
    codes = pl.DataFrame(list(key.coding.codes), schema=schema, orient="row")
    found = pl.DataFrame({"label": labels.cast(pl.String)}).join(
        codes, on="label", how="left", maintain_order="left"
    )
    return found["code"].fill_null(other).to_numpy()


def _taking_part(tables: Mapping[str, Frame], family: Family) -> pl.DataFrame:
    """`learner`, `_course` where there are items, and the first `_row` that says so."""
    name = ENROLMENTS if ENROLMENTS in family.views else LEARNERS
    view = family.views[name]
    unit = {family.learner: LEARNER}
    if name == ENROLMENTS:
        unit[family.item] = COURSE
    rows = admit(tables[view.table], where=view.where, exclude=view.exclude, by=list(unit))
    return _collected(
        rows.group_by(*unit).agg(nw.col(ROW).min()).rename(unit).select(*unit.values(), ROW)
    )


def _attributes(tables: Mapping[str, Frame], family: Family, own: list[Key]) -> pl.DataFrame:
    """`learner`, and the leaf label of each attribute: one row a learner."""
    view = family.views[LEARNERS]
    names = tuple(dict.fromkeys(key.column for key in own))
    raw = _collected(raw_view(tables, family, view, names))
    return raw.with_columns(leaf_expr(name, view.columns[name]) for name in names).drop(ROW)


def _numbered(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.with_columns((pl.col(LEARNER).rank("dense") - 1).cast(pl.UInt32).alias(NUMBER))


def _table(family: Family) -> str:
    return family.views[ENROLMENTS if ENROLMENTS in family.views else LEARNERS].table


def _collected(frame: Frame) -> pl.DataFrame:
    native: Any = frame.collect().to_native()
    assert isinstance(native, pl.DataFrame)
    return native
