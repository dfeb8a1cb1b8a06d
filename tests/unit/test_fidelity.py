"""The fidelity of a twin: by hand, what is refused, and what the steward reads."""

import json

import numpy as np
import polars as pl
import pytest

from pipelines.twins.fidelity_report import WARNING, fidelity_document, fidelity_text
from schemas.roles import Grain
from schemas.sensitive import Statistic
from synth.fidelity import WayError, fidelity_of
from synth.fidelity_prediction import Auc, Prediction, Target
from synth.fidelity_tables import COUNT

PASSED = Statistic(column="result", values=("Pass",), by="gender")


def table(rows, *columns):
    """A table of text but for its first column."""
    types = {columns[0]: pl.Int64, **dict.fromkeys(columns[1:], pl.String)}
    return pl.DataFrame(rows, types, orient="row")


def world(genders, results):
    """Learners 1, 2, ... of these genders, and (learner, item, result) rows."""
    return {
        "learners": table(list(enumerate(genders, start=1)), "learner", "gender"),
        "enrolments": table(results, "learner", "item", "result"),
    }


REAL = world("FFMM", [(1, "A", "Pass"), (1, "B", "Fail"), (2, "A", "Pass"), (3, "A", "Fail")])
TWIN = world("FM", [(1, "A", "Pass"), (2, "A", "Pass")])


def compare(real=REAL, twin=TWIN, *, item="item", statistics=(), target=None, seed=0):
    """`fidelity_of` by the names of these tables."""
    rng = np.random.default_rng(seed)
    return fidelity_of(
        real, twin, key="learner", item=item, statistics=statistics, target=target, rng=rng
    )


def test_distances_by_hand():
    """Learner columns once a learner, others once a row; learner 4 has no row."""
    found = compare()
    learner, row = Grain.LEARNER, Grain.LEARNER_COURSE
    assert found.one_way.errors == (
        WayError(("gender",), learner, 0.0),
        WayError((COUNT,), learner, 1 / 2),  # 2, 1, 1, 0 against 1, 1
        WayError(("item",), row, 1 / 4),
        WayError(("result",), row, 1 / 2),
    )
    assert found.two_way.errors[:3] == (
        WayError(("gender", COUNT), learner, 1 / 2),
        WayError(("gender", "item"), row, 1 / 4),  # FA FB FA MA against FA MA
        WayError(("gender", "result"), row, 1 / 2),
    )
    assert [(e.columns, e.tvd) for e in found.two_way.worst(2)] == [
        ((COUNT, "result"), 3 / 4),  # 2P 2F 1P 1F against 1P 1P
        (("gender", COUNT), 1 / 2),
    ]
    assert (found.one_way.mean, found.one_way.largest) == (5 / 16, 1 / 2)
    assert (found.real_learners, found.twin_learners) == (4, 2)
    assert (found.real_rows, found.twin_rows) == (4, 2)
    assert compare(item=None) == found  # an item is only looked at for learners who have it twice


def test_statistics_by_hand():
    """Half of the real rows are passed: two of three of F, none of M; all of the twin's are."""
    (found,) = compare(statistics=[PASSED]).statistics
    assert [(s.group, s.real_rows, s.twin_rows, s.real, s.twin) for s in found.shares] == [
        (None, 4, 2, 1 / 2, 1.0),
        ("F", 3, 1, 2 / 3, 1.0),
        ("M", 1, 1, 0.0, 1.0),
    ]
    assert [s.difference for s in found.shares] == [1 / 2, 1 - 2 / 3, 1.0]
    assert found.absent == ()


def test_a_statistic_of_learners_counts_learners():
    """Not the rows of their enrolments; a value that nobody has is named."""
    asked = Statistic(column="gender", values=("F", "X"))
    (found,) = compare(statistics=[asked]).statistics
    assert (found.shares[0].real_rows, found.shares[0].real) == (4, 1 / 2)
    assert found.absent == ("X",)


