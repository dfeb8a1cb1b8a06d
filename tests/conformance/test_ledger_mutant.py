"""Check, then insert: what a ledger grants that looks in one transaction and writes in another."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from anonymizer.dp.accounting import Cost
from pipelines.errors import RegistryError
from pipelines.governance.ledger import reserve, statement
from pipelines.governance.ledger.accounts import Standing
from tests.conformance.test_ledger import BY, accounts, charge, policy

BUILDS = 4
ONE_FITS = policy("epsilon_per_family = 1.0\ndelta = 1e-9")


def one_transaction(engine, own, barrier):
    """The ledger as it is: everybody is let off at once."""
    barrier.wait()
    return reserve(engine, own, ONE_FITS, **BY)


def check_then_insert(engine, own, barrier):
    """The mutant: what is left is looked up, and charged later, whatever it is by then."""
    told = accounts(statement(engine, ONE_FITS, own.family))
    left = told["family", own.family][2] if told else 1_000_000
    barrier.wait()
    if own.cost.micro_epsilon > left:
        raise RegistryError("refused")
    return reserve(engine, own, ONE_FITS, **BY)


def granted(registry, ask):
    """How many of some builds, which together ask for that many times the ceiling, get it."""
    barrier = Barrier(BUILDS)

    def build(number):
        try:
            ask(registry, charge(number, Cost.pure(1)), barrier)
        except RegistryError:
            return False
        return True

    with ThreadPoolExecutor(BUILDS) as threads:
        return sum(threads.map(build, range(BUILDS)))


def test_one_is_granted(registry):
    """Where one fits, one of four that ask at once is granted, and the ceiling holds."""
    assert granted(registry, one_transaction) == 1
    assert accounts(statement(registry, ONE_FITS, "oulad"))["family", "oulad"][1] == 1_000_000


def test_check_then_insert_is_caught(registry, monkeypatch):
    """The mutant, whose insert does not look again, grants all four: four times the ceiling."""
    with monkeypatch.context() as fault:
        fault.setattr(Standing, "fits", lambda *_: True)
        assert granted(registry, check_then_insert) == BUILDS
    spent = accounts(statement(registry, ONE_FITS, "oulad"))["family", "oulad"][1]
    assert spent == BUILDS * 1_000_000


@pytest.mark.parametrize("ask", [one_transaction, check_then_insert])
def test_nothing_is_granted_once_it_is_spent(registry, ask):
    """One after the other, both refuse: only a race tells them apart."""
    reserve(registry, charge(99, Cost.pure(1)), ONE_FITS, **BY)
    assert granted(registry, ask) == 0
