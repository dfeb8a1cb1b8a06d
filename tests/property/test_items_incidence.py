"""What course-set anonymity refuses, and real course sets."""

import numpy as np
import polars as pl
import pytest

from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.incidence import profiles_of, require_keys
from anonymizer.items import Incidence, LearnerValues, RowValues, anonymize_items
from anonymizer.models import MaximumShare
from tests.reference.items import smallest_group, worst_share


def incidence(offsets, items, classes):
    return Incidence(
        np.array(offsets, np.int64), np.array(items, np.int32), np.array(classes, np.int64)
    )


def anonymized(held, **options):
    given = {"m": 2, "k": 2, "models": (), "closeness": (), "learner_values": {}, "row_values": {}}
    return anonymize_items(held, **(given | options))


PAIR = incidence([0, 2, 3], [0, 1, 0], [0, 0])
"""Two learners of one class with three rows."""


@pytest.mark.parametrize(
    "offsets, items, classes, message",
    [
        ([0, 1], [0], [0, 0], "one offset for each"),
        ([1, 1], [0], [0], "offsets ascend"),
        ([0, 2], [0], [0], "offsets ascend"),
        ([0, 1, 0, 1], [0], [0, 0, 0], "offsets ascend"),
        ([0, 1], [-1], [0], "numbered from 0"),
        ([0, 1], [0], [-1], "numbered from 0"),
        ([0, 2], [1, 0], [0], "sort items"),
        ([0, 2], [1, 1], [0], "one row for each item"),
    ],
)
def test_an_incidence_must_make_sense(offsets, items, classes, message):
    """Rows lie learner by learner, each item once and in order."""
    with pytest.raises(CoreError, match=message):
        incidence(offsets, items, classes)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"k": 0}, "k: "),
        ({"m": 4}, "m: 1, 2, 3 or full"),
        ({"learner_values": {"age": LearnerValues(np.zeros(3, np.int32), ("a",))}}, "each learner"),
        ({"row_values": {"result": RowValues(np.zeros(2, np.int32), ("a",))}}, "each row"),
        (
            {
                "learner_values": {"age": LearnerValues(np.zeros(2, np.int32), ("a",))},
                "row_values": {"age": RowValues(np.zeros(3, np.int32), ("a",))},
            },
            "in both tables",
        ),
        ({"models": [MaximumShare("result", 0.5)]}, "were not counted"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, message):
    """Parameters out of range, columns of another length, models of absent columns."""
    with pytest.raises(CoreError, match=message):
        anonymized(PAIR, **options)


@pytest.mark.parametrize("codes", [[1], [-2]])
def test_codes_out_of_range_are_refused(codes):
    """A code is an index of the values, or -1."""
    with pytest.raises(CoreError, match="out of range"):
        RowValues(np.array(codes, np.int32), ("a",))


def test_keys_stay_exact():
    """Rather than let two sets share a key, the core stops."""
    require_keys(2**31, 2**31)
    with pytest.raises(CoreError, match="62 bits"):
        require_keys(2**31, 2**31 + 1)


def test_profiles_are_classes_with_exact_sets():
    """Learners 0 and 2 share class and items, 1 has the class only, 3 the items only."""
    held = incidence([0, 2, 3, 5, 7], [1, 4, 4, 1, 4, 1, 4], [7, 7, 7, 9])
    profiles = profiles_of(held)
    groups = profiles.of_learner
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3
    assert profiles.learners[groups].tolist() == [2, 1, 2, 1]
    assert profiles.held.item[profiles.of_row].tolist() == held.item.tolist()
    assert profiles.held.classes[groups].tolist() == held.classes.tolist()


@pytest.mark.parametrize("m", [1, 2, 3, "full"])
def test_learners_without_items_are_a_group_too(m):
    """A class of one leaves; a class of two without any item stays."""
    kept = anonymized(incidence([0, 0, 0, 1], [3], [0, 0, 1]), m=m)
    assert kept.learners.tolist() == [True, True, False]
    assert kept.rows.tolist() == [False]


@pytest.mark.parametrize("m", [1, 2, 3, "full"])
def test_nobody_is_no_error(m):
    """An empty table stays empty."""
    kept = anonymized(incidence([0], [], []), m=m)
    assert kept.rows.shape == kept.learners.shape == (0,)


def test_many_rare_sets_make_the_table_of_sets_grow():
    """Sixty learners whose sets of eleven differ by one item meet at the ten that they share."""
    rows = [sorted([*range(10), 10 + who]) for who in range(60)]
    held = incidence(np.arange(61) * 11, np.concatenate(rows), [0] * 60)
    kept = anonymized(held, m="full", k=5)
    assert kept.learners.all()
    assert (kept.rows == (held.item < 10)).all()


@pytest.mark.shared_data
@pytest.mark.parametrize("m", [1, 2, 3, "full"])
def test_course_sets_of_oulad(shared_data, m):
    """Real learners by gender and age keep k and a maximum share in every group."""
    table = (
        pl.read_csv(shared_data / "oulad" / "studentInfo.csv")
        .sort("id_student", "code_module", "code_presentation")
        .unique(["id_student", "code_module"], keep="last", maintain_order=True)
    )
    learners = table.unique("id_student", keep="first", maintain_order=True)
    classes = learners.select(pl.struct("gender", "age_band").rank("dense"))
    labels = tuple(sorted(table["final_result"].unique()))
    codes = table["final_result"].cast(pl.Enum(labels)).to_physical().to_numpy().astype(np.int32)
    held = incidence(
        np.append(0, table.group_by("id_student", maintain_order=True).len()["len"].cum_sum()),
        table["code_module"].rank("dense").to_numpy() - 1,
        classes.to_series().to_numpy(),
    )
    kept = anonymized(
        held,
        m=m,
        k=5,
        models=[MaximumShare("final_result", 0.8)],
        row_values={"final_result": RowValues(codes, labels)},
    )
    left = [
        (
            held.classes[who],
            {
                int(held.item[row]): {"final_result": codes[row]}
                for row in range(held.offsets[who], held.offsets[who + 1])
                if kept.rows[row]
            },
            {},
        )
        for who in np.flatnonzero(kept.learners)
    ]
    assert len(left) > 0.9 * len(learners)
    assert smallest_group(left, m) >= 5
    assert worst_share(left, m, "final_result") <= 0.8


def test_more_sets_than_memory_holds_are_refused():
    """Of a thousand items there are 166 million threes: refused in words, not by the kernel."""
    many = incidence([0, 1000, 2000], [*range(1000)] * 2, [0, 0])
    with pytest.raises(NoRecodingError, match="lower m"):
        anonymized(many, m=3)