def test_a_table_alone():
    """Learners without enrolments have no number of rows; enrolments alone count their learners."""
    learners = compare({"learners": REAL["learners"]}, {"learners": TWIN["learners"]}, item=None)
    assert [e.columns for e in learners.one_way.errors] == [("gender",)]
    assert (learners.real_rows, learners.two_way.mean, learners.two_way.largest) == (None,) * 3
    rows = compare({"enrolments": REAL["enrolments"]}, {"enrolments": TWIN["enrolments"]})
    assert [e.columns[0] for e in rows.one_way.errors] == [COUNT, "item", "result"]
    assert (rows.real_learners, rows.one_way.errors[0].tvd) == (3, 1 / 3)  # 2, 1, 1 against 1, 1


def test_sides_without_anybody():
    """Nothing in common with somebody; two of them are equal; no share, no AUC."""
    nobody = world("", [])
    target = Target("result", ("Pass",))
    found = compare(twin=nobody, statistics=[PASSED], target=target)
    assert {e.tvd for e in (*found.one_way.errors, *found.two_way.errors)} == {1.0}
    assert found.statistics[0].shares[0].twin is None
    assert found.statistics[0].shares[0].difference is None
    assert found.prediction.twin.value is None
    both = compare(nobody, nobody, statistics=[PASSED], target=target)
    assert {e.tvd for e in both.one_way.errors} == {0.0}
    assert both.prediction.real == Auc(None, "one-class-held-out")
    json.dumps(fidelity_document(both), allow_nan=False)


def coded(rng, learners, *, flip=0.0):
    """Learners with two rows each, who pass in items A and fail in B, but for some."""
    rows = []
    for key in range(learners):
        for item in "AB":
            passed = (item == "A") != (rng.random() < flip)
            rows.append((key, item, "Pass" if passed else "Fail"))
    return world("F" * learners, [(key + 1, item, result) for key, item, result in rows])


def test_a_twin_is_tested_on_real_learners():
    """A faithful twin predicts as the real half does, one turned around predicts the reverse."""
    rng = np.random.default_rng(1)
    real, good, bad = (coded(rng, 40, flip=flip) for flip in (0.0, 0.1, 0.9))
    target = Target("result", ("Pass",))
    found = compare(real, good, target=target).prediction
    assert (found.real, found.twin, found.difference) == (Auc(1.0, None), Auc(1.0, None), 0.0)
    assert (found.held_out, found.real_rows, found.twin_rows) == (40, 40, 80)
    assert (found.grain, found.features) == (Grain.LEARNER_COURSE, ("item", "gender"))
    found = compare(real, bad, target=target).prediction
    assert (found.twin.value, found.difference) == (0.0, -1.0)


def test_learners_are_split_not_their_rows():
    """Who is told by his region has all his rows in one half: the other half learns nothing."""
    people = table([(i, f"region {i}") for i in range(20)], "learner", "region")
    passed = ["Pass" if i % 2 else "Fail" for i in range(20)]
    rows = [(i, item, passed[i]) for i in range(20) for item in "ABC"]
    real = {"learners": people, "enrolments": table(rows, "learner", "item", "result")}
    found = compare(real, real, target=Target("result", ("Pass",))).prediction
    assert (found.held_out, found.real_rows) == (30, 30)
    assert found.real == Auc(0.5, None)
    assert found.twin == Auc(1.0, None)  # a copy of the real tables knows the held-out half


def test_neither_the_order_of_rows_nor_the_keys_of_a_twin_matter():
    """The same figures; another half of the learners where the generator is another."""
    rng = np.random.default_rng(2)
    real, twin = coded(rng, 30, flip=0.3), coded(rng, 30, flip=0.3)
    target = Target("result", ("Pass",))
    found = compare(real, twin, statistics=[PASSED], target=target)
    renamed = {
        name: rows.reverse().with_columns(learner=pl.format("x{}", 100 - pl.col("learner")))
        for name, rows in twin.items()
    }
    turned = {name: rows.reverse() for name, rows in real.items()}
    again = compare(turned, renamed, statistics=[PASSED], target=target)
    assert again == found
    others = {
        compare(real, twin, target=target, seed=seed).prediction.real.value for seed in range(8)
    }
    assert len(others) > 1


