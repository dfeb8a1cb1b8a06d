"""An extract beside those that are out already: anonymized, held against them, and anew.

Whoever holds several releases of one population sees more than each of them shows. So an extract
takes over the recode of the live ones, and leaves out whom the gate would see singled out by all of
them together; see `pipelines.gate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pipelines.errors import PrivacyError
from pipelines.frozen import Frozen, merged
from pipelines.gate import left_out
from pipelines.governance.tables import NO_ITEM
from pipelines.microdata import Extract, anonymize
from pipelines.plan import Plan
from pipelines.shown import Shown
from pipelines.views import LEARNER
from pipelines.world import World, make_world

CLASS_NUMBER = "class_number"
_RAW = "_raw"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A live release: what it shows, and how it was made.

    Attributes:
        release: its id.
        shown: of whom.
        frozen: the recode.
    """

    release: str
    shown: Shown
    frozen: Frozen


@dataclass(frozen=True, slots=True)
class Apart:
    """An extract that may stand beside the live ones.

    Attributes:
        extract: under raw learner ids.
        shown: what it adds to what is out already, under the registry's digests.
        classes: class number -> quasi-identifier -> released label.
        releases: the live releases that it was held against.
        held_back: learners (rows under course scope) whom these hold back.
        departing: learners (rows under course scope) who left beside those whose right it was.
    """

    extract: Extract
    shown: Shown
    classes: Mapping[int, Mapping[str, str]]
    releases: tuple[str, ...] = ()
    held_back: int = 0
    departing: int = 0


def anonymize_beside(
    frames: Mapping[str, pl.DataFrame],
    plan: Plan,
    earlier: Sequence[Earlier],
    known_as: pl.DataFrame,
    *,
    most_departing: float,
    generator: np.random.Generator,
) -> Apart:
    """Anonymize until the gate lets the extract out.

    Args:
        frames: the permitted rows of the views.
        plan: hierarchies, models and limits.
        earlier: every live release that shows somebody of the source.
        known_as: `learner` and `digest`: how the registry knows whom.
        most_departing: the largest share of learners (rows under course scope) that may leave
            beside those whose right it was to leave. They are not among whom the request's limit
            is about.
        generator: draws who these are.

    Raises:
        PrivacyError: no recoding keeps suppression within its limits, or the live releases leave
            no room for this one.
    """
    frozen = merged([one.frozen for one in earlier])
    present = _present(make_world(frames, plan), plan, known_as)
    staying, held = frames, None
    departing = pl.DataFrame()
    while True:
        extract = anonymize(staying, plan, frozen=frozen, held=held)
        apart = _apart(extract, plan, known_as)
        if not earlier:
            return apart
        out = left_out(
            [one.shown for one in earlier], apart.shown, present=present, generator=generator
        )
        if out.is_empty():
            return replace(
                apart,
                releases=tuple(one.release for one in earlier),
                held_back=0 if held is None else len(held),
                departing=len(departing),
            )
        # What was chosen stays: the gate leaves out nothing more where classes are the same.
        frozen = merged([frozen, Frozen.of(extract, plan)])
        rows = _raw(out, plan, known_as)
        departing = pl.concat([departing, rows.filter("departing")], how="diagonal").unique()
        if len(departing) > most_departing * len(_units(present, plan)):
            raise PrivacyError(
                "too many would have to leave beside learners who left since an earlier release; "
                "have the destruction of that release confirmed first (`kohort release list`)"
            )
        staying = _without(frames, departing.drop("departing"), plan)
        more = rows.filter(~pl.col("departing")).drop("departing")
        held = more if held is None else pl.concat([held, more]).unique()


def _units(present: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """What the gate lets go one by one: rows under course scope, learners otherwise."""
    return present if plan.course_scope else present.select(LEARNER).unique()


def _raw(out: pl.DataFrame, plan: Plan, known_as: pl.DataFrame) -> pl.DataFrame:
    """Whom to leave out, under raw ids: `learner`, under course scope the item, `departing`."""
    raw = known_as.select(pl.col(LEARNER).alias(_RAW), pl.col("digest").alias(LEARNER))
    named = out.join(raw, on=LEARNER, how="inner")
    item = [pl.col("item").alias(plan.item)] if plan.course_scope and plan.item else []
    return named.select(pl.col(_RAW).alias(LEARNER), *item, "departing")


def _without(
    frames: Mapping[str, pl.DataFrame], rows: pl.DataFrame, plan: Plan
) -> dict[str, pl.DataFrame]:
    """The views without some learners, or some learners' items."""
    if plan.course_scope:
        gone = frames["enrolments"].join(rows, on=rows.columns, how="anti")
        return {**frames, "enrolments": gone}
    return {name: frame.join(rows, on=LEARNER, how="anti") for name, frame in frames.items()}


def _present(world: World, plan: Plan, known_as: pl.DataFrame) -> pl.DataFrame:
    """Everybody who might be released: `learner` as the registry knows him, and `item`."""
    learners = world.learners.rows.select(LEARNER)
    rows = learners.with_columns(pl.lit(NO_ITEM).alias("item"))
    if world.enrolments is not None:
        assert plan.item is not None
        rows = world.enrolments.rows.select(LEARNER, pl.col(plan.item).alias("item"))
    return _digested(rows, known_as).select(LEARNER, "item").unique()


def _digested(rows: pl.DataFrame, known_as: pl.DataFrame) -> pl.DataFrame:
    return rows.join(known_as, on=LEARNER, how="inner").with_columns(
        pl.col("digest").alias(LEARNER)
    )


def _apart(extract: Extract, plan: Plan, known_as: pl.DataFrame) -> Apart:
    """What the extract shows of whom."""
    names = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    item = plan.item if plan.request.release.enrolments else None
    if plan.course_scope:
        assert item is not None
        rows = extract.tables["enrolments"].select(LEARNER, pl.col(item).alias("item"), *names)
    else:
        rows = extract.tables["learners"].select(LEARNER, *names)
        if item is None:
            rows = rows.with_columns(pl.lit(NO_ITEM).alias("item"))
        else:
            taken = extract.tables["enrolments"].select(LEARNER, pl.col(item).alias("item"))
            rows = rows.join(taken, on=LEARNER, how="left").with_columns(
                pl.col("item").fill_null(NO_ITEM)
            )
    labels = rows.select(names).unique().sort(names) if names else pl.DataFrame([{}])
    numbered = labels.with_row_index(CLASS_NUMBER).with_columns(pl.col(CLASS_NUMBER).cast(pl.Int64))
    rows = (
        rows.join(numbered, on=names, how="inner", nulls_equal=True)
        if names
        else rows.with_columns(pl.lit(0, pl.Int64).alias(CLASS_NUMBER))
    )
    members = _digested(rows, known_as).select(LEARNER, "item", CLASS_NUMBER)
    classes = (
        {row.pop(CLASS_NUMBER): row for row in numbered.iter_rows(named=True)} if names else {0: {}}
    )
    release = plan.request.release
    shown = Shown(
        k=plan.terms.k,
        m=plan.terms.m,
        project=release.project,
        item=item,
        members=members.unique().sort(pl.all()),
    )
    return Apart(extract, shown, classes)
