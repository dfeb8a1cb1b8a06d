"""Check of the package against what the steward approved."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pipelines.verify.outcome import Outcome, outcome
from pipelines.verify.package import UnreadablePackageError
from schemas.manifest import (
    LEARNER_KEY,
    AggregateApproval,
    Approval,
    Manifest,
    ManifestError,
    Promise,
    SyntheticApproval,
    parse_aggregate_approval,
    parse_approval,
    parse_synthetic_approval,
)

_T = TypeVar("_T")

_COMPARED = (
    "release_type",
    "k",
    "m",
    "pseudonym_scope",
    "project",
    "access",
    "item",
    "recoding",
    "suppression_limit",
    "item_suppression_limit",
)


def read_approval(path: Path) -> Approval:
    """The approval in this file.

    Raises:
        UnreadablePackageError: it is missing, or no approval.
    """
    return _read(path, parse_approval)


def read_aggregate_approval(path: Path) -> AggregateApproval:
    """The approval of an aggregate release in this file.

    Raises:
        UnreadablePackageError: it is missing, or no such approval.
    """
    return _read(path, parse_aggregate_approval)


def read_synthetic_approval(path: Path) -> SyntheticApproval:
    """The approval of a synthetic release in this file.

    Raises:
        UnreadablePackageError: it is missing, or no such approval.
    """
    return _read(path, parse_synthetic_approval)


def _read(path: Path, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadablePackageError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UnreadablePackageError(f"{path}: expected UTF-8") from None
    except ManifestError as error:
        raise UnreadablePackageError(f"{path}: {error}") from None


def as_approved(manifest: Manifest, approval: Approval) -> Outcome:
    """The package promises exactly what was approved, and its columns mean what was approved."""
    return outcome(_differences(manifest, approval), "roles and promise as approved")


def _differences(manifest: Manifest, approval: Approval) -> Iterator[str]:
    promise = manifest.promise
    for key in _COMPARED:
        yield from _differs(key, getattr(promise, key), getattr(approval, key))
    if promise.request_sha256 != approval.request_sha256:
        yield "built from another request than the approved one"
    yield from _maps_differ("maximum_share", promise.maximum_share, approval.maximum_share)
    yield from _maps_differ("l", promise.diversity, approval.diversity)
    yield from _maps_differ("t", _ts(promise), _ts(approval))
    # Labels are long, and a forged one might say anything: that they differ is told, not how.
    for column in sorted(promise.protected.keys() | approval.protected.keys()):
        if set(promise.protected.get(column, ())) != set(approval.protected.get(column, ())):
            yield f"protected.{column}: not the approved values"
    for column in sorted(promise.closeness.keys() & approval.closeness.keys()):
        if promise.closeness[column].distance != approval.closeness[column].distance:
            yield f"t.{column}: not the approved distance, order or tree"
    yield from _columns_differ(manifest, approval)


def _columns_differ(manifest: Manifest, approval: Approval) -> Iterator[str]:
    for resource in manifest.resources:
        for column in resource.fields:
            if set(column.enum) != set(approval.domains.get(column.name, column.enum)):
                yield f"{resource.name}.{column.name}: not the approved domain"
    roles = {
        resource.name: {f.name: f.role for f in resource.fields if f.role != LEARNER_KEY}
        for resource in manifest.resources
    }
    for table in sorted(roles.keys() | approval.tables.keys()):
        if table not in approval.tables or table not in roles:
            yield f"table {table}: {'not approved' if table in roles else 'left out'}"
            continue
        yield from _maps_differ(f"role of {table}", roles[table], approval.tables[table])


def _ts(value: Promise | Approval) -> dict[str, float]:
    return {column: bound.t for column, bound in value.closeness.items()}


def _maps_differ(
    what: str, found: Mapping[str, object], approved: Mapping[str, object]
) -> Iterator[str]:
    for name in sorted(found.keys() | approved.keys()):
        yield from _differs(f"{what}.{name}", found.get(name), approved.get(name))


def _differs(key: str, found: object, approved: object) -> Iterator[str]:
    if found != approved:
        yield f"{key}: {found}, approved {approved}"
