"""What `kohort anonymize` is asked: its options as values, and what each column of a table is."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final, Literal, TypeAlias

from anonymizer.closeness import EqualDistance, HierarchicalDistance, OrderedDistance, TCloseness
from anonymizer.diversity import DistinctLDiversity, EntropyLDiversity, RecursiveLDiversity
from anonymizer.errors import CoreError
from anonymizer.hierarchy import Hierarchy
from anonymizer.metrics import AverageClassSize, Discernibility, Loss, Metric
from pipelines.errors import KohortError

Diversity: TypeAlias = DistinctLDiversity | EntropyLDiversity | RecursiveLDiversity
DistanceName: TypeAlias = Literal["equal", "ordered", "hierarchical"]
MetricName: TypeAlias = Literal["loss", "discernibility", "aecs"]
RecodingName: TypeAlias = Literal["global", "local"]

METRICS: Final[Mapping[MetricName, Metric]] = {
    "loss": Loss(),
    "discernibility": Discernibility(),
    "aecs": AverageClassSize(),
}
DISTANCES: Final[tuple[DistanceName, ...]] = ("equal", "ordered", "hierarchical")


class OptionError(KohortError):
    """An option is malformed, or does not fit the table."""

    exit_code: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked, before any file is read.

    Attributes:
        k: distinct learners (rows without a learner column) that share each class.
        learner: the column that names the learner; None where each row is a person.
        diversity: l-diversity of sensitive columns.
        closeness: sensitive column -> t.
        distances: column of `closeness` -> its distance; `equal` for those left out.
        suppression_limit: the share of learners that may leave.
        metric: what global recoding minimizes.
        recoding: global (full-domain) or local.
        weights: quasi-identifier -> its weight; 1 for those left out.

    Raises:
        OptionError: a number is out of range, or two options contradict each other.
    """

    k: int
    learner: str | None
    diversity: tuple[Diversity, ...]
    closeness: Mapping[str, float]
    distances: Mapping[str, DistanceName]
    suppression_limit: Fraction
    metric: MetricName
    recoding: RecodingName
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not 0 <= self.suppression_limit <= 1:
            raise OptionError("--suppression-limit: a share of learners between 0 and 1")
        if self.recoding == "local" and self.metric != "loss":
            raise OptionError("--metric: local recoding minimizes loss; leave --metric out")
        if not all(0 < weight < math.inf for weight in self.weights.values()):
            raise OptionError("--weight: numbers above 0")
        for column in self.distances:
            if column not in self.closeness:
                raise OptionError(f"--t-distance {column}: goes with --t {column}=...")
        if self.learner is not None and self.learner in self.sensitive:
            raise OptionError(f"--learner {self.learner}: can't be sensitive too; drop one")

    @property
    def sensitive(self) -> tuple[str, ...]:
        """The columns named by --l or --t, each once."""
        return tuple(dict.fromkeys([*(model.column for model in self.diversity), *self.closeness]))


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a table is.

    Attributes:
        quasi: those with a hierarchy, in the order of the table.
        sensitive: those named by --l or --t, in the order of the table.
        left_out: all others, the learner column among them.
    """

    quasi: tuple[str, ...]
    sensitive: tuple[str, ...]
    left_out: tuple[str, ...]


def assign_columns(names: Sequence[str], hierarchies: Sequence[str], options: Options) -> Columns:
    """Say what each column is.

    Args:
        names: the columns of the table.
        hierarchies: the columns that have a hierarchy; those that the table lacks are passed over.
        options: what was asked.

    Raises:
        OptionError: an option names a column that is not there or is something else.
    """
    named = {"--learner": [options.learner] if options.learner is not None else []}
    named["--l or --t"] = list(options.sensitive)
    named["--weight"] = list(options.weights)
    # Where the header is missing, a learner's cells stand in its place: only names that a hierarchy
    # file has too may be told.
    known = [name for name in names if name in hierarchies]
    for option, columns in named.items():
        for column in columns:
            if column not in names:
                near = difflib.get_close_matches(column, known, n=1)
                hint = f"did you mean {near[0]}?" if near else "check the header and --separator"
                raise OptionError(f"{option}: no column {column}; {hint}")
    if options.learner in hierarchies:
        raise OptionError(
            f"--learner {options.learner}: has a hierarchy too; an id is no quasi-identifier, "
            "remove its hierarchy file"
        )
    sensitive = tuple(name for name in names if name in options.sensitive)
    quasi = tuple(name for name in names if name in hierarchies and name not in sensitive)
    if not quasi:
        raise OptionError(
            "--hierarchies: no column with a hierarchy is left to be generalized; "
            "check the header and --separator"
        )
    for column in options.weights:
        if column not in quasi:
            raise OptionError(f"--weight {column}: is no quasi-identifier")
    kept = {*quasi, *sensitive}
    return Columns(quasi, sensitive, tuple(name for name in names if name not in kept))


def closeness_models(
    options: Options, hierarchies: Mapping[str, Hierarchy]
) -> tuple[TCloseness, ...]:
    """The t-closeness models of the sensitive columns.

    Args:
        options: what was asked.
        hierarchies: of the sensitive columns, for the hierarchical distance.

    Raises:
        OptionError: t is out of range, or a hierarchical distance has no hierarchy.
    """
    models = []
    for column, t in options.closeness.items():
        distance: EqualDistance | OrderedDistance | HierarchicalDistance = EqualDistance()
        if options.distances.get(column) == "ordered":
            distance = OrderedDistance()
        elif options.distances.get(column) == "hierarchical":
            if column not in hierarchies:
                raise OptionError(f"--t-distance {column}=hierarchical: DIR has no hierarchy of it")
            distance = HierarchicalDistance(hierarchies[column])
        try:
            models.append(TCloseness(column, t, distance))
        except CoreError as error:
            raise OptionError(f"--t: {error}") from None
    return tuple(models)


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Split `COLUMN=VALUE` options; a column name may hold `=` itself.

    Raises:
        OptionError: one is not written so, or a column stands twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        column, equals, value = text.rpartition("=")
        if not equals or not column or not value:
            raise OptionError(f"{option}: write COLUMN=VALUE")
        if column in found:
            raise OptionError(f"{option}: column {column} stands twice")
        found[column] = value
    return found


def read_number(option: str, column: str, text: str) -> float:
    """A number of an option.

    Raises:
        OptionError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{option} {column}: expected a number behind =") from None


