"""Parity with ARX 3.9.2 on UCI Adult: k = 5, ARX's own hierarchies, quasi-identifiers in CSV order.

Each row of the table is a person. ARX stands for the node, the value, the suppressed rows and,
where it was recorded, the number of classes.
"""

import math

import polars as pl
import pytest

from anonymizer.closeness import EqualDistance, TCloseness
from anonymizer.diversity import DistinctLDiversity
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import histogram_from_counts
from anonymizer.metrics import AverageClassSize, Discernibility, Loss
from anonymizer.models import KAnonymity
from anonymizer.search import optimal_recoding

pytestmark = pytest.mark.shared_data

SENSITIVE = "occupation"


@pytest.fixture(scope="module")
def adult(shared_data):
    """The rows, and the hierarchy of each column by name."""
    folder = shared_data / "adult"
    rows = pl.read_csv(folder / "adult.csv", separator=";", infer_schema=False)
    hierarchies = {
        name: Hierarchy.from_rows(
            name,
            [
                line.split(";")
                for line in (folder / f"adult_hierarchy_{name}.csv").read_text().splitlines()
            ],
            missing=False,
        )
        for name in rows.columns
    }
    return rows, hierarchies


def recoded(adult, names, models, limit, metric, sensitive=()):
    """The optimal recoding of some columns, with the values of others counted."""
    rows, hierarchies = adult
    columns = [hierarchies[name] for name in names]
    histogram, _ = histogram_from_counts(
        rows.group_by(names).len("learners"),
        columns,
        cell=None,
        learners="learners",
        sensitive={
            name: rows.group_by([*names, name]).len("learners").rename({name: "value"})
            for name in sensitive
        },
        orders={},
    )
    return optimal_recoding(
        histogram,
        columns,
        models,
        suppression_limit=math.floor(limit * histogram.total),
        weights=[1.0] * len(columns),
        metric=metric,
    )


@pytest.mark.parametrize(
    "metric, limit, node, value, suppressed, classes",
    [
        (Loss(), 0.0, (0, 4, 1, 1, 3, 2, 2, 1, 0), 0.5731509655590044, 0, 24),
        (Loss(), 0.02, (0, 3, 0, 2, 2, 1, 1, 2, 0), 0.3137130352819242, 506, 222),
        (Loss(), 0.05, (0, 3, 0, 0, 2, 1, 1, 2, 0), 0.2419323650662908, 1346, 397),
        (Loss(), 1.0, (0, 3, 0, 0, 2, 1, 1, 1, 0), 0.22041192847984292, 2553, 602),
        (Discernibility(), 0.0, (1, 1, 1, 2, 3, 2, 2, 1, 1), 33_627_534, 0, 45),
        (Discernibility(), 0.05, (0, 0, 1, 2, 3, 2, 2, 1, 1), 7_220_555, 105, 356),
        (AverageClassSize(), 0.0, (1, 2, 1, 1, 3, 2, 2, 1, 1), 628.375, 0, 48),
        (AverageClassSize(), 0.05, (1, 0, 1, 1, 3, 2, 2, 0, 1), 28.808022922636102, 906, 1046),
    ],
)
def test_the_optimum_is_that_of_arx(adult, metric, limit, node, value, suppressed, classes):
    """Node, value to 1e-9, suppressed rows and classes, all nine columns quasi-identifiers."""
    found = recoded(adult, adult[0].columns, [KAnonymity(5)], limit, metric)
    assert (found.levels, found.suppressed, found.classes) == (node, suppressed, classes)
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.exact


@pytest.mark.parametrize(
    "model, node, value, suppressed, classes",
    [
        (
            DistinctLDiversity(SENSITIVE, 2),
            (0, 3, 0, 0, 2, 1, 1, 0), 0.17012279194738156, 1346, 397,
        ),
        (
            DistinctLDiversity(SENSITIVE, 3),
            (0, 3, 0, 0, 2, 1, 1, 0), 0.17170218121750636, 1400, 387,
        ),
        (
            TCloseness(SENSITIVE, 0.2, EqualDistance()),
            (1, 4, 1, 1, 3, 1, 2, 1), 0.8150031862123897, 235, 6,
        ),
    ],
)  # fmt: skip
def test_models_of_a_sensitive_column_reach_the_optimum_of_arx(
    adult, model, node, value, suppressed, classes
):
    """The same with occupation sensitive, and so no quasi-identifier, at a limit of 5%."""
    names = [name for name in adult[0].columns if name != SENSITIVE]
    found = recoded(adult, names, [KAnonymity(5), model], 0.05, Loss(), [SENSITIVE])
    assert (found.levels, found.suppressed, found.classes) == (node, suppressed, classes)
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.exact
