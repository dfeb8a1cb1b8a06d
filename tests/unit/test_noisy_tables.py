"""Tables that leave are made of noisy whole numbers and public parameters, and of nothing else."""

import os
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from pipelines.aggregates import tables
from pipelines.aggregates.counting import fresh_lots
from tests.countedworld import count, plan_of, release, staged, whole_release

COURSES = ["x", "y", "z"]
VALUE = 'of = "grade"\nby = ["course"]\ncells = 2\nnulls = "leave-out"'
DECIMAL_SUM = f'type = "sum"\n{VALUE}\nbounds = [-3.5, 99.5]\ndecimals = 1'
DECIMAL_MEAN = f'type = "mean"\n{VALUE}\nbounds = [0, 99.9]\ndecimals = 1\nleast = 2'
QUERIES = [
    'type = "learners"\nby = ["course"]\ncells = 2\nmargin_of = "q1"',
    'type = "learners"\nby = ["course", "sex"]\ncells = 2',
    'type = "learners"\nview = "learners"',
    'type = "events"\nview = "activity"\nby = ["course", "week"]\ncells = 2\nmost = 3',
    DECIMAL_SUM,
    DECIMAL_MEAN,
    f'type = "histogram"\n{VALUE.replace("leave-out", "bin")}',
    f'type = "quantiles"\n{VALUE}\nquantiles = [0.5]\nbounds = [0, 20]\nmethod = "histogram"',
    f'type = "quantiles"\n{VALUE}\nquantiles = [0.25]\nbounds = [0, 9]\nmethod = "noisy-max"',
]
BUDGETS = ["epsilon = 2", "rho = 0.2"]


def rows(people=(), results=(), events=()):
    """Staged tables of a few rows."""
    columns = {
        "people": (people, ["id", "sex"]),
        "results": (results, ["id", "course", "grade"]),
        "events": (events, ["id", "course", "ts", "n"]),
    }
    return staged(
        {
            name: pl.DataFrame(list(found), schema=dict.fromkeys(names, pl.String), orient="row")
            .with_columns(pl.col("ts").str.to_datetime("%Y-%m-%d") if "ts" in names else [])
            for name, (found, names) in columns.items()
        }
    )  # fmt: skip


EMPTY = rows()
SPARSE = rows([("a", "F")], [("a", "y", "50.04")], [("a", "y", "2026-01-07", "4")])
FULL = rows(
    [(f"l{i}", "FM"[i % 2] if i else None) for i in range(40)],
    [(f"l{i}", c, None if i % 7 == 0 else f"{i}.{i % 10}") for i in range(40) for c in COURSES],
    [(f"l{i}", c, "2026-01-06", "1") for i in range(40) for c in COURSES for _ in range(3)],
)
UNLISTED = rows(
    [("a", "F"), ("b", "M")],
    [("a", "no such course", "1"), ("b", "another", "2"), ("b", "x", "3")],
    [("a", "no such course", "1999-01-01", "1"), ("b", "x", None, None)],
)
DATA = {"empty": EMPTY, "two courses absent": SPARSE, "full": FULL, "unlisted keys": UNLISTED}


def released(data, queries=QUERIES, budget=BUDGETS[0]):
    """The tables of these rows."""
    plan = plan_of(queries, budget, courses=COURSES)
    return whole_release(data, plan, lambda: fresh_lots(os.urandom))


def keys(frame):
    """The text columns of a table, in its order."""
    return frame.select(pl.col(pl.String)).rows()


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_the_shape_does_not_depend_on_the_data(data, budget):
    """Nobody, a few, all, or keys that no catalogue lists: the same keys, columns, types, order."""
    for found, expected in zip(
        released(data, budget=budget), released(FULL, budget=budget), strict=True
    ):
        assert found.schema == expected.schema
        assert keys(found) == keys(expected)
        widths = [n for n in found.columns if "half_width" in n and not n.startswith("mean")]
        assert found.select(widths).equals(expected.select(widths))


