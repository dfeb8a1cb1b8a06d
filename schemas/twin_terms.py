"""What the policy makes of a request for a synthetic twin: all violations at once, before any row.

A twin shows nobody, so neither k nor bounds on sensitive columns are asked of it; what it costs is
charged as that of aggregates is.
"""

from collections.abc import Iterator, Mapping

from schemas.aggregates import of_budget, of_catalogue, of_title
from schemas.catalogue import Catalogue
from schemas.declaration import Family
from schemas.policy import Policy
from schemas.request import SyntheticRequest, unknown_column
from schemas.roles import Role
from schemas.sharing import sharing
from schemas.view import ViewColumn
from schemas.violations import SchemaError, Violation


def authorize_synthetic(
    request: SyntheticRequest,
    policy: Policy,
    family: Family,
    catalogue: Catalogue,
    *,
    catalogue_sha256: str,
) -> None:
    """Whether a request for a twin may be built, approval and budget left aside.

    Args:
        request: what is asked for.
        policy: what the steward allows.
        family: what the source offers.
        catalogue: what is public of it.
        catalogue_sha256: of all that cells are made of, as it is now.

    Raises:
        SchemaError: the request asks for what the family does not offer or the policy does not
            allow; carries *all* violations.
    """
    violations = [
        *sharing(request, policy),
        *of_title(request),
        *of_budget(request.release.budget, policy, catalogue),
        *_of_columns(request, family),
        *_of_item(request, family, catalogue),
        *_of_settings(request, family),
        *of_catalogue(request.release.catalogue, catalogue_sha256),
    ]
    if violations:
        raise SchemaError("request", violations)


def named_columns(request: SyntheticRequest, family: Family) -> dict[str, ViewColumn]:
    """The view columns that a request names and the family has; those of `learners` first."""
    release, views = request.release, family.views
    named = (("learners", release.learners), ("enrolments", release.enrolments))
    return {
        name: views[view].columns[name]
        for view, names in named
        if view in views
        for name in names
        if name in views[view].columns
    }


def _of_columns(request: SyntheticRequest, family: Family) -> Iterator[Violation]:
    release = request.release
    for view, names in (("learners", release.learners), ("enrolments", release.enrolments)):
        offered = tuple(family.views[view].columns) if view in family.views else ()
        for name in names:
            if name not in offered:
                yield unknown_column(f"release.{view}", name, offered)
            elif family.views[view].columns[name].microaggregate is not None:
                yield Violation(
                    f"release.{view}", f"{name} has neither bins nor values; a twin can't have it"
                )
    if release.pseudonyms == "course" and not release.enrolments:
        yield Violation(
            "release.enrolments", "required with pseudonyms = course; there is no learner table"
        )
    elif release.pseudonyms == "release" and not release.learners:
        yield Violation(
            "release.learners",
            "required with pseudonyms = release, for its learner table; name a column of the "
            "learners, or ask for pseudonyms = course",
        )


def _of_item(
    request: SyntheticRequest, family: Family, catalogue: Catalogue
) -> Iterator[Violation]:
    """One item, which the catalogue lists, and nothing that it can't tell apart."""
    names = request.release.enrolments
    if not names or "enrolments" not in family.views:
        return
    view = family.views["enrolments"]
    items = view.items()
    named = [name for name in items if name in names]
    if len(named) != 1:
        yield Violation(
            "release.enrolments", f"exactly one item column is required: {' or '.join(items)}"
        )
        return
    (item,) = named
    if view.columns[item].period is not None:
        yield Violation("release.enrolments", f"{item} has a time in it; no catalogue lists those")
    elif item not in catalogue.values:
        yield Violation(
            "release.enrolments",
            f"the catalogue has no values of {item}; have a steward add them",
        )
    for name in family.unattributed(item, [name for name in names if name in view.columns]):
        yield Violation(
            "release.enrolments", f"{name} can't be told apart by {item}: leave one out"
        )


def _of_settings(request: SyntheticRequest, family: Family) -> Iterator[Violation]:
    """Levels and statistics are of columns that are asked for, and that have such."""
    release, columns = request.release, named_columns(request, family)
    asked = {*release.learners, *release.enrolments}
    for name in release.levels:
        if name not in asked:
            yield Violation(f"release.levels.{name}", "no column that is asked for; leave it out")
        elif name in columns and columns[name].role is Role.ITEM:
            yield Violation(f"release.levels.{name}", "the item has no levels; leave it out")
    for i, statistic in enumerate(release.statistics):
        for key in ("column", "by"):
            named = getattr(statistic, key)
            if named is not None and named not in asked:
                yield Violation(f"release.statistics.{i}.{key}", "no column that is asked for")
        if statistic.by == statistic.column:
            yield Violation(f"release.statistics.{i}.by", "another column was expected")


def needed_views(request: SyntheticRequest, family: Family) -> Mapping[str, tuple[str, ...]]:
    """The views to assemble, each with its columns, the item first.

    `enrolments` is among them even for a request that names none of its columns: it says who takes
    part as a learner.
    """
    release = request.release
    views = {"learners": release.learners} if release.learners else {}
    if "enrolments" in family.views:
        items = family.views["enrolments"].items()
        item = next(iter([*(n for n in items if n in release.enrolments), *items]))
        views["enrolments"] = (item, *(n for n in release.enrolments if n != item))
    return views
