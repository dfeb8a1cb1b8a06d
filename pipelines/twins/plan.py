"""What the build of a synthetic twin does, decided before a row is read: labels, cells, noise."""

from collections.abc import Mapping
from dataclasses import dataclass

from anonymizer.dp.accounting import Cost, composed
from anonymizer.dp.mechanisms import IntegerMechanism
from anonymizer.hierarchy import Hierarchy
from pipelines.aggregates.grid import Public
from pipelines.plan import needs_of
from schemas.declaration import Family
from schemas.request import SyntheticRequest
from schemas.roles import Role
from schemas.twin_terms import needed_views
from synth.workload import TwinShape


@dataclass(frozen=True, slots=True)
class TwinColumn:
    """A column of the twin.

    Attributes:
        view: in which it stands.
        role: as declared.
        description: for the reader.
        ladder: its hierarchy; of the item: the courses that the catalogue lists.
        level: of the hierarchy.
    """

    view: str
    role: Role
    description: str
    ladder: Hierarchy
    level: int

    @property
    def name(self) -> str:
        """Of the column."""
        return self.ladder.name

    @property
    def labels(self) -> tuple[str, ...]:
        """All that the twin may say; the codes of the model count them from 0."""
        return self.ladder.labels[self.level]


@dataclass(frozen=True, slots=True)
class PlannedMarginal:
    """Distinct learners in every cell of some columns: what is counted, and the noise on it.

    Attributes:
        name: of its table.
        columns: names; of the rows that a learner has, `ROWS_KEY`. The last one varies fastest.
        mechanism: of the noise.
    """

    name: str
    columns: tuple[str, ...]
    mechanism: IntegerMechanism


@dataclass(frozen=True, slots=True)
class TwinPlan:
    """What a build does.

    Attributes:
        request: what was asked.
        public: what cells are made of.
        columns: those of `learners` first, then those of `enrolments`, the item first.
        shape: which of them belong together; what the model is made for.
        marginals: what is measured.
    """

    request: SyntheticRequest
    public: Public
    columns: tuple[TwinColumn, ...]
    shape: TwinShape
    marginals: tuple[PlannedMarginal, ...]

    @property
    def family(self) -> Family:
        """What the source is."""
        return self.public.family

    @property
    def item(self) -> str | None:
        """The item column by which rights are recorded; None where the family has no items."""
        return next(iter(self.views().get("enrolments", ())), None)

    @property
    def course_scope(self) -> bool:
        """Whether keys of invented learners differ by course.

        Then the permission for a course is enough for its rows, as it is for an extract.
        """
        return self.request.release.pseudonyms == "course"

    @property
    def hierarchies(self) -> tuple[Hierarchy, ...]:
        """Of all columns; what the catalogue does not list is outside of its own."""
        return tuple(column.ladder for column in self.columns)

    @property
    def cost(self) -> Cost:
        """Of all draws together."""
        return composed(marginal.mechanism.cost for marginal in self.marginals)

    def views(self) -> Mapping[str, tuple[str, ...]]:
        """The views to assemble, each with its columns."""
        return needed_views(self.request, self.family)

    def needs(self) -> dict[str, frozenset[str]]:
        """The raw tables and columns that are read, and no others."""
        return needs_of(self.family, self.views(), by_item=self.item is not None)

    def of_view(self, view: str) -> tuple[TwinColumn, ...]:
        """The columns of a view."""
        return tuple(column for column in self.columns if column.view == view)

    def labels(self) -> dict[str, tuple[str, ...]]:
        """Column -> its labels; how many rows a learner has among them."""
        found = {column.name: column.labels for column in self.columns}
        if self.of_view("enrolments"):
            found[self.shape.number] = tuple(str(i + 1) for i in range(self.shape.most_rows))
        return found
