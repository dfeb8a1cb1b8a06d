"""Noise as it is really drawn: its distribution, its edges, and that nobody can repeat it.

A test of a distribution draws 10^5 times, or some thousand selections, and raises a false alarm
about once in 10^6 runs; there are 14 of them, so all together do once in some 70,000 runs.
"""

import ast
import inspect
import math
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from diffprivlib.mechanisms import base, geometric
from hypothesis import given, settings
from hypothesis import strategies as st
from opendp.mod import GLOBAL_FEATURES
from scipy.stats import binomtest, chi2

from anonymizer.dp import noise
from anonymizer.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, Geometric, NoisyMax
from anonymizer.dp.noise import MOST, add_noise, select_quantiles
from anonymizer.errors import CoreError
from tests.reference import mechanisms as slow
from tests.reference.geometric import Told

ROOT = Path(__file__).resolve().parents[2]
FALSE_ALARM = 1e-6
DRAWS = 100_000
HALF = Fraction(1, 2)

MECHANISMS = [
    Geometric(1, 1, HALF),
    Geometric(1, 1, Fraction(1)),
    Geometric(1, 1, Fraction(20)),
    DiscreteLaplace(1, 1, HALF),
    DiscreteLaplace(1, 1, Fraction(4)),
    DiscreteLaplace(1, 1, Fraction(50)),
    DiscreteGaussian(1, 1, HALF),
    DiscreteGaussian(1, 1, Fraction(4)),
    DiscreteGaussian(1, 1, Fraction(50)),
]
ONE_EACH = MECHANISMS[1::3]


def named(mechanism):
    return f"{mechanism.name}-{mechanism.scale}"


def expected(mechanism, scale=None):
    """The probabilities that the slow twin writes out, of that scale or another."""
    write = slow.gaussian if isinstance(mechanism, DiscreteGaussian) else slow.laplace
    wide = float(scale or mechanism.scale)
    return write(wide, math.ceil(40 * wide))


def drawn(mechanism, count=DRAWS):
    return add_noise(np.zeros(count, dtype=np.int64), mechanism)


def fits(observed, probabilities):
    """The p-value of a chi-square test; values expected less than 25 times stand together."""
    found, counts = np.unique(observed, return_counts=True)
    seen = dict(zip(found.tolist(), counts.tolist(), strict=True))
    size = len(observed)
    often = {x for x, p in probabilities.items() if p * size >= 25}
    rest = max(1 - math.fsum(probabilities[x] for x in often), 1e-12)
    pairs = [(seen.get(x, 0), size * probabilities[x]) for x in often]
    pairs.append((size - sum(n for n, _ in pairs), size * rest))
    return float(chi2.sf(sum((n - m) ** 2 / m for n, m in pairs), len(pairs) - 1))


def worst_ratio(observed, probabilities):
    """The p-value of the least likely ratio of two neighbours' counts, times the pairs tried."""
    found, counts = np.unique(observed, return_counts=True)
    seen = dict(zip(found.tolist(), counts.tolist(), strict=True))
    tried = [
        binomtest(
            seen.get(x, 0),
            seen.get(x, 0) + seen.get(x + 1, 0),
            probabilities[x] / (probabilities[x] + probabilities[x + 1]),
        ).pvalue
        for x in probabilities
        if x + 1 in probabilities and probabilities[x] * len(observed) >= 25
    ]
    return min(tried) * len(tried)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=named)
def test_distribution(mechanism):
    """Chi-square, the ratios of neighbouring counts, which are what a change shows, and coverage.

    Each at a false alarm of a third of 10^-6. The half-width holds as often as stated.
    """
    observed, probabilities = drawn(mechanism), expected(mechanism)
    assert fits(observed, probabilities) > FALSE_ALARM / 3
    assert worst_ratio(observed, probabilities) > FALSE_ALARM / 3
    inside = int(np.sum(np.abs(observed) <= mechanism.half_width()))
    assert binomtest(inside, DRAWS, 0.95, alternative="less").pvalue > FALSE_ALARM / 3


@pytest.mark.parametrize("mechanism", MECHANISMS[1:], ids=named)
def test_less_noise_is_noticed(mechanism):
    """Noise of nine tenths of the scale does not pass for the stated one."""
    if mechanism.scale > HALF or not isinstance(mechanism, DiscreteGaussian):
        smaller = type(mechanism)(
            1, 1, Fraction(round(float(mechanism.scale) * 0.9 * 2**20), 2**20)
        )
        assert fits(drawn(smaller), expected(mechanism)) <= FALSE_ALARM


