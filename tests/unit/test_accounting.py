"""Privacy costs: rounded to the safe side, and turned from rho into epsilon without error."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anonymizer.dp.accounting import (
    ATTO,
    FREE,
    LARGEST,
    MICRO,
    Cost,
    ceiling_atto,
    ceiling_micro,
    charged_atto,
    charged_micro,
    composed,
    epsilon_for,
    rho_for,
)
from anonymizer.errors import CoreError
from tests.reference.accounting import log_delta, units

EPSILONS = st.integers(1, 20 * MICRO)
"""In millionths."""

DELTAS = st.sampled_from(["1e-15", "1e-9", "5e-10", "1e-6", "0.001", "0.3"])


@pytest.mark.parametrize(
    ("value", "charged", "ceiling"),
    [
        (0.1, 100_000, 100_000),
        (0.3, 300_000, 300_000),
        ("0.1", 100_000, 100_000),
        (Decimal("0.1"), 100_000, 100_000),
        (Fraction(1, 3), 333_334, 333_333),
        ("1/3", 333_334, 333_333),
        (1e-7, 1, 0),
        (1, 1_000_000, 1_000_000),
        (0, 0, 0),
        (2.0000001, 2_000_001, 2_000_000),
    ],
)
def test_charges_round_up_and_ceilings_down(value, charged, ceiling):
    """A number is its shortest decimal; what is lost in rounding is lost to the spender."""
    assert (charged_micro(value), ceiling_micro(value)) == (charged, ceiling)


def test_tenths_add_up():
    """.1 + .2 fits .3, which it does not as floats."""
    assert charged_micro(0.1) + charged_micro(0.2) == ceiling_micro(0.3)
    assert 0.1 + 0.2 > 0.3


@settings(deadline=None, max_examples=100)
@given(st.floats(0, 1e6))
def test_units_as_the_slow_twin_has_them(value):
    """Of any float, its decimal moved by six or eighteen places."""
    written = repr(value)
    assert charged_micro(value) == units(written, 6, up=True)
    assert ceiling_micro(value) == units(written, 6, up=False)
    assert charged_atto(value) == units(written, 18, up=True)
    assert ceiling_atto(value) == units(written, 18, up=False)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "ten", None, "1/0"])
def test_no_number(value):
    """What is no finite number from 0 on is refused by name."""
    with pytest.raises(CoreError, match="epsilon"):
        Cost.pure(value)


@pytest.mark.parametrize(
    "value",
    [
        "1e999999999",
        "1e-999999999",
        "1E+401",
        "1e4_01",
        " 1e-401 ",
        "1e" + "9" * 90,
        "0." + "1" * 99,
        "1/" + "9" * 10_000_000,
        Decimal("1e999999999"),
        Decimal("1e-999999999"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_numbers_that_take_long(value):
    """What nobody writes by hand is refused before it is worked out."""
    with pytest.raises(ValueError, match="epsilon: 100 characters and exponents up to 400"):
        Cost.pure(value)


@pytest.mark.parametrize(
    ("value", "expected"), [("1e-400", 1), ("0." + "1" * 98, 111_112), ("1E1", 10**7), (5e-324, 1)]
)
def test_numbers_that_are_just_short_enough(value, expected):
    """The longest that is taken, and the smallest."""
    assert charged_micro(value) == expected


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (Cost.pure(0.1), (100_000, 5_000, 0)),
        (Cost.pure(1), (1_000_000, 500_000, 0)),
        (Cost.pure(0.001), (1_000, 1, 0)),  # 5e-7, rounded up
        (Cost.pure("1/3", 1e-15), (333_334, 55_556, 1_000)),  # 1/18
        (Cost.zcdp("0.0244", 1e-9), (None, 24_400, 10**9)),
        (Cost.zcdp(Fraction(1, 7)), (None, 142_858, 0)),
        (Cost.pure(0.1) + Cost.pure(0.2, 1e-9), (300_000, 25_000, 10**9)),
        (Cost.pure(0.1) + Cost.zcdp(0.1), (None, 105_000, 0)),
        (composed([Cost.pure(0.1)] * 3), (300_000, 15_000, 0)),
        (composed([]), (0, 0, 0)),
    ],
)
def test_costs(cost, expected):
    """Rho of a pure epsilon is its square's half; costs add up; Gaussian noise has no epsilon."""
    assert (cost.micro_epsilon, cost.micro_rho, cost.atto_delta) == expected
    assert cost + FREE == cost


