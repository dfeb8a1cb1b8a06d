"""Fidelity against its definitions, row by row."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.sensitive import Statistic
from synth.fidelity import fidelity_of, total_variation
from synth.fidelity_prediction import Target
from tests.reference import fidelity as reference

LEARNER_COLUMNS, ROW_COLUMNS = ("gender", "region"), ("item", "result")
PASSED = ("Pass", "Merit")


@st.composite
def people(draw):
    """Up to eight learners with up to three items each: (learners, enrolments) as lists of dicts.

    Some have no item, some sides nobody.
    """
    results = st.dictionaries(
        st.sampled_from("ABC"), st.sampled_from(["Pass", "Merit", "Fail"]), max_size=3
    )
    person = st.tuples(st.sampled_from("FM"), st.sampled_from(["n", "s", "(missing)"]), results)
    learners, enrolments = [], []
    for key, (gender, region, items) in enumerate(draw(st.lists(person, max_size=8))):
        learners.append({"learner": key, "gender": gender, "region": region})
        enrolments += [{"learner": key, "item": i, "result": r} for i, r in items.items()]
    return learners, enrolments


def frame(rows, columns):
    """A table of text but for the key."""
    return pl.DataFrame(rows, {"learner": pl.Int64, **dict.fromkeys(columns, pl.String)})


def frames(side, kept):
    """Both tables, or one of them."""
    made = {
        "learners": frame(side[0], LEARNER_COLUMNS),
        "enrolments": frame(side[1], ROW_COLUMNS),
    }
    return {name: made[name] for name in kept}


def compare(real, twin, *, statistics=(), target=None, seed=0):
    """`fidelity_of` by the names of these tables."""
    rng = np.random.default_rng(seed)
    item = "item" if "enrolments" in real else None
    return fidelity_of(
        real, twin, key="learner", item=item, statistics=statistics, target=target, rng=rng
    )


KEPT = st.sampled_from([("learners",), ("enrolments",), ("learners", "enrolments")])


@settings(deadline=None, max_examples=40)
@given(real=people(), twin=people(), kept=KEPT, seed=st.integers(0, 2**32 - 1))
def test_every_distance_and_share_is_the_one_of_its_definition(real, twin, kept, seed):
    """Either table or both, in any order of the rows; learners without rows, empty sides."""
    order = np.random.default_rng(seed)
    shuffled = [
        {name: rows[order.permutation(len(rows))] for name, rows in frames(side, kept).items()}
        for side in (real, twin)
    ]
    of_rows = "enrolments" in kept
    by = "gender" if "learners" in kept else None
    asked = Statistic(column="result" if of_rows else "region", values=("Pass", "n"), by=by)
    found = compare(*shuffled, statistics=[asked])
    slow = [
        reference.tables(side[0] if "learners" in kept else None, side[1] if of_rows else None)
        for side in (real, twin)
    ]
    of_learners = [c for c in LEARNER_COLUMNS if "learners" in kept]
    of_learners += [reference.COUNT] if of_rows else []
    columns = [*of_learners, *(ROW_COLUMNS if of_rows else ())]
    for order_of, made in ((1, found.one_way), (2, found.two_way)):
        expected = reference.ways(*slow, columns, of_learners, order_of)
        assert {e.columns: e.tvd for e in made.errors} == {k: float(v) for k, v in expected.items()}
        assert made.largest == max(map(float, expected.values()))
        mean = sum(expected.values()) / len(expected)
        assert made.mean == pytest.approx(float(mean), abs=1e-12)
    rows = [reference.finest(side, [asked.column], of_learners) for side in slow]
    groups = sorted({r["gender"] for side in rows for r in side}) if by else []
    assert [s.group for s in found.statistics[0].shares] == [None, *groups]
    for share in found.statistics[0].shares:
        mine = [[r for r in side if share.group in (None, r.get("gender"))] for side in rows]
        exact = [reference.share(side, asked.column, asked.values) for side in mine]
        assert (share.real_rows, share.twin_rows) == tuple(map(len, mine))
        assert (share.real, share.twin) == tuple(None if e is None else float(e) for e in exact)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_total_variation_is_a_distance(data):
    """0 for equal distributions, however many rows; symmetric; at most 1; the triangle holds."""
    rows = st.lists(st.tuples(st.sampled_from("ab*"), st.sampled_from("xy")), max_size=9)
    lists = [data.draw(rows) for _ in range(3)]
    a, b, c = (pl.DataFrame(r, {"p": pl.String, "q": pl.String}, orient="row") for r in lists)
    assert total_variation(a, b) == float(reference.tvd(*lists[:2]))
    assert total_variation(a, b) == total_variation(b, a)
    assert 0 <= total_variation(a, b) <= 1
    assert total_variation(a, pl.concat([a, a, a]).sample(fraction=1, shuffle=True, seed=1)) == 0
    assert total_variation(a, c) <= total_variation(a, b) + total_variation(b, c) + 1e-12


@settings(deadline=None, max_examples=20)
@given(real=people(), twin=people(), kept=KEPT, seed=st.integers(0, 2**32 - 1))
def test_the_auc_is_the_share_of_pairs_in_order(real, twin, kept, seed):
    """Split, trained and counted pair by pair; or the reason why there is no AUC."""
    of_rows = "enrolments" in kept
    column, positive = ("result", PASSED) if of_rows else ("gender", ("F",))
    features = [c for c in LEARNER_COLUMNS if "learners" in kept and c != column]
    features += ["item"] if of_rows else []
    target = Target(column, positive)
    found = compare(frames(real, kept), frames(twin, kept), target=target, seed=seed).prediction
    slow = [
        reference.tables(side[0] if "learners" in kept else None, side[1] if of_rows else None)
        for side in (real, twin)
    ]
    ours, theirs = (side[1] if of_rows else side[0] for side in slow)
    half, held_out = reference.halves(ours, np.random.default_rng(seed))
    labels = {f: sorted({row[f] for row in (*ours, *theirs)}) for f in features}
    assert sorted(found.features) == sorted(features)
    assert (found.held_out, found.real_rows, found.twin_rows) == (
        len(held_out),
        len(half),
        len(theirs),
    )
    for made, train in ((found.real, half), (found.twin, theirs)):
        expected = reference.auc(train, held_out, features, column, positive, labels)
        if isinstance(expected, str):
            assert (made.value, made.reason) == (None, expected)
        else:
            low, high = expected
            assert float(low) - 1e-12 <= made.value <= float(high) + 1e-12


@settings(deadline=None, max_examples=40)
@given(
    real=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=30),
    twin=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30),
    seed=st.integers(0, 2**32 - 1),
)
def test_of_one_indicator_the_model_learns_its_direction(real, twin, seed):
    """The AUC by hand: who has the label that passes more often is to score higher."""

    def table(rows):
        return pl.DataFrame(
            {
                "learner": range(len(rows)),
                "seen": ["yes" if seen else "no" for seen, _ in rows],
                "end": ["Pass" if passed else "Fail" for _, passed in rows],
            },
            {"learner": pl.Int64, "seen": pl.String, "end": pl.String},
        )

    numbered = [{"learner": i, "row": row} for i, row in enumerate(real)]
    half, held_out = (
        [person["row"] for person in part]
        for part in reference.halves(numbered, np.random.default_rng(seed))
    )
    assume(len({passed for _, passed in held_out}) == 2)
    made = compare(
        {"learners": table(real)},
        {"learners": table(twin)},
        target=Target("end", ("Pass",)),
        seed=seed,
    ).prediction
    for auc, train in ((made.real, half), (made.twin, twin)):
        passed = [[p for s, p in train if s == seen] for seen in (False, True)]
        if len({p for _, p in train}) < 2:
            assert auc.reason == "one-class-trained-on"
        elif all(passed):
            lift = Fraction(sum(passed[1]), len(passed[1])) - Fraction(
                sum(passed[0]), len(passed[0])
            )
            if lift:
                scores = [lift * seen for seen, _ in held_out]
                low, high = reference.mann_whitney(scores, [p for _, p in held_out])
                assert low == high
                assert auc.value == pytest.approx(float(low), abs=1e-12)
