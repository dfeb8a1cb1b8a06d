"""docs/differential-privacy.md says what the code does: requests, numbers, files, commands."""

# ruff: noqa: RUF001 - Greek letters are what the text has

import math
import re
from fractions import Fraction
from pathlib import Path

import pytest

from anonymizer.dp.accounting import MICRO, epsilon_for
from anonymizer.dp.calibration import gaussian_for, laplace_for
from anonymizer.dp.geometric_delta import MOST_DELTA
from anonymizer.dp.quantiles import MOST_CANDIDATES
from pipelines.aggregates.grid import Public
from pipelines.aggregates.planning import make_aggregate_plan
from pipelines.sources import load_family
from schemas.aggregates import authorize_aggregate
from schemas.catalogue import Catalogue
from schemas.declaration import parse_toml
from schemas.policy import Policy
from schemas.request import parse_request

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "differential-privacy.md").read_text()
FLAT = " ".join(TEXT.split())
POLICY = """
require_approval = false
purposes = ["research"]
recipients = ["*"]
legal_bases = ["published-dataset"]
[budget]
epsilon_per_family = 4.0
delta = 1e-9
"""
MODULES = "dated = 2026-01-01\nlearners = 28785\n[values]\ncode_module = {}\n"


@pytest.fixture(scope="module")
def plan():
    """The plan of the worked example, with the hash that is true."""
    (text,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    family, rows = load_family("oulad")
    modules = MODULES.format(["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG"])
    public = Public(family, rows, parse_toml(Catalogue, modules, subject="catalogue"))
    request = parse_request(text.replace("0" * 64, public.sha256()), subject="docs")
    terms = authorize_aggregate(
        request,
        parse_toml(Policy, POLICY, subject="policy"),
        family,
        public.catalogue,
        catalogue_sha256=public.sha256(),
    )
    return make_aggregate_plan(request, terms, public)


def test_the_worked_example(plan):
    """Cells, scale and half-widths are those that the plan comes to."""
    (query,) = plan.queries
    (measurement,) = query.measurements
    assert query.grid.size == 48
    assert "48 cells" in FLAT
    assert (query.l0, measurement.mechanism.linf, measurement.mechanism.scale) == (2, 1, 2)
    assert measurement.mechanism.half_width() == 6
    assert "half-width is 6" in FLAT
    assert 28785 // 48 == 599
    assert laplace_for("0.1", 2, 1).half_width() == 60
    assert "At epsilon 0.1 the half-width is 60" in FLAT


def test_the_worked_probabilities():
    """P(|x| > h) of the discrete Laplace distribution with scale 2."""
    for h, told in [(6, "3.8%"), (5, "6.2%")]:
        miss = 2 * math.exp(-(h + 1) / 2) / (1 + math.exp(-1 / 2))
        assert f"P(|x| > {h}) = " in FLAT
        assert f"{miss:.1%}" == told
        assert told in FLAT


def test_the_worked_gaussian():
    """Sigma, half-width and the epsilon of rho 0.02."""
    noise = gaussian_for("0.02", 2, 1)
    assert f"σ = {float(noise.scale):.1f}, half-width {noise.half_width()}" in FLAT
    epsilon = epsilon_for(20_000, Fraction(1, 2 * 10**9)) / MICRO
    assert f"that is epsilon {epsilon:.2f}." in FLAT


def test_the_other_numbers():
    """What epsilon means, the delta of floating point, the number of candidates."""
    for epsilon, told, digits in [(0.1, "1.11 times", 2), (1, "2.7 times", 1), (4, "55 times", 0)]:
        assert told == f"{math.exp(epsilon):.{digits}f} times"
        assert told in FLAT
    assert Fraction(1, 10**12) == MOST_DELTA
    assert "1e-12" in FLAT
    assert f"up to {MOST_CANDIDATES} public values" in FLAT


@pytest.mark.parametrize("name", re.findall(r"`([a-z_/]+(?:\.py|/))`", TEXT))
def test_the_files_exist(name):
    """A file of the table stands where it says, or among the aggregates or mechanisms."""
    places = (ROOT, ROOT / "pipelines" / "aggregates", ROOT / "anonymizer" / "dp")
    assert any((place / name).exists() for place in places), name


@pytest.mark.parametrize("script", ["oulad-aggregate", "coursera-aggregate"])
def test_the_examples_are_named(script):
    """Both whole runs are there."""
    assert f"examples/{script}.sh" in TEXT
    assert (ROOT / "examples" / f"{script}.sh").is_file()
