"""Checks of an aggregate package against what was approved, and what the ledger charged for it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from pipelines.verify.aggregate import CellPackage
from pipelines.verify.noise import summed
from pipelines.verify.outcome import Outcome, outcome, plural
from schemas.manifest import AggregateApproval, ApprovedTable, CellField, CellTable, Query

_COMPARED: Final = ("access", "family")
_DIGESTS: Final = {
    "request_sha256": "built from another request than the approved one",
    "catalogue_sha256": "on a grid of another catalogue than the approved one",
}


def as_agreed(package: CellPackage, approval: AggregateApproval) -> Outcome:
    """The request, the catalogue, cells, bounds and columns are those that were approved."""
    return outcome(differences(package, approval), "request, cells, bounds and columns as approved")


def differences(package: CellPackage, approval: AggregateApproval) -> Iterator[str]:
    """What is not as it was approved."""
    promise = package.promise
    for key in _COMPARED:
        found, approved = getattr(promise, key), getattr(approval, key)
        if found != approved:
            yield f"{key}: {found}, approved {approved}"
    for key, fault in _DIGESTS.items():
        if getattr(promise, key) != getattr(approval, key):
            yield fault
    names = [table.name for table in package.tables]
    if set(names) == approval.tables.keys() and names != list(approval.tables):
        yield "tables stand in another order than approved"
    found = {table.name: table.resource for table in package.tables}
    for name in sorted(found.keys() | approval.tables.keys()):
        if name not in approval.tables or name not in found:
            yield f"table {name}: {'not approved' if name in found else 'left out'}"
        else:
            yield from _table_differences(found[name], approval.tables[name])


def _table_differences(found: CellTable, approved: ApprovedTable) -> Iterator[str]:
    """Cells, bounds, columns and labels are those that were planned before a row was read."""
    for part in fields(Query):
        if getattr(found.query, part.name) != getattr(approved.query, part.name):
            yield f"{found.name}: {part.name} is not as approved"
    told, meant = ({field.name: field for field in side.fields} for side in (found, approved))
    if list(told) != list(meant):
        yield f"{found.name}: not the columns that were approved"
        return
    for name, field in told.items():
        for part in fields(CellField):
            if getattr(field, part.name) != getattr(meant[name], part.name):
                yield f"{found.name}.{name}: {part.name} is not as approved"


def as_charged(package: CellPackage, approval: AggregateApproval) -> Outcome:
    """The draws that the package tells are those that the ledger charged, in the same order.

    The ledger does not say of which table a draw is: its place does. Else two tables could be told
    with one another's noise.
    """
    draws = tuple(one.draw for one in package.promise.measurements)
    told, charged = Counter(draws), Counter(approval.draws)
    faults = []
    # A package is named after its charge: the same request may be charged once for every version.
    if not package.manifest.name.endswith(f"-{approval.charge_id}"):
        faults.append("the charge is that of another package")
    if uncharged := (told - charged).total():
        faults.append(f"{plural(uncharged, 'draw')} not in the charge")
    if untold := (charged - told).total():
        faults.append(f"{plural(untold, 'draw')} of the charge not told")
    if told == charged and draws != approval.draws:
        faults.append("the draws of the charge stand in another order")
    if summed([draw.privacy for draw in approval.draws]) != package.promise.privacy:
        faults.append("the charge comes to another privacy than is promised")
    return outcome(faults, f"{plural(charged.total(), 'draw')} of the charge, and no others")
