"""Local recodings that follow others, learner by learner."""

from collections import defaultdict

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.hierarchy import Hierarchy
from anonymizer.local import local_recoding
from anonymizer.models import KAnonymity
from anonymizer.projection import projected_recoding
from tests.property.test_local import MODELS, classes_found, histogram_of, holds, populations
from tests.reference.full_domain import Person


def of_one_column():
    """Two learners, and the hierarchy of their only column."""
    hierarchy = Hierarchy.from_rows("a", [("x", "X"), ("y", "X")], missing=False)
    people = [Person((leaf,), 0, frozenset()) for leaf in "xy"]
    return [hierarchy], people


def leaves_of(histogram, hierarchies, i):
    """The leaves of a tuple of the histogram."""
    return tuple(h.leaves[code] for h, code in zip(hierarchies, histogram.codes[i], strict=True))


def path_of(hierarchy, leaf):
    """The labels of a leaf, finest first."""
    place = hierarchy.leaves.index(leaf)
    return [hierarchy.label_of(level)[place] for level in range(hierarchy.height + 1)]


def mean_loss(hierarchies, classes, suppressed):
    """The normalized certainty penalty of everybody, added up; mean over the hierarchies."""
    penalty = 0.0
    for (_, labels), members in classes.items():
        for h, label in zip(hierarchies, labels, strict=True):
            under = sum(label in path_of(h, leaf) for leaf in h.leaves)
            penalty += len(members) * (under - 1) / max(len(h.leaves) - 1, 1)
    return suppressed + penalty / len(hierarchies)


@st.composite
def records(draw, hierarchies, people):
    """Labels for some of the tuples that occur: mostly their own, sometimes another leaf's."""
    record = {}
    for leaves in sorted({person.leaves for person in people}):
        if draw(st.integers(0, 9)):
            own = draw(st.sampled_from([leaves] * 20 + [p.leaves for p in people]))
            record[leaves] = tuple(
                draw(st.sampled_from(path_of(h, leaf)[-2:]))
                for h, leaf in zip(hierarchies, own, strict=True)
            )
    return record


@settings(deadline=None, max_examples=100)
@given(populations(), MODELS, st.data())
def test_everybody_keeps_the_class_on_record_or_leaves(population, models, data):
    """The classes that hold, of those whose leaves lie under their labels; nobody else."""
    hierarchies, people, _ = population
    if not hierarchies:
        return
    record = data.draw(records(hierarchies, people))
    limit = data.draw(st.sampled_from([5, len(people), len(people)]))
    histogram, _ = histogram_of(people, hierarchies)
    rows = [
        record.get(leaves_of(histogram, hierarchies, i), (None,) * len(hierarchies))
        for i in range(len(histogram.codes))
    ]
    recorded = pl.DataFrame(
        rows, dict.fromkeys((h.name for h in hierarchies), pl.String), orient="row"
    )
    expected = defaultdict(list)
    for person in people:
        labels = record.get(person.leaves)
        if labels and all(
            label in path_of(h, leaf)
            for h, leaf, label in zip(hierarchies, person.leaves, labels, strict=True)
        ):
            expected[person.cell, labels].append(person)
    kept = {}
    for (cell, labels), members in expected.items():
        everyone = [person for person in people if person.cell == cell]
        if all(holds(model, members, everyone) for model in models):
            kept[cell, labels] = members
    suppressed = len(people) - sum(map(len, kept.values()))
    arguments = (histogram, hierarchies, models, recorded)
    if not kept or suppressed > limit:
        event("refused")
        with pytest.raises(NoRecodingError, match="record"):
            projected_recoding(*arguments, suppression_limit=limit)
        return
    event("projected")
    found = projected_recoding(*arguments, suppression_limit=limit)
    assert (found.suppressed, found.classes, found.method) == (suppressed, len(kept), "record")
    cells = {cell: i for i, cell in enumerate(sorted({person.cell for person in people}))}
    sizes = {(cells[cell], labels): len(members) for (cell, labels), members in kept.items()}
    shown = classes_found(histogram, hierarchies, found.generalization)
    assert {key: members.total() for key, members in shown.items()} == sizes
    assert found.loss == pytest.approx(mean_loss(hierarchies, kept, suppressed) / len(people))


@settings(deadline=None, max_examples=100)
@given(populations(), MODELS, st.data())
def test_local_recoding_above_a_minimum(population, models, data):
    """No label is finer, nobody whom the minimum makes alike is told apart, every class holds."""
    hierarchies, people, weights = population
    minimum = tuple(data.draw(st.integers(0, h.height)) for h in hierarchies)
    histogram, _ = histogram_of(people, hierarchies)
    limits = {"suppression_limit": len(people), "weights": weights}
    try:
        found = local_recoding(histogram, hierarchies, models, minimum=minimum, **limits)
    except NoRecodingError:
        with pytest.raises(NoRecodingError):
            local_recoding(histogram, hierarchies, models, **limits)
        return
    shown = classes_found(histogram, hierarchies, found.generalization)
    assert len(shown) == found.classes
    of_minimum = defaultdict(set)
    cells = sorted({person.cell for person in people})
    members = defaultdict(list)
    for (cell, labels), tuples in shown.items():
        for codes in tuples:
            leaves = tuple(h.leaves[code] for h, code in zip(hierarchies, codes, strict=True))
            paths = [path_of(h, leaf) for h, leaf in zip(hierarchies, leaves, strict=True)]
            least = tuple(path[level] for path, level in zip(paths, minimum, strict=True))
            for path, level, label in zip(paths, minimum, labels, strict=True):
                assert label in path[level:]
            of_minimum[cell, least].add(labels)
            members[cell, labels] += [
                p for p in people if p.cell == cells[cell] and p.leaves == leaves
            ]
    assert all(len(labels) == 1 for labels in of_minimum.values())
    for (cell, _), own in members.items():
        everyone = [person for person in people if person.cell == cells[cell]]
        assert all(holds(model, own, everyone) for model in models)
    assert found.suppressed == len(people) - sum(map(len, members.values()))
    if hierarchies:
        lost = mean_loss(hierarchies, members, found.suppressed)
        assert found.loss == pytest.approx(lost / len(people))


def test_a_minimum_that_is_no_level_of_each_hierarchy_is_refused():
    """Too high, too low, or too few."""
    hierarchies, people = of_one_column()
    histogram, _ = histogram_of(people, hierarchies)
    for minimum in [(3,), (-1,), (), (1, 1)]:
        with pytest.raises(CoreError, match="minimum"):
            local_recoding(
                histogram, hierarchies, [KAnonymity(1)],
                suppression_limit=0, weights=[1.0], minimum=minimum,
            )  # fmt: skip


def test_a_record_of_another_length_is_refused():
    """It would be read for other tuples."""
    hierarchies, people = of_one_column()
    histogram, _ = histogram_of(people, hierarchies)
    with pytest.raises(CoreError, match="one row for each tuple"):
        projected_recoding(
            histogram, hierarchies, [], pl.DataFrame({"a": ["x"] * 3}), suppression_limit=0
        )