def read_share(text: str) -> Fraction:
    """The suppression limit as the decimal it is written as: 0.29 of 100 learners is 29.

    Raises:
        OptionError: it is no number.
    """
    # A decimal of few digits: an exponent of many would make a number of as many.
    if not re.fullmatch(r"[0-9]*\.?[0-9]+(e-?[0-9]{1,2})?", text):
        raise OptionError("--suppression-limit: expected a number between 0 and 1")
    return Fraction(text)


def read_distance(column: str, text: str) -> DistanceName:
    """The distance of a t-closeness.

    Raises:
        OptionError: there is none of this name.
    """
    for name in DISTANCES:
        if name == text:
            return name
    raise OptionError(f"--t-distance {column}: expected {', '.join(DISTANCES)} behind =")


def read_diversity(column: str, text: str) -> Diversity:
    """An l-diversity: `2` (distinct), `entropy:2.0`, or `recursive:3.0:2` (c, then l).

    Raises:
        OptionError: it is none of these, or a number is out of range.
    """
    try:
        match text.split(":"):
            case [distinct]:
                return DistinctLDiversity(column, int(distinct))
            case ["entropy", least]:
                return EntropyLDiversity(column, float(least))
            case ["recursive", c, least]:
                return RecursiveLDiversity(column, float(c), int(least))
    except CoreError as error:
        raise OptionError(f"--l: {error}") from None
    except ValueError:  # no number: told below
        pass
    raise OptionError(
        f"--l {column}: expected a whole number L, entropy:L or recursive:C:L behind ="
    )
