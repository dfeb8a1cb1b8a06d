"""Several packages of one project: what can be told of a learner who is joined by his pseudonym.

Under linked scope a learner has one pseudonym in every package. Whoever holds several of them sees,
of each learner:

- the *classes*: his class in each package, or that he is absent from it, which tells as much;
- a *token* for each of his items: the item, and the packages that show him with it.

A group is everybody with the same classes and the same known tokens: the exact set of them (m =
full), or any set of at most m. It must have at least k learners. Which k and m is a matter of the
classes: the largest k, and the strongest m, of the packages that the learners are in. A package
that they are absent from promises nothing about them, and theirs keep their own k.

Bounds on sensitive values hold in these groups as well, each package's for its own columns.

Items are the same where column and label are. Where packages show a learner under different item
columns (a course and a run of it), who knows one item knows a token of each: sets of at most m
would count too little, and only m = full is counted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.verify.anonymity import Groups
from pipelines.verify.closeness import t_closeness
from pipelines.verify.diversity import l_diversity
from pipelines.verify.groups import (
    CLASS,
    ITEM,
    KEY,
    LEARNERS,
    Grouping,
    item_rows,
    keyed,
    known_by,
    learner_classes,
)
from pipelines.verify.outcome import CannotRunError, Check, Outcome, guarded, outcome, plural
from pipelines.verify.package import Extract, open_package
from pipelines.verify.shares import maximum_share
from pipelines.verify.verification import verify_microdata
from schemas.manifest import LEARNER_COURSE_GRAIN, LINKED, ItemKnowledge

_Run = Callable[[], Outcome]
_Bound = Callable[[Extract, Groups, str], Outcome]

_STRENGTH: Final[tuple[ItemKnowledge, ...]] = (1, 2, 3, "full")
"""From the weakest attacker to the strongest: one that holds against a set holds against less."""

_K: Final = "#k"
_M: Final = "#m"
_COLUMN: Final = "#column"
_LABEL: Final = "#label"
_PACKAGE: Final = "#package"
_PACKAGES: Final = "#packages"
_NUMBER: Final = "#number"


@dataclass(frozen=True, slots=True)
class UnionVerification:
    """What became of the promises of packages that are joined by pseudonym.

    Attributes:
        projects: those that the packages name; one, where they can be joined at all.
        k_promised: by each package, in the order they were given.
        k_found: the fewest learners of any group; None where they could not be counted.
        checks: every check, in a fixed order; a check that could not run has failed.
    """

    projects: tuple[str, ...]
    k_promised: tuple[int, ...]
    k_found: int | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise holds, of each package alone and of all together."""
        return all(check.ok for check in self.checks)


def verify_union(packages: Sequence[Path]) -> UnionVerification:
    """Recompute what packages of one project promise together, from their written bytes.

    Packages of other scopes or of different projects fail the check `project`, and nothing else is
    counted of them.

    Args:
        packages: their folders; checks call the first of them 1.

    Raises:
        UnreadablePackageError: one of the folders is no package that can be read.
    """
    extracts = [open_package(path).extract for path in packages]
    alone = [
        (f"package:{number}", partial(_holds_alone, path))
        for number, path in enumerate(packages, start=1)
    ]
    return _verify(extracts, alone)


def verify_extracts(extracts: Sequence[Extract]) -> UnionVerification:
    """Recompute the promises that are about all tables together, not about each package."""
    return _verify(extracts, [])


def _verify(extracts: Sequence[Extract], alone: Sequence[tuple[str, _Run]]) -> UnionVerification:
    joined = ("project", _one_project(extracts))
    found = [joined]
    if joined[1].ok:
        plan = [*alone, *_union_checks(extracts)]
        found += [(name, guarded(run)) for name, run in plan]
    counts = [o.smallest for _, o in found if o.smallest is not None]
    return UnionVerification(
        projects=tuple(sorted({e.promise.project for e in extracts if e.promise.project})),
        k_promised=tuple(extract.promise.k for extract in extracts),
        k_found=min(counts, default=None),
        checks=tuple(Check(name, o.ok, o.detail) for name, o in found),
    )


def _holds_alone(path: Path) -> Outcome:
    checks = verify_microdata(path).checks
    failed = sum(not check.ok for check in checks)
    fault = f"{failed} of {len(checks)} checks fail; run `kohort verify` on this package"
    return outcome([fault] if failed else [], f"holds: all {len(checks)} checks")


def _one_project(extracts: Sequence[Extract]) -> Outcome:
    faults = [
        f"package {number}: {extract.promise.pseudonym_scope} scope, whose pseudonyms join no "
        "other package"
        for number, extract in enumerate(extracts, start=1)
        if extract.promise.pseudonym_scope != LINKED
    ]
    projects = sorted({extract.promise.project or "" for extract in extracts})
    if not faults and len(projects) != 1:
        faults.append(f"{plural(len(projects), 'project')}, expected one")
    return outcome(faults, f"{', '.join(projects)}, {plural(len(extracts), 'package')}")


def _union_checks(extracts: Sequence[Extract]) -> Iterator[tuple[str, _Run]]:
    people = cache(partial(_people, extracts))
    tokens = cache(partial(_tokens, extracts))
    # Told apart once, counted by several checks.
    groups = cache(lambda: _groups(people(), tokens()))
    yield "k-anonymity:union", lambda: _held_by_k(groups(), people())
    for number, extract in enumerate(extracts, start=1):
        seen = cache(partial(_items_of, number, groups, tokens))
        for check, run, columns in _bounds(extract):
            for column in sorted(columns):
                yield f"{check}:{number}:{column}", partial(run, extract, seen, column)


