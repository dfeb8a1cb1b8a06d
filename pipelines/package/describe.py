"""The columns of a release as they will stand in its manifest: role, meaning, closed domain."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from anonymizer.search import Recoding
from pipelines.microdata import Extract
from pipelines.plan import Plan
from pipelines.views import LEARNER
from schemas.manifest import LEARNER_KEY, Field
from schemas.policy import requested
from schemas.roles import Grain


@dataclass(frozen=True, slots=True)
class Described:
    """A pseudonymized table and its columns.

    Attributes:
        frame: the rows, in no order that the source knew.
        grain: `learner` or `learner-course`.
        fields: one a column, in its order.
        primary_key: the columns that tell rows apart.
    """

    name: str
    frame: pl.DataFrame
    grain: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]


def describe(
    tables: Mapping[str, pl.DataFrame], extract: Extract, plan: Plan
) -> tuple[Described, ...]:
    """Describe pseudonymized tables.

    The domain of a quasi-identifier is every label of the level it was recoded to, or of its
    hierarchy where levels differ by class; that of a binned column is every label of its ladder;
    that of the item, and of a column of means, is what was released.
    """
    found = extract.recoded.found
    domains = {
        hierarchy.name: hierarchy.labels[found.levels[j]]
        if isinstance(found, Recoding)
        else hierarchy.domain()
        for j, hierarchy in enumerate(plan.quasi_identifiers)
    }
    ladders = (*plan.learner_ladders, *plan.enrolment_ladders)
    domains |= {ladder.name: ladder.domain() for ladder in ladders}
    columns = requested(plan.request, plan.family)

    def field(name: str, frame: pl.DataFrame) -> Field:
        if name == LEARNER:
            return Field(LEARNER, LEARNER_KEY, _pseudonym_text(plan))
        # No source list of items, and no list of means, could be closed but by what is released.
        domain = domains[name] if name in domains else tuple(sorted(frame[name].unique()))
        return Field(name, columns[name].role.value, columns[name].description, domain)

    return tuple(
        Described(
            name=name,
            frame=frame,
            grain=(Grain.LEARNER if name == "learners" else Grain.LEARNER_COURSE).value,
            fields=tuple(field(column, frame) for column in frame.columns),
            primary_key=(
                (LEARNER,) if name == "learners" or plan.item is None else (LEARNER, plan.item)
            ),
        )
        for name, frame in tables.items()
    )


def _pseudonym_text(plan: Plan) -> str:
    project = plan.request.release.project
    released = "in this release" if project is None else f"in every release of {project}"
    reach = "in one course" if plan.course_scope else released
    return f"Pseudonym of a learner {reach}; no key joins it to anything else."
