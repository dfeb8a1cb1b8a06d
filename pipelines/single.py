"""The story of one table: `kohort anonymize`, the way in for users of ARX and anjana.

Every column with a hierarchy is a quasi-identifier. Learners, not rows, are counted where a column
names them. What leaves is the generalized quasi-identifiers and the sensitive columns that a model
bounds: nothing is known to protect any other column.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from anonymizer.errors import NoRecodingError
from anonymizer.generalization import Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, SensitiveCounts
from anonymizer.local import local_recoding
from anonymizer.models import KAnonymity, Model
from anonymizer.search import Node, optimal_recoding
from anonymizer.utility import average_class_size, discernibility, granularity, loss
from pipelines.errors import PrivacyError
from pipelines.single_options import (
    METRICS,
    Columns,
    MetricName,
    Options,
    assign_columns,
    closeness_models,
)
from pipelines.single_people import (
    PERSON,
    count_tuples,
    read_orders,
    read_people,
    read_trees,
)
from pipelines.single_table import (
    HierarchyTables,
    check_new,
    read_hierarchies,
    read_table,
    write_table,
)

_WARM_TUPLES: Final = 200
_WARM_EVALUATIONS: Final = 50


@dataclass(frozen=True, slots=True)
class Report:
    """What an anonymization cost and found; it holds no cell value.

    Attributes:
        node: the level of each quasi-identifier, in the order of the table; None where recoding
            is local.
        metric: what was minimized.
        loss: ARX's Loss (geometric, with the weights); 0 where nothing was lost, at most 1.
        discernibility: kept classes squared, plus total times suppressed.
        aecs: average equivalence class size.
        granularity: ARX's, 1 where nothing was lost.
        suppressed_rows: rows that left.
        suppressed_learners: distinct learners (rows without a learner column) who left.
        classes: equivalence classes released.
        smallest_class: the fewest learners of any.
        cpu_seconds: processor time of the search alone, its kernels compiled before.
        exact: whether nothing better exists; False where recoding is local.
    """

    node: tuple[int, ...] | None
    metric: MetricName
    loss: float
    discernibility: int
    aecs: float
    granularity: float
    suppressed_rows: int
    suppressed_learners: int
    classes: int
    smallest_class: int
    cpu_seconds: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Anonymized:
    """An anonymized table, and what to tell about it.

    Attributes:
        table: what may leave, as text, sorted: no row tells where it stood.
        report: figures.
        notes: what the user should know, one line each; names of columns and counts only.
    """

    table: pl.DataFrame
    report: Report
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    generalization: Generalization
    node: Node | None
    exact: bool


def anonymize_file(
    file: Path, out: Path, *, hierarchies: Path, separator: str, options: Options
) -> Anonymized:
    """Read a table and its hierarchies, anonymize, write.

    Raises:
        SourceError: the table or a hierarchy can't be read, or they do not fit each other.
        OptionError: an option does not fit the table.
        PrivacyError: nothing keeps the models within the suppression limit.
        OutputError: `out` exists, or can't be written.
    """
    check_new(out)
    result = anonymize_table(
        read_table(file, separator), read_hierarchies(hierarchies, separator), options
    )
    write_table(result.table, out, separator)
    return result


def anonymize_table(
    table: pl.DataFrame,
    hierarchies: HierarchyTables,
    options: Options,
    *,
    clock: Callable[[], float] = time.process_time,
) -> Anonymized:
    """Generalize and suppress until every class holds k distinct learners and every model.

    Args:
        table: every cell as text, the empty text for an unknown value.
        hierarchies: column -> the rows of its hierarchy.
        options: what is asked.
        clock: processor time in seconds.

    Raises:
        SourceError: a hierarchy is no tree, a value has no leaf in it, a row has no learner, or
            an ordered column has no order.
        OptionError: an option does not fit the table.
        PrivacyError: nothing keeps the models within the suppression limit.
    """
    columns = assign_columns(table.columns, tuple(hierarchies), options)
    trees = read_trees(table, columns, hierarchies, options)
    people = read_people(table, columns, options.learner)
    quasi = [replace(trees[name], name=f"q{j}") for j, name in enumerate(columns.quasi)]
    orders = read_orders(table, trees, options)
    histogram, tuples = count_tuples(people, columns, quasi, orders)
    task = _Task(
        quasi=quasi,
        models=(KAnonymity(options.k), *options.diversity, *closeness_models(options, trees)),
        options=options,
        weights=[options.weights.get(name, 1.0) for name in columns.quasi],
        limit=int(options.suppression_limit * histogram.total),
    )
    # A few tuples may be too few learners for k: any class will do to compile the kernels.
    anyone = replace(task, models=(KAnonymity(1), *task.models[1:]), limit=histogram.total)
    with suppress(NoRecodingError):
        anyone(_head(histogram), evaluations=_WARM_EVALUATIONS)
    start = clock()
    try:
        found = task(histogram, evaluations=None)
    except NoRecodingError as error:
        raise PrivacyError(str(error)) from None
    seconds = clock() - start
    released = _recode(people.rows, tuples, histogram, quasi, found.generalization)
    classes, smallest = _recount(released, people.rows, k=options.k, limit=task.limit)
    report = Report(
        node=found.node,
        metric=options.metric,
        loss=loss(histogram, quasi, found.generalization, task.weights),
        discernibility=discernibility(histogram, found.generalization),
        aecs=average_class_size(histogram, found.generalization),
        granularity=granularity(histogram, quasi, found.generalization),
        suppressed_rows=len(people.rows) - len(released),
        suppressed_learners=histogram.total - released[PERSON].n_unique(),
        classes=classes,
        smallest_class=smallest,
        cpu_seconds=seconds,
        exact=found.exact,
    )
    notes = (*_notes(columns, hierarchies, table.columns, options.learner), *people.notes)
    return Anonymized(_for_release(released, table.columns, columns), report, notes)


@dataclass(frozen=True, slots=True)
class _Task:
    """A search that can be run on any histogram of the same columns."""

    quasi: Sequence[Hierarchy]
    models: Sequence[Model]
    options: Options
    weights: Sequence[float]
    limit: int

    def __call__(self, histogram: Histogram, *, evaluations: int | None) -> _Found:
        if self.options.recoding == "local":
            local = local_recoding(
                histogram,
                self.quasi,
                self.models,
                suppression_limit=self.limit,
                weights=self.weights,
            )
            return _Found(local.generalization, None, exact=False)
        best = optimal_recoding(
            histogram,
            self.quasi,
            self.models,
            suppression_limit=self.limit,
            weights=self.weights,
            metric=METRICS[self.options.metric],
            max_evaluations=evaluations,
        )
        return _Found(best.generalization, best.levels, best.exact)


def _head(histogram: Histogram) -> Histogram:
    """The first tuples of a histogram: enough to compile the search, or load it, beforehand."""
    n = _WARM_TUPLES

    def cut(counts: SensitiveCounts) -> SensitiveCounts:
        inside = counts.tuple_index < n
        return SensitiveCounts(
            tuple_index=counts.tuple_index[inside],
            value=counts.value[inside],
            learners=counts.learners[inside],
            values=counts.values,
        )

    return Histogram(
        codes=histogram.codes[:n],
        cell=histogram.cell[:n],
        learners=histogram.learners[:n],
        population=histogram.population[:n],
        sensitive={name: cut(counts) for name, counts in histogram.sensitive.items()},
    )


def _recode(
    people: pl.DataFrame,
    tuples: pl.DataFrame,
    histogram: Histogram,
    quasi: Sequence[Hierarchy],
    generalization: Generalization,
) -> pl.DataFrame:
    """The rows of the learners who stay, with released labels; suppressed learners leave whole."""
    by = [hierarchy.name for hierarchy in quasi]
    labels = generalization.labels(histogram.codes, quasi)
    of_tuple = tuples.filter(pl.Series(~generalization.suppressed)).select(
        *by,
        *(
            pl.Series(f"label{j}", column.tolist(), dtype=pl.String)
            for j, column in enumerate(labels)
        ),
    )
    recoded = people.join(of_tuple, on=by, how="inner").drop(by)
    return recoded.rename({f"label{j}": name for j, name in enumerate(by)})


def _recount(
    released: pl.DataFrame, people: pl.DataFrame, *, k: int, limit: int
) -> tuple[int, int]:
    """Count anew what is about to be written; the number of classes and the smallest.

    Raises:
        PrivacyError: a class is below k, or too many learners left.
    """
    labels = [name for name in released.columns if name.startswith("q")]
    sizes = released.group_by(labels).agg(pl.col(PERSON).n_unique())[PERSON]
    smallest = min(sizes.to_list(), default=0)
    left = people[PERSON].n_unique() - released[PERSON].n_unique()
    if smallest < k or left > limit:
        raise PrivacyError(
            "a fault of kohort: the recount of the finished table does not confirm k or the "
            "suppression limit; nothing was written, please report what you ran"
        )
    return len(sizes), smallest


def _for_release(released: pl.DataFrame, names: Sequence[str], columns: Columns) -> pl.DataFrame:
    """Without the person, under the table's own names and in its order, sorted by content."""
    own = {name: f"q{j}" for j, name in enumerate(columns.quasi)}
    own |= {name: f"s{j}" for j, name in enumerate(columns.sensitive)}
    first = [f"q{j}" for j in range(len(columns.quasi))]
    rest = [f"s{j}" for j in range(len(columns.sensitive))]
    return released.sort(*first, *rest).select(
        pl.col(own[name]).alias(name) for name in names if name in own
    )


def _notes(
    columns: Columns, hierarchies: HierarchyTables, names: Sequence[str], learner: str | None
) -> list[str]:
    notes = []
    if learner is None:
        notes.append("each row counts as a person; if people have several rows, give --learner")
    absent = [name for name in hierarchies if name not in names]
    if absent:
        notes.append(f"hierarchies of columns that the table lacks, ignored: {', '.join(absent)}")
    if columns.left_out:
        notes.append(
            f"left out: {', '.join(columns.left_out)}; without a hierarchy or a model nothing is "
            "known to protect them"
        )
    return notes
