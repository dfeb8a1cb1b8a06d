"""The ledger under processes that race, and under processes that are killed, on both databases."""

import multiprocessing
import os
import signal
from collections import Counter

import pytest
from sqlalchemy import create_engine

from anonymizer.dp.accounting import Cost
from pipelines.errors import RegistryError
from pipelines.governance.audit import verify_chain
from pipelines.governance.chain import Change, head
from pipelines.governance.engines import open_engine
from pipelines.governance.ledger import (
    Reserved,
    begin_reading,
    commit,
    reserve,
    settle,
    statement,
)
from tests.conformance.test_ledger import BY, RESULT, accounts, charge, policy

PROCESSES = 8
ATTEMPTS = 200
GRANTS = 100
CENT = policy("epsilon_per_family = 1.0\ndelta = 1e-9")


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with the ledger's modules loaded, once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def together(processes, work, url, number=PROCESSES):
    """What each of some processes reports, after all began at once."""
    barrier, reports = processes.Barrier(number), processes.Queue()
    started = [
        processes.Process(target=work, args=(url, each, barrier, reports)) for each in range(number)
    ]
    for one in started:
        one.start()
    found = [reports.get(timeout=120) for _ in started]
    for one in started:
        one.join()
    return found


def kept_open(url):
    """The engine of a process that keeps its connection to a server: making one takes longest."""
    engine = open_engine(url)
    if engine.name != "postgresql":
        return engine
    return create_engine(engine.url, pool_size=1, isolation_level="READ COMMITTED")


def spend(url, number, barrier, reports):
    """Ask for a hundredth of the ceiling, for a request of its own each time."""
    engine = kept_open(url)
    barrier.wait()
    outcomes = Counter()
    for attempt in range(ATTEMPTS):
        own = charge(number * ATTEMPTS + attempt, Cost.pure("0.01"))
        try:
            reserve(engine, own, CENT, **BY)
            outcomes["granted"] += 1
        except RegistryError as error:
            outcomes["refused" if "remaining epsilon 0, diff" in str(error) else str(error)] += 1
    reports.put(outcomes)


def test_exactly_what_the_ceiling_allows(processes, registry_url, registry):
    """8 processes ask 200 times each where 100 grants fit: 100 are granted, and no other error."""
    found = sum(together(processes, spend, registry_url), start=Counter())
    assert found == {"granted": GRANTS, "refused": PROCESSES * ATTEMPTS - GRANTS}
    told = statement(registry, CENT, "oulad")
    assert accounts(told) == {("family", "oulad"): (1_000_000, 1_000_000, 0, 0)}
    assert len(told.charges) == GRANTS
    # One entry opened the accounts; who was refused wrote nothing.
    assert head(registry).entry == 1 + GRANTS
    assert verify_chain(registry).broken is None


def ask_the_same(url, number, barrier, reports):
    """Reserve the one request under an id of its own."""
    engine = open_engine(url)
    barrier.wait()
    try:
        reports.put(reserve(engine, charge(number, request="a" * 64), CENT, **BY))
    except RegistryError as error:
        reports.put(str(error))


def test_the_same_request_at_once(processes, registry_url, registry):
    """One of eight gets the charge, and the others hear that it is under way."""
    found = together(processes, ask_the_same, registry_url)
    granted = [one for one in found if isinstance(one, Reserved)]
    assert len(granted) == 1
    assert all("under way" in one for one in found if one not in granted)
    (only,) = statement(registry, CENT, "oulad").charges
    assert (only.id, only.state) == (granted[0].id, "reserved")


def die():
    """As `kill -9` does it: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(url, step):
    """Charge, read and commit until this step is done, and be killed; `in STEP`: before it is."""
    engine, own = open_engine(url), charge(1)
    within, _, name = step.rpartition(" ")
    kind = {"reserve": "budget.reserve", "read": "budget.read", "commit": "budget.commit"}[name]
    if within:
        record = Change.record

        def recorded(change, actor, what, subject, **details):
            record(change, actor, what, subject, **details)
            if what == kind:
                die()

        Change.record = recorded
    steps = {
        "reserve": lambda: reserve(engine, own, CENT, **BY),
        "read": lambda: begin_reading(engine, own.id, **BY),
        "commit": lambda: commit(engine, own.id, result_sha256=RESULT, **BY),
    }
    for each, act in steps.items():
        act()
        if each == name:
            die()


KILLED = [
    ("in reserve", [], 0),
    ("reserve", ["refunded"], 0),
    ("in read", ["refunded"], 0),
    ("read", ["lost"], 100_000),
    ("in commit", ["lost"], 100_000),
    ("commit", ["committed"], 100_000),
]
"""When it was killed; the state of its charge once it is settled, and what is spent."""


@pytest.mark.parametrize(("step", "states", "spent"), KILLED)
def test_killed(processes, registry_url, registry, step, states, spent):
    """Whatever was read stays spent, nothing else does, and the next build goes on at once."""
    process = processes.Process(target=die_after, args=(registry_url, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    settle(registry, charge(1).id, **BY)
    before = head(registry)
    settle(registry, charge(1).id, **BY)
    assert head(registry) == before
    told = statement(registry, CENT, "oulad")
    assert [one.state.value for one in told.charges] == states
    assert accounts(told)["family", "oulad"][1] == spent
    reserve(registry, charge(2, Cost.pure(1 - spent / 1_000_000)), CENT, **BY)
    assert verify_chain(registry).broken is None