@pytest.mark.parametrize(
    "real, twin, real_auc, twin_auc",
    [
        ("PPPP", "PF", "one-class-held-out", "one-class-held-out"),
        ("PFPFPFPFPF", "FF", None, "one-class-trained-on"),
        ("FFP", "PF", "one-class-trained-on", None),
    ],
)
def test_without_both_classes_there_is_no_auc(real, twin, real_auc, twin_auc):
    """A reason stands in its place, for each model its own."""
    letters = {"P": "Pass", "F": "Fail"}
    ours, theirs = (
        {"learners": table([(i, "n", letters[c]) for i, c in enumerate(ends)], *columns)}
        for ends in (real, twin)
        for columns in [("learner", "region", "result")]
    )
    # The first learner is learnt from: of three, the one who passes is held out.
    seed = next(s for s in range(99) if np.random.default_rng(s).permutation(len(real))[0] == 0)
    found = compare(ours, theirs, item=None, target=Target("result", ("Pass",)), seed=seed)
    assert found.prediction.real.reason == real_auc
    assert found.prediction.twin.reason == twin_auc
    assert (found.prediction.difference is None) == bool(real_auc or twin_auc)


def test_without_features_there_is_no_auc():
    """The target is the only column; the number of rows is none."""
    ours = {"learners": table([(i, "FM"[i % 2]) for i in range(8)], "learner", "gender")}
    found = compare(ours, ours, item=None, target=Target("gender", ("F",))).prediction
    assert found.real == found.twin == Auc(None, "no-features")


def changed(name, **columns):
    """The real tables with other columns in one of them."""
    return {**REAL, name: REAL[name].with_columns(**columns)}


ONE_TWICE = {**REAL, "learners": pl.concat([REAL["learners"], REAL["learners"][:1]])}
NOBODYS = {**REAL, "learners": REAL["learners"][1:]}


