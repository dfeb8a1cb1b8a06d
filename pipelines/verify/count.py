"""Counting distinct learners per class in any CSV or Parquet file: where kohort users start.

Tools that count rows call a table k-anonymous in which one learner fills a whole class.
"""

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

_PARQUET_MAGIC = b"PAR1"
_NOBODY = ["", "NA", "NaN", "null", "NULL"]
"""How tools write that there is no learner."""


class CountError(Exception):
    """The file can't be counted as asked; the message is one line without values of the file."""


@dataclass(frozen=True, slots=True)
class CountResult:
    """Distinct learners per class; a class is a combination of the quasi-identifiers that occurs.

    Attributes:
        k: the threshold.
        rows: of the file.
        rows_without_learner: rows whose learner is null, empty or a word for nothing (NA, NaN,
            null); they are in no class.
        learners: distinct learners.
        classes: of at least one learner.
        classes_below_k: classes of fewer than k learners.
        learners_below_k: learner-class incidences in those: a learner in two classes counts twice.
        smallest_class: the fewest learners of any class.
    """

    k: int
    rows: int
    rows_without_learner: int
    learners: int
    classes: int
    classes_below_k: int
    learners_below_k: int
    smallest_class: int

    @property
    def ok(self) -> bool:
        """Whether every class has at least k learners."""
        return self.classes_below_k == 0


def count_learners(
    file: Path, learner: str, qi: Sequence[str], *, k: int, separator: str = ","
) -> CountResult:
    """Count the distinct learners of each class.

    Every column is read as text. A null quasi-identifier is a value of its own; in CSV an empty
    cell is a null, whether quoted or not.

    Args:
        file: CSV (UTF-8, with a header) or Parquet; told apart by content.
        learner: the column that names the learner.
        qi: the columns an attacker knows.
        k: the threshold.
        separator: of the columns of a CSV file.

    Raises:
        CountError: a file that can't be read or has no learner, or a column that is not in it.
    """
    columns = [learner, *qi]
    if len(set(columns)) != len(columns) or not qi:
        raise CountError("expected one learner column and other, different quasi-identifiers")
    try:
        rows = _read(file, columns, separator)
    except OSError as error:
        raise CountError(f"{file}: can't be read ({error.strerror})") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, csv.Error, ValueError):
        raise CountError(
            f"{file}: expected Parquet, or CSV in UTF-8 with as many cells in each row as in the "
            "header; check --separator"
        ) from None
    # Blanks and a number's `.0` are no part of an id; the words for nothing are nobody.
    ids = pl.col(learner).str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
    nobody = ids.is_null() | ids.is_in(_NOBODY)
    named = rows.with_columns(ids).filter(~nobody)
    if not named.height:
        raise CountError(f"{file}: no row names a learner in {learner}")
    sizes = named.unique().group_by(qi).len("learners")["learners"].cast(pl.Int64)
    below = sizes.filter(sizes < k)
    return CountResult(
        k=k,
        rows=rows.height,
        rows_without_learner=rows.height - named.height,
        learners=named[learner].n_unique(),
        classes=sizes.len(),
        classes_below_k=below.len(),
        learners_below_k=int(below.sum()),
        smallest_class=min(sizes.to_list()),
    )


def _read(file: Path, columns: Sequence[str], separator: str) -> pl.DataFrame:
    with file.open("rb") as start:
        is_parquet = start.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    if is_parquet:
        source = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        _demand_columns(file, columns, source.collect_schema().names())
        return source.select(pl.col(columns).cast(pl.String)).collect()
    with file.open(encoding="utf-8-sig", newline="") as text:
        header = next(csv.reader(text, delimiter=separator), [])
    _demand_columns(file, columns, header)
    source = pl.scan_csv(
        file, separator=separator, infer_schema=False, empty_string_is_null=True, glob=False
    )
    # A quoted empty cell is read as "", an unquoted one as null: CSV writers use both for nothing.
    nothing = pl.col(columns).replace("", None)
    return source.select(nothing).collect()


def _demand_columns(file: Path, wanted: Sequence[str], present: Sequence[str]) -> None:
    for column in wanted:
        if present.count(column) > 1:
            raise CountError(f"{file}: two columns are named {column!r}; rename one")
        if column not in present:
            near = difflib.get_close_matches(column, present, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "check the header and --separator"
            raise CountError(f"{file}: no column {column!r}; {hint}")
