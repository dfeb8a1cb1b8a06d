"""The story of the verification of an aggregate package."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from pipelines.verify import cells, noise
from pipelines.verify.absent import Absent, absent_learners
from pipelines.verify.aggregate import CellPackage, read_cells
from pipelines.verify.agreeing import consistency
from pipelines.verify.charged import as_agreed, as_charged
from pipelines.verify.drawn import figures
from pipelines.verify.files import file_checks, written_checks
from pipelines.verify.outcome import Check, Outcome, guarded, outcome
from pipelines.verify.package import Folder
from pipelines.verify.promise import Invented, Words, no_joint_epsilon, promise_text
from pipelines.verify.shape import SchemaFaults
from pipelines.verify.widths import half_widths
from schemas.manifest import AggregateApproval, AggregatePromise

_Run = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class AggregateVerification:
    """What became of an aggregate package's promises.

    Attributes:
        promise: what it promises, in its own words.
        checks: every check, in a fixed order; a check that could not run has failed.
        approved: whether the package was held against an approval and its charge; if not, all that
            is said of noise is its own word.
        cells: how many it tells of.
    """

    promise: AggregatePromise
    checks: tuple[Check, ...]
    approved: bool
    cells: int

    @property
    def ok(self) -> bool:
        """Whether every promise holds."""
        return all(check.ok for check in self.checks)

    @property
    def release_type(self) -> str:
        """What kind of release it is."""
        return self.promise.release_type

    @property
    def k_promised(self) -> None:
        """No k is promised of noisy figures."""
        return

    @property
    def k_found(self) -> None:
        """Nor is there one to be found."""
        return


def verify_cells(
    folder: Folder, approved: AggregateApproval | None, missing: Absent | None
) -> AggregateVerification:
    """Recompute every promise of the aggregate package in a folder from its written bytes.

    Args:
        folder: that holds it.
        approved: what the steward approved and the ledger charged, if it is to be held against.
        missing: who must not be in it.

    Raises:
        UnreadablePackageError: the folder holds no aggregate package that can be read.
    """
    package = read_cells(folder)
    plan = [*file_checks(package), *cell_checks(package), *noise_checks(package)]
    if approved is not None:
        plan.append(("approval", partial(as_agreed, package, approved)))
        plan.append(("ledger", partial(as_charged, package, approved)))
        plan += written_checks(package, approved.package_sha256)
    if missing is not None:
        search = partial(absent_learners, package.manifest.name, package.searched(), missing)
        plan.append(("absent-learners", search))
    found = [(name, guarded(run)) for name, run in plan]
    return AggregateVerification(
        promise=package.promise,
        checks=tuple(Check(name, o.ok, o.detail) for name, o in found),
        approved=approved is not None,
        cells=sum(table.frame.height for table in package.tables),
    )


def cell_checks(
    package: CellPackage, others: Callable[[], SchemaFaults] = SchemaFaults
) -> list[tuple[str, _Run]]:
    """The checks of form of tables of cells, by name.

    Args:
        package: the tables.
        others: what the schemas of other tables of the same package found.
    """
    # Validated once, told as three checks.
    faults = cache(partial(cells.cell_faults, package))
    held = "exactly as the manifest says"
    checks: list[tuple[str, _Run]] = [
        ("columns", lambda: outcome([*faults().columns, *others().columns], held)),
        ("no-nulls", lambda: cells.nulls(package, [*faults().nulls, *others().nulls])),
        ("grid", lambda: cells.grid(package, faults())),
        ("metric-columns", partial(cells.metric_columns, package)),
        ("decimals", partial(cells.decimals, package)),
    ]
    if any(table.query.consistent_with for table in package.tables):
        checks.append(("consistency", partial(consistency, package)))
    return checks


def noise_checks(package: CellPackage, invented: Invented = ()) -> list[tuple[str, _Run]]:
    """The checks of what was drawn for tables of cells, and of what is said of it, by name.

    Args:
        package: the tables.
        invented: what the manifest says of learners who are drawn from a model of them.
    """
    checks: list[tuple[str, _Run]] = [
        ("noise-parameters", partial(noise.noise_parameters, package)),
        ("costs", partial(noise.costs, package)),
        ("totals", partial(noise.totals, package)),
        ("figures", partial(figures, package)),
        ("half-widths", partial(half_widths, package)),
        ("promise-text", lambda: promise_text(Words.of(package, invented))),
        ("no-joint-epsilon", lambda: no_joint_epsilon(Words.of(package, invented))),
    ]
    if any(table.query.threshold is not None for table in package.tables):
        checks.insert(3, ("thresholds", partial(noise.thresholds, package)))
    return checks
