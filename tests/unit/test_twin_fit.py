"""The model of a twin against the tables that it is fitted to."""

import builtins
import warnings

import numpy as np
import pytest

from synth import twin_estimate
from synth.factors import eliminate
from synth.twin import MOST_LEARNERS, Measured, fit, sample
from synth.twin_estimate import TwinError
from synth.twin_signal import combined, with_signal
from synth.workload import TwinShape, workload
from tests.reference.joint import joint, margin

SHAPE = TwinShape(
    {"sex": 2, "one": 1}, {"item": 3, "passed": 2}, item="item", number="n", most_rows=2
)
PAIRS = workload(SHAPE)
TRUTH = np.random.default_rng(5).dirichlet(np.ones(24)).reshape(tuple(SHAPE.sizes.values()))


def measured(make, std=1.0):
    """A table for each pair of the workload."""
    sizes = SHAPE.sizes
    return [
        Measured(pair, np.asarray(make(pair, [sizes[column] for column in pair])), std)
        for pair in PAIRS
    ]


def exact(pair, _sizes):
    return np.rint(margin(TRUTH, SHAPE.sizes, pair).reshape(-1) * 1e6).astype(np.int64)


@pytest.fixture(scope="module")
def model():
    """Fitted to tables without noise."""
    return fit(measured(exact), SHAPE)


def test_a_model_has_the_marginals_that_it_is_fitted_to(model):
    """Of a million records, each cell within 0.2%; how many records there are is met exactly."""
    assert model.learners == 1_000_000
    found = joint(model.factors, SHAPE.sizes)
    for pair in PAIRS:
        told = margin(found, SHAPE.sizes, pair)
        assert np.abs(told - margin(TRUTH, SHAPE.sizes, pair)).max() < 0.002


def test_elimination_is_the_whole_table(model):
    """Column by column the product of the conditionals is the distribution itself."""
    conditionals, left = eliminate(model.factors, SHAPE.sizes, list(SHAPE.sizes))
    product = np.ones(tuple(SHAPE.sizes.values()))
    for place in np.ndindex(*product.shape):
        code = dict(zip(SHAPE.sizes, place, strict=True))
        for one in conditionals:
            given = tuple(code[column] for column in one.others)
            product[place] *= one.shares[given][code[one.column]]
    np.testing.assert_allclose(product, joint(model.factors, SHAPE.sizes), atol=1e-12)
    assert all(factor.columns == () for factor in left)


def test_what_stays_of_an_elimination_has_the_right_shares(model):
    """Without the columns of rows: the distribution of the learner's own."""
    _, left = eliminate(model.factors, SHAPE.sizes, list(SHAPE.rows))
    own = {column: SHAPE.sizes[column] for column in ("sex", "one", "n")}
    told = margin(joint(model.factors, SHAPE.sizes), SHAPE.sizes, tuple(own))
    np.testing.assert_allclose(joint(left, own), told, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "std", "learners"),
    [
        (lambda _, sizes: np.zeros(np.prod(sizes), np.int64), 3.0, 1),
        (lambda _, sizes: np.full(np.prod(sizes), -7), 3.0, 1),
        (lambda _, sizes: np.full(np.prod(sizes), 2**62), 1e15, MOST_LEARNERS),
        (lambda _, sizes: np.full(np.prod(sizes), -(2**62)), 1e-9, 1),
        (
            lambda pair, sizes: np.random.default_rng(len(pair[0])).integers(
                -(10**9), 10**9, np.prod(sizes)
            ),
            1.0,
            None,
        ),
        (lambda _, sizes: np.eye(1, np.prod(sizes), dtype=np.int64)[0] * 50, 0.5, 50),
    ],
)
def test_any_noise_gives_a_twin(make, std, learners):
    """Nobody, only negative counts, the largest there are, one cell alone: codes stay in place."""
    model = fit(measured(make, std), SHAPE)
    assert learners in {None, model.learners}
    twin = sample(model, np.random.default_rng(0), learners=40)
    for columns, sizes in ((twin.learners, SHAPE.learners), (twin.rows, SHAPE.rows)):
        for column, codes in columns.items():
            assert codes.min() >= 0
            assert codes.max() < sizes[column]
    assert np.bincount(twin.owner, minlength=40).min() >= 1


def test_the_same_measurements_give_the_same_twin(model):
    """Bit by bit."""
    one, other = (
        sample(fit(measured(exact), SHAPE), np.random.default_rng(3), 100) for _ in range(2)
    )
    for a, b in ((one.learners, other.learners), (one.rows, other.rows)):
        assert all((a[column] == b[column]).all() for column in a)
    assert (one.owner == other.owner).all()


