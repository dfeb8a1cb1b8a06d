"""Checks of an aggregate package against what was approved, and what the ledger charged for it."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from pipelines.verify.aggregate import CellPackage
from pipelines.verify.noise import summed
from pipelines.verify.outcome import Outcome, outcome, plural
from schemas.manifest import AggregateApproval

_COMPARED: Final = ("access", "family")
_DIGESTS: Final = {
    "request_sha256": "built from another request than the approved one",
    "catalogue_sha256": "on a grid of another catalogue than the approved one",
}


def as_agreed(package: CellPackage, approval: AggregateApproval) -> Outcome:
    """The request, the catalogue and the columns are those that were approved."""
    return outcome(_differences(package, approval), "request, tables and roles as approved")


def _differences(package: CellPackage, approval: AggregateApproval) -> Iterator[str]:
    promise = package.promise
    for key in _COMPARED:
        found, approved = getattr(promise, key), getattr(approval, key)
        if found != approved:
            yield f"{key}: {found}, approved {approved}"
    for key, fault in _DIGESTS.items():
        if getattr(promise, key) != getattr(approval, key):
            yield fault
    roles = {
        table.name: {column.name: column.role for column in table.resource.fields}
        for table in package.tables
    }
    for name in sorted(roles.keys() | approval.tables.keys()):
        if name not in approval.tables or name not in roles:
            yield f"table {name}: {'not approved' if name in roles else 'left out'}"
            continue
        found, approved = roles[name], approval.tables[name]
        for column in sorted(found.keys() | approved.keys()):
            if found.get(column) != approved.get(column):
                told = f"{found.get(column)}, approved {approved.get(column)}"
                yield f"role of {name}.{column}: {told}"


def as_charged(package: CellPackage, approval: AggregateApproval) -> Outcome:
    """The draws that the package tells are those that the ledger charged, each as often."""
    told = Counter(one.draw for one in package.promise.measurements)
    charged = Counter(approval.draws)
    faults = []
    if uncharged := (told - charged).total():
        faults.append(f"{plural(uncharged, 'draw')} not in the charge")
    if untold := (charged - told).total():
        faults.append(f"{plural(untold, 'draw')} of the charge not told")
    if summed([draw.privacy for draw in approval.draws]) != package.promise.privacy:
        faults.append("the charge comes to another privacy than is promised")
    return outcome(faults, f"{plural(charged.total(), 'draw')} of the charge, and no others")