def _bounds(extract: Extract) -> list[tuple[str, _Bound, Mapping[str, object]]]:
    promise = extract.promise
    return [
        ("maximum-share", maximum_share, promise.maximum_share),
        ("l-diversity", l_diversity, promise.diversity),
        ("t-closeness", t_closeness, promise.closeness),
    ]


def _people(extracts: Sequence[Extract]) -> pl.DataFrame:
    """Everybody in any package: `#key`, `#class`, and the `#k` and `#m` that his classes ask for.

    `#class` numbers the classes in all packages together; `#m` is a place in `_STRENGTH`.
    """
    shown = [learner_classes(extract).drop_nulls(KEY) for extract in extracts]
    people = pl.concat([each.select(KEY) for each in shown]).unique()
    by = [f"{CLASS}{number}" for number in range(len(shown))]
    for name, each in zip(by, shown, strict=True):
        people = people.join(each.rename({CLASS: name}), on=KEY, how="left")
    present = [pl.when(pl.col(name).is_not_null()) for name in by]
    promises = [extract.promise for extract in extracts]
    ks = [here.then(p.k) for here, p in zip(present, promises, strict=True)]
    ms = [here.then(_STRENGTH.index(p.m)) for here, p in zip(present, promises, strict=True)]
    numbers = (
        people.select(by)
        .unique()
        .with_row_index(CLASS)
        .with_columns(pl.max_horizontal(ks).alias(_K), pl.max_horizontal(ms).alias(_M))
    )
    return people.join(numbers, on=by, nulls_equal=True).select(KEY, CLASS, _K, _M)


def _tokens(extracts: Sequence[Extract]) -> pl.DataFrame:
    """Everybody's tokens, by package: `#key`, `#item`, `#column`, `#package`, `#number`.

    `#item` numbers the tokens; `#number` is what the package's own checks number its item by.
    """
    none = pl.DataFrame(
        schema={
            KEY: pl.Categorical,
            _LABEL: pl.String,
            _COLUMN: pl.String,
            _NUMBER: pl.UInt32,
            _PACKAGE: pl.Int32,
        }
    )
    rows = pl.concat([none, *_labelled(extracts)]).drop_nulls(KEY).unique()
    packages = pl.col(_PACKAGE).sort().cast(pl.String).str.join(",")
    rows = rows.with_columns(packages.over(KEY, _COLUMN, _LABEL).alias(_PACKAGES))
    by = [_COLUMN, _LABEL, _PACKAGES]
    numbers = rows.select(by).unique().with_row_index(ITEM)
    return rows.join(numbers, on=by, nulls_equal=True).select(KEY, ITEM, _COLUMN, _PACKAGE, _NUMBER)


def _labelled(extracts: Sequence[Extract]) -> Iterator[pl.DataFrame]:
    for package, extract in enumerate(extracts, start=1):
        for table in extract.of_grain(LEARNER_COURSE_GRAIN):
            item = extract.item_of(table)
            yield keyed(table, item).select(
                KEY,
                pl.col(item).alias(_LABEL),
                pl.lit(item).alias(_COLUMN),
                item_rows(extract, table)[ITEM].alias(_NUMBER),
                pl.lit(package, pl.Int32).alias(_PACKAGE),
            )


def _groups(people: pl.DataFrame, tokens: pl.DataFrame) -> tuple[Grouping, ...]:
    """Every group of the union, the learners of one m after those of another."""
    found: list[Grouping] = []
    for place, m in enumerate(_STRENGTH):
        some = people.filter(pl.col(_M) == place).select(KEY, CLASS)
        rows = tokens.join(some, on=KEY, how="semi")
        columns = rows.group_by(KEY).agg(pl.col(_COLUMN).n_unique())[_COLUMN]
        if m != "full" and (columns > 1).any():
            raise CannotRunError("items of different columns are counted with m = full only")
        found += known_by(some, rows.select(KEY, ITEM), m)
    return tuple(found)


def _items_of(
    number: int, groups: Callable[[], Sequence[Grouping]], tokens: Callable[[], pl.DataFrame]
) -> tuple[Grouping, ...]:
    """The groups with their known items as a package's own checks number them.

    Null where the package does not show the group's learners with a token's item.
    """
    of_package = tokens().filter(pl.col(_PACKAGE) == number)
    own = of_package.select(ITEM, _NUMBER).unique()
    return tuple(_translated(grouping, own) for grouping in groups())


def _translated(grouping: Grouping, own: pl.DataFrame) -> Grouping:
    if grouping.items is None:
        return grouping
    frame = grouping.frame
    for known in grouping.items:
        named = own.rename({ITEM: known, _NUMBER: f"{_NUMBER}{known}"})
        frame = frame.join(named, on=known, how="left")
    return Grouping(frame, grouping.by, tuple(f"{_NUMBER}{known}" for known in grouping.items))


def _held_by_k(groups: Sequence[Grouping], people: pl.DataFrame) -> Outcome:
    """Whether every group has as many learners as its classes ask for."""
    asked = people.select(CLASS, _K).unique()
    sizes = pl.concat(
        [grouping.sizes().select(CLASS, LEARNERS).join(asked, on=CLASS) for grouping in groups]
    )
    if not sizes.height:
        return Outcome(ok=False, detail="no learner in any package")
    smallest = int(sizes[LEARNERS].sort()[0])
    below = sizes.filter(pl.col(LEARNERS) < pl.col(_K)).height
    counted = plural(sizes.height, "group")
    if below:
        detail = f"{below:,} of {counted} below the k of its packages, smallest {smallest}"
        return Outcome(ok=False, detail=detail, smallest=smallest)
    return Outcome(ok=True, detail=f"{counted}, smallest {smallest} learners", smallest=smallest)
