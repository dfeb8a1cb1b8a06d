"""The story of a verification: open the package, run every check, say what was found."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from pipelines.verify import anonymity, files, shape
from pipelines.verify.absent import Absent, absent_learners, read_absent
from pipelines.verify.aggregate_verification import AggregateVerification, verify_cells
from pipelines.verify.approval import (
    as_approved,
    read_aggregate_approval,
    read_approval,
    read_synthetic_approval,
)
from pipelines.verify.closeness import t_closeness
from pipelines.verify.diversity import l_diversity
from pipelines.verify.groups import groupings
from pipelines.verify.outcome import Check, Outcome, guarded, outcome
from pipelines.verify.package import Extract, Folder, read_folder, read_microdata
from pipelines.verify.shares import maximum_share
from pipelines.verify.synthetic_verification import SyntheticVerification, verify_synthetic
from schemas.manifest import AGGREGATE, SENSITIVE, SYNTHETIC, Promise

_Run = Callable[[], Outcome]
_Bound = Callable[[Extract, anonymity.Groups, str], Outcome]
_COUNTS_CLASSES = "k-anonymity:"


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of a package's promises.

    Attributes:
        promise: what it promises, in its own words.
        k_found: the fewest learners of any class, over all tables and their join; None where
            there is no class, or where one of these counts could not be made.
        checks: every check, in a fixed order; a check that could not run has failed.
        approved: whether the package was held against an approval; if not, roles are its own.
    """

    promise: Promise
    k_found: int | None
    checks: tuple[Check, ...]
    approved: bool

    @property
    def ok(self) -> bool:
        """Whether every promise holds."""
        return all(check.ok for check in self.checks)

    @property
    def release_type(self) -> str:
        """What kind of release it is."""
        return self.promise.release_type

    @property
    def k_promised(self) -> int:
        """The k that the package promises."""
        return self.promise.k


def verify_package(
    path: Path, approval: Path | None = None, absent: Path | None = None
) -> Verification | AggregateVerification | SyntheticVerification:
    """Recompute every promise of the package in this folder from its written bytes.

    Args:
        path: the folder.
        approval: what the steward approved, to hold roles, k, m, scope and bounds against; of an
            aggregate package its noise, too, and of a synthetic one its columns.
        absent: the pseudonyms of a learner who must not be in it.

    Raises:
        UnreadablePackageError: the folder is no package that can be read, the approval none of one
            of its kind, or the pseudonyms are none.
    """
    missing = read_absent(absent) if absent is not None else None
    folder = read_folder(path)
    kind = folder.release_type
    if kind == AGGREGATE:
        agreed = read_aggregate_approval(approval) if approval is not None else None
        return verify_cells(folder, agreed, missing)
    if kind == SYNTHETIC:
        approved = read_synthetic_approval(approval) if approval is not None else None
        return verify_synthetic(folder, approved, missing)
    return _verify_folder(folder, approval, missing)


def verify_microdata(path: Path, approval: Path | None = None) -> Verification:
    """Recompute every promise of the package of microdata in this folder; as `verify_package`.

    Raises:
        UnreadablePackageError: the same, or a package of another kind.
    """
    return _verify_folder(read_folder(path), approval, None)


def _verify_folder(folder: Folder, approval: Path | None, missing: Absent | None) -> Verification:
    package = read_microdata(folder)
    approved = read_approval(approval) if approval is not None else None
    plan = [*files.file_checks(package), *_extract_checks(package.extract)]
    if approved is not None:
        plan.append(("approval", partial(as_approved, package.manifest, approved)))
        plan += files.written_checks(package, approved.package_sha256)
    if missing is not None:
        search = partial(absent_learners, package.manifest.name, package.searched(), missing)
        plan.append(("absent-learners", search))
    return _run(package.extract, plan, approved=approved is not None)


def verify_extract(extract: Extract) -> Verification:
    """Recompute the promises that are about tables, not about files."""
    return _run(extract, _extract_checks(extract), approved=False)


def _run(extract: Extract, plan: list[tuple[str, _Run]], *, approved: bool) -> Verification:
    found = [(name, guarded(run)) for name, run in plan]
    counts = [o.smallest for name, o in found if name.startswith(_COUNTS_CLASSES)]
    known = [count for count in counts if count is not None]
    return Verification(
        promise=extract.promise,
        k_found=min(known) if known and len(known) == len(counts) else None,
        checks=tuple(Check(name, o.ok, o.detail) for name, o in found),
        approved=approved,
    )


def _extract_checks(extract: Extract) -> list[tuple[str, _Run]]:
    # Validated once, told as three checks.
    faults = cache(partial(shape.schema_faults, extract))
    # Told apart once, counted by several checks.
    groups = cache(partial(groupings, extract))
    tables = [(table.resource.name, table) for table in extract.tables]
    return [
        ("columns", lambda: outcome(faults().columns, "exactly as the manifest says, strings")),
        ("no-nulls", lambda: outcome(faults().nulls, "none")),
        ("closed-domains", lambda: outcome(faults().domains, "every cell in its domain")),
        ("pseudonym-shape", partial(shape.pseudonym_shape, extract)),
        ("not-empty", partial(shape.not_empty, extract)),
        ("unique-rows", partial(shape.unique_rows, extract)),
        ("row-order", partial(shape.row_order, extract)),
        ("item-column", partial(shape.item_column, extract)),
        ("scope", partial(shape.scope, extract)),
        *(
            (f"{_COUNTS_CLASSES}{name}", partial(anonymity.k_of_table, extract, table))
            for name, table in tables
        ),
        (f"{_COUNTS_CLASSES}join", partial(anonymity.k_of_join, extract, groups)),
        ("item-subsets", partial(anonymity.k_of_items, extract, groups)),
        *((f"combinations:{n}", partial(anonymity.combinations, extract, t)) for n, t in tables),
        *((f"single-values:{n}", partial(anonymity.single_values, extract, t)) for n, t in tables),
        *(
            (f"{check}:{column}", partial(run, extract, groups, column))
            for check, run, columns in _bounds(extract)
            for column in columns
        ),
    ]


def _bounds(extract: Extract) -> list[tuple[str, _Bound, list[str]]]:
    """The checks of sensitive values, and their columns. One without any bound is told as such."""
    promise = extract.promise
    declared = {c for table in extract.tables for c in table.resource.of_role(SENSITIVE)}
    unbounded = declared - promise.diversity.keys()
    return [
        ("maximum-share", maximum_share, sorted(unbounded | promise.maximum_share.keys())),
        ("l-diversity", l_diversity, sorted(promise.diversity)),
        ("t-closeness", t_closeness, sorted(promise.closeness)),
    ]