@pytest.mark.parametrize(
    ("values", "alpha", "scale", "regime"),
    [
        ([1, 1, 2, 5, 5, 5, 9], HALF, 8_000, "pure"),
        ([], Fraction(1, 4), 5_000, "zcdp"),
        ([3] * 6, Fraction(9, 10), 12_000, "zcdp"),
        ([3] * 6, Fraction(9, 10), 12_000, "pure"),
    ],
)
def test_selections(values, alpha, scale, regime):
    """The exponential mechanism on the slow twin's scores, by chi-square of 4,000."""
    candidates = [0, 1, 3, 4, 6, 8]
    mechanism = NoisyMax(1, alpha, Fraction(scale), regime)
    group, points = np.array(values, dtype=np.int64), np.array(candidates, dtype=np.int64)
    observed = select_quantiles([group] * 4_000, points, mechanism)
    weights = slow.selection(slow.scores(values, candidates, alpha), scale)
    assert fits(observed, dict(zip(candidates, weights, strict=True))) > FALSE_ALARM


def test_rank_half_widths_hold():
    """With 95% at least the rank told is no further off, by a binomial test of 1,000."""
    mechanism = NoisyMax(1, HALF, Fraction(20_000), "pure")
    values, candidates = np.arange(1_000), np.arange(0, 1_000)
    far = mechanism.rank_half_width(len(candidates))
    ranks = select_quantiles([values] * 1_000, candidates, mechanism)
    inside = sum(abs(rank - 499.5) <= far + 0.5 for rank in ranks)
    assert binomtest(inside, 1_000, 0.95, alternative="less").pvalue > FALSE_ALARM


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(-5, 12), max_size=20),
    st.sets(st.integers(-5, 12), min_size=1),
    st.one_of(
        st.integers(1, 9_999).map(lambda k: Fraction(k, 10_000)),
        st.sampled_from([Fraction(3, 10_000), HALF, Fraction(1, 16), Fraction(29, 10_000)]),
    ),
)
def test_scores_as_the_slow_twin_has_them(values, candidates, alpha):
    """OpenDP's scores at every quantile of four decimals, none cut to three; and its map."""
    ordered = np.array(sorted(candidates), dtype=np.int64)
    mechanism = NoisyMax(1, alpha, Fraction(1), "pure")
    with noise._opendp() as dp:
        scored = noise._scoring(dp, ordered, mechanism)
        found = scored(np.array(values, dtype=np.int64))
        assert scored.map(1) == mechanism.linf
    assert found == slow.scores(values, ordered.tolist(), alpha)


@pytest.mark.parametrize("mechanism", ONE_EACH, ids=named)
@pytest.mark.parametrize("shape", [(0,), (3,), (2, 5), (0, 4)])
def test_shapes(mechanism, shape):
    """A new array of the same shape; the exact one stays as it is, strided or not."""
    values = np.full(shape, 7, dtype=np.int64)
    values.flags.writeable = False
    found = add_noise(values, mechanism)
    assert found.shape == shape
    assert found.dtype == np.int64
    assert not np.shares_memory(found, values)
    assert np.all(values == 7)
    assert add_noise(np.asfortranarray(values)[::2], mechanism).shape == values[::2].shape


@pytest.mark.parametrize("mechanism", ONE_EACH, ids=named)
def test_large_integers_survive(mechanism):
    """Above 2^53 every integer is hit, not only the even ones; at the ends nothing wraps."""
    values = np.full(2_000, 2**60 + 1, dtype=np.int64)
    noisy = add_noise(values, mechanism) - values
    assert set(np.unique(noisy % 2).tolist()) == {0, 1}
    assert np.abs(noisy).max() < 40 * mechanism.scale
    for end in (MOST, -MOST):
        ends = np.full(100, end, dtype=np.int64)
        assert np.abs(add_noise(ends, mechanism) - end).max() < 40 * mechanism.scale