@pytest.mark.parametrize(
    "real, twin, message",
    [
        ({}, {}, "the same tables"),
        (REAL, {"learners": TWIN["learners"]}, "the same tables"),
        ({"events": REAL["learners"]}, {"events": TWIN["learners"]}, "the same tables"),
        (
            changed("learners", region=pl.lit("n")),
            TWIN,
            "learners: one side alone has the columns region",
        ),
        (changed("enrolments", result=pl.lit(None)), TWIN, "real enrolments, column result: nulls"),
        (changed("learners", learner=pl.lit(None)), TWIN, "real learners, column learner: nulls"),
        (REAL, changed("enrolments", result=pl.lit(1)), "column result: Int32, not text"),
        (ONE_TWICE, TWIN, "real learners: a learner has two rows"),
        (REAL, changed("enrolments", item=pl.lit("A")), "twin enrolments: a learner has two rows"),
        (NOBODYS, TWIN, "real enrolments: a row is of no learner"),
        (*[changed("learners", item=pl.lit("n"))] * 2, "real: both tables have the columns item"),
        (*[changed("learners", **{COUNT: pl.lit("1")})] * 2, "the name 'rows of a learner' is"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(real, twin, message):
    """By the table and the column; no value of a learner is named."""
    with pytest.raises(ValueError, match=message):
        compare(real, twin)


def test_columns_that_do_not_exist_are_refused():
    """The key, the item, the column of a statistic, of its groups, of the target."""
    for statistic in (
        Statistic(column="grade", values=("1",)),
        Statistic(column="result", values=("Pass",), by="grade"),
        Statistic(column=COUNT, values=("1",)),
    ):
        with pytest.raises(ValueError, match="statistics: the tables have no column"):
            compare(statistics=[statistic])
    with pytest.raises(ValueError, match="share of result: part the rows by another column"):
        compare(statistics=[Statistic(column="result", values=("Pass",), by="result")])
    for column in ("grade", COUNT, "learner"):
        with pytest.raises(ValueError, match="target: the tables have no column"):
            compare(target=Target(column, ("1",)))
    with pytest.raises(ValueError, match="item: the enrolments have no column run"):
        compare(item="run")
    with pytest.raises(ValueError, match="key: real learners has no column id"):
        fidelity_of(
            REAL,
            TWIN,
            key="id",
            item="item",
            statistics=(),
            target=None,
            rng=np.random.default_rng(),
        )


def test_values_without_a_meaning_are_refused():
    """Distances out of range, an AUC with a reason, a target without values."""
    for make, message in [
        (lambda: WayError(("a",), Grain.LEARNER, 1.1), "from 0 to 1"),
        (lambda: WayError((), Grain.LEARNER, 0.5), "one column or two"),
        (lambda: Auc(0.5, "no-features"), "a value, or the reason"),
        (lambda: Auc(None, None), "a value, or the reason"),
        (lambda: Auc(1.5, None), "from 0 to 1"),
        (lambda: Target("a", ()), "at least one positive value"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


def test_labels_may_be_categories():
    """Polars' categorical types are text; the figures are the same."""
    categories = {
        name: rows.with_columns(pl.exclude("learner").cast(pl.Categorical))
        for name, rows in REAL.items()
    }
    assert compare(categories) == compare()


def test_the_document_holds_every_figure_to_four_decimals():
    """Ready for JSON; the twin's AUC is of the same held-out rows."""
    target = Target("result", ("Pass",))
    document = fidelity_document(compare(statistics=[PASSED], target=target, seed=1))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["warning"] == WARNING
    assert document["learners"] == {"real": 4, "twin": 2}
    assert document["one_way"]["errors"][1] == {
        "columns": [COUNT],
        "grain": "learner",
        "tvd": 0.5,
    }
    assert document["one_way"]["mean"] == 0.3125
    assert document["statistics"][0]["shares"][1] == {
        "group": "F",
        "real_rows": 3,
        "twin_rows": 1,
        "real": 0.6667,
        "twin": 1.0,
        "difference": 0.3333,
    }
    prediction = document["prediction"]
    assert prediction["features"] == ["item", "gender"]
    assert prediction["trained_on_twin"] == {
        "rows": 2,
        "auc": None,
        "reason": prediction["trained_on_twin"]["reason"],
    }
    assert fidelity_document(compare())["prediction"] is None


def test_the_page_says_first_that_it_is_not_to_be_released():
    """Then the tables; what could not be computed is said, and labels cannot break a table."""
    odd = Statistic(column="result", values=("Pass", "a|b"), by="gender")
    page = fidelity_text(compare(statistics=[odd], target=Target("result", ("Pass",)), seed=1))
    lines = page.splitlines()
    assert lines[0] == WARNING
    assert "| learners | 4 | 2 |" in lines
    assert f"| {COUNT} | learners | 0.5000 |" in lines
    assert "4 columns: mean 0.3125, largest 0.5000." in lines
    assert "| gender x result | enrolments | 0.5000 |" in lines
    assert "| result in Pass, a\\|b | gender: F | 3 | 1 | 0.6667 | 1.0000 | +0.3333 |" in lines
    assert "no row of either side has a\\|b." in page
    assert "| the twin | 2 | none: all" in page
    assert "| difference |  | - |" in lines
    bare = fidelity_text(compare())
    assert "None were declared." in bare
    assert "No target was declared." in bare


def test_a_difference_of_nothing_has_no_sign_but_plus():
    """No `-0.0` in either form."""
    made = Prediction(
        Target("a", ("x",)), Grain.LEARNER, ("b",), 2, 2, 2, Auc(0.5, None), Auc(0.49999, None)
    )
    found = compare(target=Target("result", ("Pass",)))
    of_nothing = type(found)(**{**vars(found), "prediction": made})
    assert "| difference |  | +0.0000 |" in fidelity_text(of_nothing)
    assert str(fidelity_document(of_nothing)["prediction"]["difference"]) == "0.0"