@pytest.mark.parametrize(
    "parts",
    [(-1, 1, 0), (1, -1, 0), (1, 1, -1), (2**63, 1, 0), (1, 0, 0), (None, 0, 0), (1.0, 1, 0)],
)
def test_costs_that_are_none(parts):
    """Negative, too large, not whole, or free of rho and not of epsilon."""
    with pytest.raises(CoreError):
        Cost(*parts)


@pytest.mark.parametrize(
    ("epsilon", "rho"), [(0.5, 0.0066), (1, 0.0244), (2, 0.088), (4, 0.311)]
)  # fmt: skip
def test_rho_of_the_literature(epsilon, rho):
    """As measured before this was written (facts-dp.md), at delta 1e-6."""
    assert rho_for(epsilon, 1e-6) / MICRO == pytest.approx(rho, rel=0.01)


def test_the_census():
    """2020 redistricting data, persons: rho 2.556 is about epsilon 17.1 at delta 1e-10."""
    assert epsilon_for(2_556_000, 1e-10) / MICRO == pytest.approx(17.1, abs=0.05)


@settings(deadline=None, max_examples=100)
@given(EPSILONS, DELTAS)
def test_rho_is_sound_and_the_largest(epsilon, delta):
    """The slow twin agrees that rho implies (epsilon, delta), and that a millionth more does not.

    The twin is itself off by some 1e-12 in the logarithm of delta.
    """
    rho = rho_for(Fraction(epsilon, MICRO), delta)
    wanted = math.log(float(delta))
    if rho:
        assert log_delta(rho / MICRO, epsilon / MICRO) <= wanted + 1e-7
    assert log_delta((rho + 1) / MICRO, epsilon / MICRO) >= wanted - 1e-7
    assert epsilon_for(rho, delta) <= epsilon < epsilon_for(rho + 1, delta)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10 * MICRO), DELTAS)
def test_epsilon_is_rounded_up(rho, delta):
    """Of a rho: the least epsilon that allows it, within the bound of Bun and Steinke 2016."""
    epsilon = epsilon_for(rho, delta)
    assert rho_for(Fraction(epsilon, MICRO), delta) >= rho
    simple = rho / MICRO + 2 * math.sqrt(rho / MICRO * -math.log(float(delta)))
    assert epsilon / MICRO <= simple + 2 / MICRO
    assume(epsilon > 0)
    assert rho_for(Fraction(epsilon - 1, MICRO), delta) < rho


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(1e13, 1e-15), (1e-6, 1e-15), (0, 0.5), (1000, "1e-300"), (3, 1 - 1e-16)]
)
def test_extremes(epsilon, delta):
    """The smallest, largest and emptiest budgets: still sound."""
    rho = rho_for(epsilon, delta)
    assert rho > LARGEST or epsilon_for(rho, delta) <= charged_micro(epsilon)


def test_nothing_is_free():
    """No rho, no epsilon; and the largest rho has one, too."""
    assert epsilon_for(0, 1e-9) == 0
    assert epsilon_for(LARGEST, 1e-9) > LARGEST
    assert Fraction(charged_atto("1e-18"), ATTO) == Fraction(1, 10**18)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: rho_for(1, 0), "delta"),
        (lambda: rho_for(1, 1), "delta"),
        (lambda: rho_for(2e13, 1e-9), "epsilon"),
        (lambda: epsilon_for(-1, 1e-9), "micro_rho"),
        (lambda: epsilon_for(LARGEST + 1, 1e-9), "micro_rho"),
        (lambda: epsilon_for(1, 1.5), "delta"),
    ],
)
def test_out_of_range(call, named):
    """What the conversion's error bounds do not cover is refused by name."""
    with pytest.raises(CoreError, match=named):
        call()