def test_nothing_of_jax_is_left_changed(model):
    """Whoever uses it in this process, too, has it as it was."""
    import jax  # noqa: PLC0415

    before = jax.config.jax_enable_x64
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(measured(exact), SHAPE)
    assert jax.config.jax_enable_x64 == before


def test_without_mbi_it_says_what_to_install(monkeypatch):
    """One line, and the extra's name."""
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name == "jax":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(TwinError, match=r"kohort\[twin\]"):
        fit(measured(exact), SHAPE)


def test_with_jax_and_without_mbi_too(monkeypatch):
    """The same."""

    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(twin_estimate, "import_module", refuse)
    with pytest.raises(TwinError, match=r"kohort\[twin\]"):
        fit(measured(exact), SHAPE)


def test_the_number_of_learners_is_the_best_mean_of_all_tables():
    """By hand: sums 10 and 20, of 2 and 4 cells; with std 1 and 1 the weights are 1/2 and 1/4."""
    tables = [np.array([4.0, 6.0]), np.array([[5.0, 5.0], [5.0, 5.0]])]
    total, alone = combined([("a",), ("a", "b")], tables, [1.0, 1.0])
    assert total == pytest.approx((10 / 2 + 20 / 4) / (1 / 2 + 1 / 4))
    # a: weights 1 (one cell each) and 1/2 (sums of two): 4 + 10/2 and 6 + 10/2.
    assert alone["a"] == pytest.approx(np.array([9, 11]) / 20)
    assert alone["b"] == pytest.approx([0.5, 0.5])


def test_a_table_of_noise_becomes_independent_and_one_of_signal_stays():
    """A table that differs by less than noise is the product of its columns; by much, itself."""
    halves = [np.array([500.0, 500.0])] * 2
    noisy = np.array([[252.0, 248.0], [249.0, 251.0]])
    wide = [np.full(20, 100.0)] * 2
    rough = np.full((20, 20), 5.0) + np.random.default_rng(1).normal(0, 9, (20, 20))
    told = with_signal(rough, wide, total=2000, noise=10)
    np.testing.assert_allclose(told, 5.0)
    clear = np.array([[400.0, 100.0], [100.0, 400.0]])
    np.testing.assert_allclose(with_signal(clear, halves, total=1000, noise=5), clear)
    # One free cell: no less than three could be drawn in, by the rule.
    np.testing.assert_allclose(with_signal(noisy, halves, total=1000, noise=5), noisy)


def test_half_of_it_by_hand():
    """Nine free cells, noise 1, squared difference 14: 1 - 7/14 of the difference stays."""
    base = np.full((4, 4), 10.0)
    beyond = np.zeros((4, 4))
    beyond[0, :2] = beyond[1, :2] = [7**0.5 / 2**0.5, -(7**0.5) / 2**0.5]
    beyond[1] *= -1
    columns = [np.full(4, 40.0)] * 2
    told = with_signal(base + beyond, columns, total=160, noise=1)
    np.testing.assert_allclose(told, base + beyond / 2)


@pytest.mark.parametrize(
    ("columns", "counts", "std"),
    [
        ((), np.zeros(1, np.int64), 1.0),
        (("sex", "sex"), np.zeros(4, np.int64), 1.0),
        (("sex",), np.zeros((2, 1), np.int64), 1.0),
        (("sex",), np.zeros(2), 1.0),
        (("sex",), np.zeros(2, np.int64), 0.0),
        (("sex",), np.zeros(2, np.int64), float("inf")),
    ],
)
def test_what_is_no_measurement_is_refused(columns, counts, std):
    """Before anything is fitted."""
    with pytest.raises(ValueError, match=r"^(columns|counts|std)"):
        Measured(columns, counts, std)


@pytest.mark.parametrize(
    "tables",
    [
        [],
        [Measured(("age",), np.zeros(2, np.int64), 1.0)],
        [Measured(("sex",), np.zeros(3, np.int64), 1.0)],
    ],
)
def test_measurements_of_another_shape_are_refused(tables):
    """Before anything is fitted."""
    with pytest.raises(ValueError, match=r"^measured"):
        fit(tables, SHAPE)


def test_a_twin_of_nobody_is_refused(model):
    """One learner at least."""
    with pytest.raises(ValueError, match=r"^learners"):
        sample(model, np.random.default_rng(0), 0)