def test_what_no_catalogue_lists_is_counted_under_other(monkeypatch):
    """Without noise: two rows of courses that nobody listed, and one that somebody did."""
    monkeypatch.setattr(tables, "add_noise", lambda values, _: values.copy())
    (found,) = released(UNLISTED, ['type = "learners"\nby = ["course"]\ncells = 2'])
    assert dict(found.select("course", "learners").rows()) == {
        "x": 1, "y": 0, "z": 0, "(other)": 2
    }  # fmt: skip


@pytest.mark.parametrize("budget", BUDGETS)
def test_tables_are_functions_of_noisy_numbers(budget, monkeypatch):
    """If noise came out so that noisy numbers are the same, whatever the data, so are all bytes.

    No float, sum or order of rows carries anything past the noise: not a count of exact figures,
    not a bit of a value.
    """

    def the_same(values, _):
        return np.arange(values.size, dtype=np.int64).reshape(values.shape) * 7 - 20

    monkeypatch.setattr(tables, "add_noise", the_same)
    monkeypatch.setattr(
        tables, "select_quantiles", lambda groups, points, _: np.repeat(points[3], len(groups))
    )
    bytes_of = [
        [frame.serialize() for frame in released(data, budget=budget)] for data in DATA.values()
    ]
    assert all(found == bytes_of[0] for found in bytes_of[1:])


def on_lattice(found, unit):
    """Whether every number is the float nearest to some whole number of units."""
    whole = np.rint(found * unit)
    return bool(np.array_equal(found, whole / unit))


def of_a_ratio(means, counts, unit, middle):
    """Whether each mean is the float of a middle and some whole sum over the count beside it."""
    sums = np.rint((means * unit - middle) * counts)
    return bool(np.array_equal(means, (middle + sums / counts) / unit))


@pytest.mark.parametrize("budget", BUDGETS)
def test_low_bits_tell_nothing(budget):
    """Every float is that of whole numbers: 200 tables of sums and means, to the last bit."""
    queries = [DECIMAL_SUM, DECIMAL_MEAN]
    plan = plan_of(queries, budget, courses=COURSES)
    middle = plan.queries[1].clamps[1] // 2
    figures = count(FULL, plan, fresh_lots(os.urandom))
    for _ in range(200):
        sums, means = release(plan, figures)
        assert on_lattice(sums["sum"].to_numpy(), 10)
        assert on_lattice(sums["sum_half_width"].to_numpy(), 10)
        told = means.drop_nulls()
        assert of_a_ratio(told["mean"].to_numpy(), told["learners"].to_numpy(), 10, middle)


def test_noise_of_floats_is_noticed():
    """The mutants: continuous noise on a sum, on a mean, and a mean over another count."""
    rng = np.random.default_rng(0)
    exact = np.array([12.3, 4.5, -7.0])
    assert on_lattice(exact, 10)
    assert not on_lattice(exact + rng.laplace(size=3), 10)
    counts = np.array([40, 37, 12])
    middle, sums = 499, np.array([3, -881, 74])
    means = (middle + sums / counts) / 10
    assert of_a_ratio(means, counts, 10, middle)
    assert not of_a_ratio(means + rng.laplace(size=3), counts, 10, middle)
    assert not of_a_ratio(means, counts + 1, 10, middle)


def test_half_widths_of_means_are_functions_of_what_is_told():
    """Cells whose mean and count come out alike have the same half-width, to the last bit.

    Told figures are of 400 tables; half-widths by figures hold one value each.
    """
    plan = plan_of([DECIMAL_MEAN], "epsilon = 2", courses=COURSES)
    figures = count(SPARSE, plan, fresh_lots(os.urandom))
    found = pl.concat(release(plan, figures)[0] for _ in range(400))
    alike = found.drop_nulls().group_by("mean", "learners")
    counted = alike.agg(pl.col("mean_half_width").n_unique(), pl.len())
    assert counted["len"].max() > 1
    assert counted["mean_half_width"].max() == 1


def test_a_decimal_is_told_as_it_is_written():
    """The float of a told sum is the one nearest to its decimal: it prints as it."""
    (sums,) = released(FULL, [DECIMAL_SUM])
    for number in sums["sum"]:
        assert Fraction(repr(number)).denominator in {1, 2, 5, 10}
