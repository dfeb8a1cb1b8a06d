"""Equivalence classes whose learners are already counted: taking, merging, and settling a split."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.histogram import sums
from anonymizer.models import EquivalenceClasses, Model, SensitiveValues


def holding(classes: EquivalenceClasses, models: Sequence[Model], k: int) -> NDArray[np.bool_]:
    """Which classes have k learners, at least 1, and satisfy every model; shape (classes,).

    Models are asked only about classes of k learners: nobody is in some classes.
    """
    good: NDArray[np.bool_] = classes.size >= k
    large = np.flatnonzero(good)
    if models and len(large):
        asked = selected(classes, large)
        good[large] = np.logical_and.reduce([model(asked) for model in models])
    return good


def settled(
    children: EquivalenceClasses,
    part: NDArray[np.int64],
    parts: int,
    models: Sequence[Model],
    k: int,
) -> NDArray[np.bool_]:
    """Which children of each part stand alone, such that they and the part's residual hold.

    A child that fails joins the residual. A residual that fails takes in its part's smallest child,
    the first of equals, until it holds or no child is left. A residual without learners holds.

    Args:
        children: of all parts.
        part: of each child, ascending; each part has a child.
        parts: how many.
        models: what all must satisfy besides k.
        k: learners that all must have.
    """
    alone = holding(children, models, k)
    doubtful = np.ones(parts, np.bool_)  # whose residual was not yet seen to hold
    smallest_first = np.lexsort((children.size, part))
    while True:
        rest = np.flatnonzero(~alone & doubtful[part])
        if not len(rest):
            return alone
        unsure, group = np.unique(part[rest], return_inverse=True)
        residual = merged(selected(children, rest), group.astype(np.int64), len(unsure))
        fails = ~holding(residual, models, k) & (residual.size > 0)
        doubtful[:] = False
        doubtful[unsure[fails]] = True
        takes = smallest_first[(alone & doubtful[part])[smallest_first]]
        if not len(takes):
            return alone
        first = np.append(True, part[takes][1:] != part[takes][:-1])
        alone[takes[first]] = False


def selected(classes: EquivalenceClasses, rows: NDArray[np.integer[Any]]) -> EquivalenceClasses:
    """Some of the classes, in the order of `rows`."""
    return _rearranged(
        classes,
        numbers=lambda count: count[rows],
        tables=lambda counts: counts[rows],
        strata=lambda stratum: stratum[rows],
    )


def merged(
    classes: EquivalenceClasses, group: NDArray[np.int64], number: int
) -> EquivalenceClasses:
    """The classes as they are once those of one group are one; disjoint learners add up.

    Args:
        classes: to be merged.
        group: of each class, from 0; only classes of one cell share a group.
        number: of groups.
    """

    def strata(stratum: NDArray[np.int64]) -> NDArray[np.int64]:
        of_group = np.zeros(number, np.int64)
        of_group[group] = stratum
        return of_group

    def tables(counts: NDArray[np.int64]) -> NDArray[np.int64]:
        width = counts.shape[1]
        at = group[:, None] * width + np.arange(width)
        return sums(at.ravel(), counts.ravel(), number * width).reshape(number, width)

    return _rearranged(
        classes, numbers=lambda count: sums(group, count, number), tables=tables, strata=strata
    )


def _rearranged(
    classes: EquivalenceClasses,
    *,
    numbers: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    tables: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    strata: Callable[[NDArray[np.int64]], NDArray[np.int64]],
) -> EquivalenceClasses:
    return EquivalenceClasses(
        size=numbers(classes.size),
        population=numbers(classes.population),
        sensitive={
            name: SensitiveValues(
                counts=tables(held.counts),
                reference=held.reference,
                stratum=strata(held.stratum),
                values=held.values,
                shown=None if held.shown is None else numbers(held.shown),
            )
            for name, held in classes.sensitive.items()
        },
    )
