"""Parity with ARX 3.9.2 on UCI Adult: k = 5, Loss, all nine columns quasi-identifiers."""

import math

import polars as pl
import pytest

from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import histogram_from_counts
from anonymizer.models import KAnonymity
from anonymizer.search import optimal_recoding

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def adult(shared_data):
    """The histogram of the table and the hierarchies of its columns, in CSV column order."""
    folder = shared_data / "adult"
    rows = pl.read_csv(folder / "adult.csv", separator=";", infer_schema=False)
    hierarchies = [
        Hierarchy.from_rows(
            name,
            [
                line.split(";")
                for line in (folder / f"adult_hierarchy_{name}.csv").read_text().splitlines()
            ],
            missing=False,
        )
        for name in rows.columns
    ]
    counts = rows.group_by(rows.columns).len("learners")
    histogram, _ = histogram_from_counts(
        counts, hierarchies, cell=None, learners="learners", sensitive={}, orders={}
    )
    return histogram, hierarchies


@pytest.mark.parametrize(
    "limit, node, loss, suppressed, classes",
    [
        (0.0, (0, 4, 1, 1, 3, 2, 2, 1, 0), 0.5731509655590044, 0, 24),
        (0.02, (0, 3, 0, 2, 2, 1, 1, 2, 0), 0.3137130352819242, 506, 222),
        (0.05, (0, 3, 0, 0, 2, 1, 1, 2, 0), 0.2419323650662908, 1346, 397),
    ],
)
def test_the_optimum_is_that_of_arx(adult, limit, node, loss, suppressed, classes):
    """Node, Loss to 1e-9, suppressed rows and classes of the published table."""
    histogram, hierarchies = adult
    found = optimal_recoding(
        histogram,
        hierarchies,
        [KAnonymity(5)],
        suppression_limit=math.floor(limit * histogram.total),
        weights=[1.0] * len(hierarchies),
    )
    assert (found.levels, found.suppressed, found.classes) == (node, suppressed, classes)
    assert found.loss == pytest.approx(loss, abs=1e-9)