def test_large_scales():
    """OpenDP's noise is of 64 bits, not of 32; the sum with the largest value does not wrap."""
    for mechanism in (
        DiscreteLaplace(1, 1, Fraction(10**15)),
        DiscreteGaussian(1, 1, Fraction(10**15)),
    ):
        found = drawn(mechanism, 1_000)
        assert 2**40 < np.abs(found).max() < 2**56
        assert add_noise(np.full(9, MOST, dtype=np.int64), mechanism).min() > 0


def test_noise_beyond_reason_is_clipped(monkeypatch):
    """What OpenDP would saturate: a value and it still fit."""
    clipped = noise._small([2**63 - 1, -(2**63), 5])
    assert clipped.tolist() == [MOST - 1, 1 - MOST, 5]
    monkeypatch.setattr(noise, "_drawn", lambda *_: clipped)
    ends = np.array([MOST, -MOST, 0], dtype=np.int64)
    assert add_noise(ends, ONE_EACH[1]).tolist() == [2**63 - 1, 1 - 2**63, 5]


def test_overflow_is_drawn_anew(monkeypatch):
    """At u = 1/2 the library has infinity; the next u counts, without a warning."""

    class Halves(Told):
        told = iter([0.5, 0.5, 0.9, 0.5, 0.1])

        def random(self):
            return next(self.told)

    monkeypatch.setattr(base, "check_random_state", lambda *_: Halves())
    found = add_noise(np.zeros(2, dtype=np.int64), Geometric(1, 1, Fraction(5)))
    # log(0.4 (1 + exp(-1/5))) * -5 = 1.58
    assert found.tolist() == [1, -1]


@pytest.mark.parametrize(
    "values",
    [
        np.array([MOST + 1]),
        np.array([-MOST - 1]),
        np.array([-(2**63)]),
        np.array([1.0]),
        np.array([1], dtype=np.int32),
        np.array([1], dtype=np.uint64),
        np.array([True]),
        np.array([], dtype=np.float64),
    ],
)
def test_values_that_are_refused(values):
    """No other type, and nothing that noise might push out of 64 bits."""
    with pytest.raises(CoreError, match="values"):
        add_noise(values, ONE_EACH[1])


@pytest.mark.parametrize(
    ("values", "candidates", "match"),
    [
        (np.array([1.0]), np.array([1]), "integers"),
        (np.array([1]), np.array([1.0]), "integers"),
        (np.array([[1]]), np.array([1]), "dimension"),
        (np.array([1]), np.array([[1]]), "dimension"),
        (np.array([1]), np.array([], dtype=np.int64), "candidates"),
        (np.array([1]), np.array([1, 1]), "candidates"),
        (np.array([1]), np.array([2, 1]), "candidates"),
    ],
)
def test_selections_that_are_refused(values, candidates, match):
    """Whatever the values are, the same kind of output; candidates are public and in order."""
    with pytest.raises(CoreError, match=match):
        select_quantiles([values], candidates, NoisyMax(1, HALF, Fraction(1), "pure"))


@pytest.mark.parametrize("values", [[], [4] * 50, [-(2**63), 2**63 - 1], list(range(40, 0, -1))])
def test_any_values_give_a_candidate(values):
    """None, ties, extremes and disorder: one out of the candidates; a single one is picked."""
    mechanism = NoisyMax(3, Fraction(1, 40), Fraction(1000), "zcdp")
    taken = np.array(values, dtype=np.int64)
    found = select_quantiles([taken[::2], taken], np.arange(5), mechanism)
    assert (found.dtype, found.shape) == (np.int64, (2,))
    assert set(found.tolist()) <= set(range(5))
    assert select_quantiles([taken], np.array([6]), mechanism).tolist() == [6]
    assert select_quantiles([], np.arange(5), mechanism).shape == (0,)


def test_what_selects_is_made_once(monkeypatch):
    """However many cells: OpenDP's parts cost as much as a draw, and each cell has one of its own.

    Ten draws from 1,000 candidates, nearly uniform, are all alike with a chance below 10^-26.
    """
    made = []
    scoring = noise._scoring
    monkeypatch.setattr(noise, "_scoring", lambda *given: made.append(1) or scoring(*given))
    assert len(set(outcome(EVERY[-1]))) > 1
    assert len(made) == 1


