"""The story of the verification of a synthetic package."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, partial

from pipelines.verify import margins, shape, twin
from pipelines.verify.absent import Absent, absent_learners
from pipelines.verify.aggregate_verification import cell_checks, noise_checks
from pipelines.verify.charged import as_charged, differences
from pipelines.verify.files import file_checks, written_checks
from pipelines.verify.outcome import Check, Outcome, guarded, outcome
from pipelines.verify.package import Folder
from pipelines.verify.synthetic import SyntheticPackage, read_synthetic
from schemas.manifest import (
    SYNTHETIC,
    AggregatePromise,
    Field,
    Resource,
    SyntheticApproval,
    Twin,
    TwinTable,
)

_Run = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class SyntheticVerification:
    """What became of a synthetic package's promises.

    Attributes:
        promise: what it promises of the noise of its cells, in its own words.
        twin: what its invented learners are like.
        checks: every check, in a fixed order; a check that could not run has failed.
        approved: whether the package was held against an approval and its charge; if not, all that
            is said of noise and of columns is its own word.
        cells: how many it tells of.
        rows: table of invented learners -> how many rows it has.
    """

    promise: AggregatePromise
    twin: Twin
    checks: tuple[Check, ...]
    approved: bool
    cells: int
    rows: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether every promise holds."""
        return all(check.ok for check in self.checks)

    @property
    def release_type(self) -> str:
        """What kind of release it is."""
        return SYNTHETIC

    @property
    def k_promised(self) -> None:
        """No k is promised of learners who are invented."""
        return

    @property
    def k_found(self) -> None:
        """Nor is there one to be found."""
        return


def verify_synthetic(
    folder: Folder, approved: SyntheticApproval | None, missing: Absent | None
) -> SyntheticVerification:
    """Recompute every promise of the synthetic package in a folder from its written bytes.

    Args:
        folder: that holds it.
        approved: what the steward approved and the ledger charged, if it is to be held against.
        missing: who must not be in it.

    Raises:
        UnreadablePackageError: the folder holds no synthetic package that can be read.
    """
    package = read_synthetic(folder)
    plan = [*file_checks(package), *_form_checks(package), *_twin_checks(package)]
    plan += noise_checks(package.cells, package.manifest.tables)
    if approved is not None:
        plan.append(("approval", partial(_as_agreed, package, approved)))
        plan.append(("ledger", partial(as_charged, package.cells, approved.cells)))
        plan += written_checks(package, approved.cells.package_sha256)
    if missing is not None:
        name = package.manifest.cells.name
        search = partial(absent_learners, name, package.searched(), missing)
        plan.append(("absent-learners", search))
    found = [(name, guarded(run)) for name, run in plan]
    return SyntheticVerification(
        promise=package.cells.promise,
        twin=package.manifest.twin,
        checks=tuple(Check(name, o.ok, o.detail) for name, o in found),
        approved=approved is not None,
        cells=sum(table.frame.height for table in package.cells.tables),
        rows={table.resource.name: table.frame.height for table in package.rows.tables},
    )


def _form_checks(package: SyntheticPackage) -> list[tuple[str, _Run]]:
    rows = package.rows
    # Validated once, told as three checks, two of them together with the tables of cells.
    faults = cache(partial(shape.schema_faults, rows))
    return [
        *cell_checks(package.cells, faults),
        ("closed-domains", lambda: outcome(faults().domains, "every cell in its domain")),
        ("pseudonym-shape", partial(shape.pseudonym_shape, rows)),
        ("not-empty", partial(shape.not_empty, rows)),
        ("unique-rows", partial(shape.unique_rows, rows)),
        ("row-order", partial(shape.row_order, rows)),
        ("item-column", partial(shape.item_column, rows)),
    ]


def _twin_checks(package: SyntheticPackage) -> list[tuple[str, _Run]]:
    return [
        ("scope", partial(twin.twin_scope, package)),
        ("measured", partial(twin.measured, package)),
        ("same-labels", partial(twin.same_labels, package)),
        ("size", partial(twin.size, package)),
        ("same-learners", partial(margins.same_learners, package)),
        ("margins", partial(margins.margins, package)),
        ("description", partial(twin.description, package)),
    ]


def _as_agreed(package: SyntheticPackage, approval: SyntheticApproval) -> Outcome:
    """Cells are those that were approved, and so are the tables of invented learners."""
    faults = [*differences(package.cells, approval.cells), *_twin_differences(package, approval)]
    return outcome(faults, "request, cells, bounds, columns and invented tables as approved")


def _twin_differences(package: SyntheticPackage, approval: SyntheticApproval) -> Iterator[str]:
    for part in fields(Twin):
        if getattr(package.manifest.twin, part.name) != getattr(approval.twin, part.name):
            yield f"{part.name} is not as approved"
    found = {table.name: table for table in package.manifest.tables}
    if found.keys() == approval.tables.keys() and list(found) != list(approval.tables):
        yield "tables of invented learners stand in another order than approved"
    for name in sorted(found.keys() | approval.tables.keys()):
        if name not in approval.tables or name not in found:
            yield f"table {name}: {'not approved' if name in found else 'left out'}"
        else:
            yield from _table_differences(found[name], approval.tables[name])


def _table_differences(found: Resource, approved: TwinTable) -> Iterator[str]:
    for name in ("grain", "primary_key"):
        if getattr(found, name) != getattr(approved, name):
            yield f"{found.name}: {name} is not as approved"
    if [one.name for one in found.fields] != [one.name for one in approved.fields]:
        yield f"{found.name}: not the columns that were approved"
        return
    for told, meant in zip(found.fields, approved.fields, strict=True):
        for part in fields(Field):
            if getattr(told, part.name) != getattr(meant, part.name):
                yield f"{found.name}.{told.name}: {part.name} is not as approved"
