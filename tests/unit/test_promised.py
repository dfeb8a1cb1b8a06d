"""Bounds of sensitive columns: the words of a request as models, and as a manifest's."""

import pytest

from anonymizer import closeness
from anonymizer.closeness import TCloseness
from anonymizer.diversity import DistinctLDiversity, EntropyLDiversity, RecursiveLDiversity
from anonymizer.hierarchy import Hierarchy
from anonymizer.models import MaximumShare, OneSidedShare
from pipelines.promised import (
    closeness_of,
    in_order,
    models_of,
    promised_closeness,
    promised_diversity,
    protected_labels,
)
from schemas import manifest
from schemas.policy import Terms
from schemas.sensitive import Closeness, Distinct, Entropy, Recursive

TREE = (("Top", "good", "*"), ("Pass", "good", "*"), ("Fail", "bad", "*"), ("Gone", "bad", "*"))
RESULT = Hierarchy.from_rows("result", TREE, missing=True)
MOOD = Hierarchy.flat("mood", ["high", "low"], missing=False)
LADDERS = {"result": RESULT, "mood": MOOD}


def terms(**bounds):
    """Terms with these bounds and no others."""
    return Terms(5, 1, 0.1, **{"maximum_share": {}, **bounds})


def test_no_bounds():
    """Terms that promise nothing of values make no model."""
    assert models_of(terms(), LADDERS) == ()
    assert closeness_of(terms(), LADDERS) == ()
    assert promised_diversity(terms()) == {}
    assert promised_closeness(terms(), LADDERS) == {}


def test_shares():
    """A share is about every value, or about every label that a protected value may leave as."""
    asked = terms(maximum_share={"mood": 0.8, "result": 0.4}, protected={"result": ("Fail",)})
    assert models_of(asked, LADDERS) == (
        MaximumShare("mood", 0.8),
        OneSidedShare("result", 0.4, ("Fail", "bad")),
    )


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (("Fail",), ("Fail", "bad")),
        (("Gone", "Fail"), ("Fail", "Gone", "bad")),
        (("Gone", "Top"), ("Top", "Gone", "good", "bad")),
        (("(missing)",), ("(missing)",)),
    ],
)
def test_protected_labels(values, labels):
    """Ancestors are protected with their values, finest level first; `*` says nothing."""
    asked = terms(maximum_share={"result": 0.5}, protected={"result": values})
    assert protected_labels(asked, LADDERS) == {"result": labels}


@pytest.mark.parametrize(
    ("asked", "model", "promised"),
    [
        (2, DistinctLDiversity("result", 2), manifest.DistinctDiversity(2)),
        (
            {"entropy": 1.5},
            EntropyLDiversity("result", 1.5),
            manifest.EntropyDiversity(1.5),
        ),
        (
            {"recursive": {"c": 3.0, "l": 2}},
            RecursiveLDiversity("result", 3.0, 2),
            manifest.RecursiveDiversity(3.0, 2),
        ),
    ],
)
def test_diversity(asked, model, promised):
    """Each form of l is one model and one value of the manifest."""
    kind = type(model).__name__
    form = {"DistinctLDiversity": Distinct, "EntropyLDiversity": Entropy}.get(kind, Recursive)
    agreed = terms(diversity={"result": form.model_validate(asked)})
    assert models_of(agreed, LADDERS) == (model,)
    assert promised_diversity(agreed) == {"result": promised}


ROWS = (*TREE, ("(missing)", "(missing)", "*"))


@pytest.mark.parametrize(
    ("distance", "measured", "promised"),
    [
        ("equal", closeness.EqualDistance(), manifest.EqualDistance()),
        (
            "ordered",
            closeness.OrderedDistance(),
            manifest.OrderedDistance(("Top", "good", "Pass", "Fail", "bad", "Gone", "(missing)")),
        ),
        (
            "hierarchical",
            closeness.HierarchicalDistance(RESULT),
            manifest.HierarchicalDistance(ROWS),
        ),
    ],
)
def test_closeness(distance, measured, promised):
    """Each distance is the core's, and the manifest's with the order or tree it goes along."""
    agreed = terms(closeness={"result": Closeness(t=0.2, distance=distance)})
    assert closeness_of(agreed, LADDERS) == (TCloseness("result", 0.2, measured),)
    assert promised_closeness(agreed, LADDERS) == {"result": manifest.Closeness(0.2, promised)}


EDGES = [[1, 30, 100], [1, 100]]


def test_bins_of_two_levels_in_order():
    """A merged bin stands where its lowest part does, before the bins above it."""
    order = in_order(Hierarchy.from_bins("clicks", EDGES, missing=True))
    assert "*" not in order
    assert order.index("[1, 100)") < order.index("100 or more")
    assert order.index("below 1") < order.index("[1, 30)") < order.index("[30, 100)")
    assert order[-1] == "(missing)"


def test_labels_of_every_level_in_order():
    """Leaves of the ladder and their ancestors, each at its lowest leaf."""
    assert in_order(Hierarchy.from_bins("clicks", EDGES, missing=False)) == (
        "below 1",
        "[1, 30)",
        "[1, 100)",
        "[30, 100)",
        "100 or more",
    )
    assert in_order(MOOD) == ("high", "low")
