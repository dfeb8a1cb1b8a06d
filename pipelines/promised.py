"""Sensitive columns: what the terms of a request ask of them, as models and as promises.

The request, the privacy core and the manifest each have words of their own for l and t, since none
of them knows the others; here they are translated.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from anonymizer import closeness as distances
from anonymizer.closeness import TCloseness
from anonymizer.diversity import DistinctLDiversity, EntropyLDiversity, RecursiveLDiversity
from anonymizer.hierarchy import ROOT, Hierarchy
from anonymizer.models import MaximumShare, OneSidedShare
from schemas import manifest
from schemas.policy import Terms
from schemas.sensitive import Closeness, Distinct, Diversity, Entropy, Recursive

ColumnModel: TypeAlias = (
    MaximumShare | OneSidedShare | DistinctLDiversity | EntropyLDiversity | RecursiveLDiversity
)
"""A model about the values that a group's learners hold in any of their rows."""


def models_of(terms: Terms, ladders: Mapping[str, Hierarchy]) -> tuple[ColumnModel, ...]:
    """Shares and l-diversity of the sensitive columns."""
    labels = protected_labels(terms, ladders)
    shares: list[ColumnModel] = [
        OneSidedShare(name, share, labels[name]) if name in labels else MaximumShare(name, share)
        for name, share in terms.maximum_share.items()
    ]
    return (*shares, *(_diversity(name, asked) for name, asked in terms.diversity.items()))


def closeness_of(terms: Terms, ladders: Mapping[str, Hierarchy]) -> tuple[TCloseness, ...]:
    """t-closeness of the sensitive columns."""
    return tuple(
        TCloseness(name, asked.t, _distance(asked, ladders[name]))
        for name, asked in terms.closeness.items()
    )


def protected_labels(terms: Terms, ladders: Mapping[str, Hierarchy]) -> dict[str, tuple[str, ...]]:
    """Column -> every label below `*` that may stand for a protected value."""
    found = {}
    for name, values in terms.protected.items():
        ladder = ladders[name]
        leaves = [ladder.index()[value] for value in values]
        reached = {
            labels[ladder.levels[level][leaf]]
            for level, labels in enumerate(ladder.labels)
            for leaf in leaves
        }
        found[name] = tuple(label for label in ladder.domain() if label in reached - {ROOT})
    return found


def in_order(ladder: Hierarchy) -> tuple[str, ...]:
    """Every label below `*`, by its lowest leaf: the declared order, at whatever level.

    A ladder's domain lists one level after the other, and does not order what it mixes.
    """
    lowest: dict[str, int] = {}
    for level in range(ladder.height + 1):
        for leaf, label in enumerate(ladder.label_of(level)):
            lowest.setdefault(label, leaf)
    found = [label for label in ladder.domain() if label != ROOT]
    return tuple(sorted(found, key=lowest.__getitem__))


def promised_diversity(terms: Terms) -> dict[str, manifest.Diversity]:
    """L-diversity as the manifest says it."""
    return {name: _promised(asked) for name, asked in terms.diversity.items()}


def promised_closeness(
    terms: Terms, ladders: Mapping[str, Hierarchy]
) -> dict[str, manifest.Closeness]:
    """T-closeness as the manifest says it: with the order or tree that distances go along."""
    return {
        name: manifest.Closeness(asked.t, _promised_distance(asked, ladders[name]))
        for name, asked in terms.closeness.items()
    }


def _diversity(name: str, asked: Diversity) -> ColumnModel:
    if isinstance(asked, Distinct):
        return DistinctLDiversity(name, asked.l)
    if isinstance(asked, Entropy):
        return EntropyLDiversity(name, asked.l)
    return RecursiveLDiversity(name, asked.c, asked.l)


def _promised(asked: Diversity) -> manifest.Diversity:
    if isinstance(asked, Distinct):
        return manifest.DistinctDiversity(asked.l)
    if isinstance(asked, Entropy):
        return manifest.EntropyDiversity(asked.l)
    assert isinstance(asked, Recursive)
    return manifest.RecursiveDiversity(asked.c, asked.l)


def _distance(asked: Closeness, ladder: Hierarchy) -> distances.Distance:
    if asked.distance == "equal":
        return distances.EqualDistance()
    if asked.distance == "ordered":
        return distances.OrderedDistance()
    return distances.HierarchicalDistance(ladder)


def _promised_distance(asked: Closeness, ladder: Hierarchy) -> manifest.Distance:
    if asked.distance == "equal":
        return manifest.EqualDistance()
    if asked.distance == "ordered":
        return manifest.OrderedDistance(in_order(ladder))
    return manifest.HierarchicalDistance(_rows(ladder))


def _rows(ladder: Hierarchy) -> tuple[tuple[str, ...], ...]:
    columns: Sequence[Sequence[str]] = [
        ladder.label_of(level) for level in range(ladder.height + 1)
    ]
    return tuple(zip(*columns, strict=True))
