"""What a request sets for single columns: does the column allow it, and the policy?"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from schemas.declaration import ViewColumn
from schemas.request import MicrodataRequest
from schemas.roles import Role
from schemas.sensitive import Diversity, OneSided, Recursive, ShareBound
from schemas.violations import Violation

if TYPE_CHECKING:  # authorizing calls these rules, so its module can't be imported here
    from schemas.policy import Limits

_SHOWN = (Role.SENSITIVE, Role.MEASURE)


def column_settings(
    request: MicrodataRequest, limits: "Limits", columns: Mapping[str, ViewColumn]
) -> Iterator[Violation]:
    """Settings that are not allowed.

    Args:
        request: what is asked for.
        limits: the policy's.
        columns: the view columns that the request names and the source has.
    """
    release = request.release
    sensitive = {name for name, column in columns.items() if column.role is Role.SENSITIVE}
    yield from _bounds(request, limits, columns, sensitive)
    for name in release.weights:
        if not _has_role(columns, name, Role.QUASI_IDENTIFIER):
            yield Violation(f"release.weights.{name}", "not a requested quasi-identifier")
    yield from _statistics(request, columns)
    if release.pseudonyms == "course":
        for name in release.learners:
            if name in columns and not _has_role(columns, name, Role.QUASI_IDENTIFIER):
                yield Violation(
                    "release.learners",
                    f"{name} is no quasi-identifier: under pseudonyms = course no learner-level "
                    "value but the class is repeated on enrolments",
                )


def _bounds(
    request: MicrodataRequest,
    limits: "Limits",
    columns: Mapping[str, ViewColumn],
    sensitive: set[str],
) -> Iterator[Violation]:
    privacy = request.release.privacy
    for table, names in (
        ("maximum_share", privacy.maximum_share),
        ("l", privacy.l),
        ("t", privacy.t),
    ):
        for name in names:
            if name not in sensitive:
                key = f"release.privacy.{table}.{name}"
                yield Violation(key, "not a requested sensitive column")
    for name, bound in privacy.maximum_share.items():
        if name in sensitive:
            yield from _share(f"release.privacy.maximum_share.{name}", name, bound, limits)
            if isinstance(bound, OneSided):
                key = f"release.privacy.maximum_share.{name}.values"
                yield from _unknown(key, columns[name], bound.values)
    for name, diversity in privacy.l.items():
        yield from _diversity(f"release.privacy.l.{name}", diversity, limits)
    yield from _closeness(request, limits, columns, sensitive)


def _closeness(
    request: MicrodataRequest,
    limits: "Limits",
    columns: Mapping[str, ViewColumn],
    sensitive: set[str],
) -> Iterator[Violation]:
    for name, closeness in request.release.privacy.t.items():
        if closeness.t > limits.t:
            yield Violation(f"release.privacy.t.{name}", f"at most {limits.t}")
        in_a_tree = name not in sensitive or columns[name].hierarchy is not None
        if closeness.distance == "hierarchical" and not in_a_tree:
            key = f"release.privacy.t.{name}.distance"
            yield Violation(key, "the column has no hierarchy; use equal or ordered")


def _diversity(key: str, diversity: Diversity, limits: "Limits") -> Iterator[Violation]:
    """Recursive (c, l)-diversity must bound the commonest value as the maximum share would."""
    most = Fraction(repr(limits.maximum_share))
    if isinstance(diversity, Recursive) and Fraction(repr(diversity.c)) * (1 - most) > most:
        yield Violation(f"{key}.recursive.c", f"at most {float(most / (1 - most)):g}")


def _share(key: str, name: str, bound: ShareBound, limits: "Limits") -> Iterator[Violation]:
    if not isinstance(bound, OneSided):
        if bound > limits.maximum_share:
            yield Violation(key, f"at most {limits.maximum_share}")
        return
    if bound.share > limits.maximum_share:
        yield Violation(f"{key}.share", f"at most {limits.maximum_share}")
    if name not in limits.one_sided:
        yield Violation(key, "the policy allows no one-sided share of this column; give a share")
        return
    least = limits.one_sided[name]
    if not set(least) <= set(bound.values):
        yield Violation(f"{key}.values", f"the policy protects: {', '.join(least)}")


def _statistics(
    request: MicrodataRequest, columns: Mapping[str, ViewColumn]
) -> Iterator[Violation]:
    for i, statistic in enumerate(request.release.statistics):
        key = f"release.statistics.{i}"
        if not _has_role(columns, statistic.column, *_SHOWN):
            yield Violation(f"{key}.column", "not a requested sensitive column or measure")
        else:
            yield from _unknown(f"{key}.values", columns[statistic.column], statistic.values)
        if statistic.by is not None and not _has_role(columns, statistic.by, Role.QUASI_IDENTIFIER):
            yield Violation(f"{key}.by", "not a requested quasi-identifier")


def _unknown(key: str, column: ViewColumn, values: Sequence[str]) -> Iterator[Violation]:
    """Values that the column does not have, where the declaration lists them."""
    if column.values is None:
        return
    known = (*column.values, column.missing)
    if unknown := [value for value in values if value not in known]:
        yield Violation(key, f"no value {', '.join(unknown)}; it has: {', '.join(known)}")


def _has_role(columns: Mapping[str, ViewColumn], name: str, *roles: Role) -> bool:
    return name in columns and columns[name].role in roles