def test_a_library_that_claims_more_is_not_used():
    """OpenDP's own map is asked before a draw."""
    noise._confirm(1.0000000001, Fraction(1))
    for claimed in (1.01, math.nan, math.inf):
        with pytest.raises(CoreError, match="privacy map"):
            noise._confirm(claimed, Fraction(1))


def test_contrib_is_left_as_it_was():
    """The switch of OpenDP's that is global stands as before, after a failure, too."""
    before = set(GLOBAL_FEATURES)
    try:
        for known in (set(), {"contrib"}):
            GLOBAL_FEATURES.clear()
            GLOBAL_FEATURES.update(known)
            drawn(ONE_EACH[1], 1)
            assert known == GLOBAL_FEATURES
            with pytest.raises(ZeroDivisionError), noise._opendp():
                1 / 0  # noqa: B018
            assert known == GLOBAL_FEATURES
    finally:
        GLOBAL_FEATURES.clear()
        GLOBAL_FEATURES.update(before)


# Nobody can repeat it.

EVERY = [*ONE_EACH, NoisyMax(1, HALF, Fraction(10**9), "pure")]
"""The selection nearly uniform."""


def outcome(mechanism):
    """Some draws, whose chance to come out twice is below 10^-19."""
    if isinstance(mechanism, NoisyMax):
        none, many = np.array([], dtype=np.int64), np.arange(1_000)
        return select_quantiles([none] * 10, many, mechanism).tolist()
    return drawn(mechanism, 200).tolist()


@pytest.mark.parametrize("mechanism", EVERY, ids=named)
def test_two_draws_differ(mechanism):
    """Of one process, whatever was done to Python's and numpy's generators."""
    state, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        first = outcome(mechanism)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        assert outcome(mechanism) != first
    finally:
        random.setstate(state)
        np.random.set_state(legacy)  # noqa: NPY002


def test_seeded_noise_is_noticed(monkeypatch):
    """The mutant: diffprivlib with a random state at every call. Two draws are then the same."""

    class Seeded(geometric.Geometric):
        def __init__(self, **settings):
            super().__init__(**settings, random_state=1)

    monkeypatch.setattr(geometric, "Geometric", Seeded)
    assert outcome(ONE_EACH[0]) == outcome(ONE_EACH[0])


FRESH = """
import random
from fractions import Fraction
import numpy as np
from diffprivlib.mechanisms import base
from anonymizer.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, Geometric, NoisyMax
from anonymizer.dp.noise import add_noise, select_quantiles
MUTANT
for one in (Geometric, DiscreteLaplace, DiscreteGaussian):
    print(add_noise(np.zeros(200, dtype=np.int64), one(1, 1, Fraction(4))).tolist())
uniform = NoisyMax(1, Fraction(1, 2), Fraction(10**9), "pure")
none = np.array([], dtype=np.int64)
print(select_quantiles([none] * 10, np.arange(1_000), uniform).tolist())
"""


def fresh(mutant=""):
    """What an interpreter of its own draws of each mechanism."""
    script = FRESH.replace("MUTANT", mutant)
    run = [sys.executable, "-c", script]
    return subprocess.run(run, cwd=ROOT, check=True, capture_output=True).stdout.splitlines()


def test_two_processes_differ():
    """No generator of a fixed state is made once for all: fresh interpreters draw apart.

    The mutant that makes one draws the same geometric noise in both.
    """
    for one, other in zip(fresh(), fresh(), strict=True):
        assert one != other
    mutant = "rng = random.Random(1); base.check_random_state = lambda *_: rng"
    assert fresh(mutant)[0] == fresh(mutant)[0]


SEEDS = {"seed", "random_state", "rng", "generator"}


def parameters(module):
    """Every name that a function of a source takes or hands on by keyword."""
    nodes = list(ast.walk(ast.parse(module)))
    taken = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return taken | {node.arg for node in nodes if isinstance(node, ast.keyword)}


def test_nothing_takes_a_seed():
    """No parameter, and no keyword handed on to a library, by any of a seed's names."""
    source = inspect.getsource(noise)
    assert not SEEDS & parameters(source)
    assert SEEDS & parameters(source.replace("sensitivity=1)", "sensitivity=1, random_state=1)"))
    assert list(inspect.signature(add_noise).parameters) == ["values", "mechanism"]
    assert list(inspect.signature(select_quantiles).parameters) == [
        "groups",
        "candidates",
        "mechanism",
    ]
