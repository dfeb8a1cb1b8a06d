"""The ledger against its slow twin: any order of charges, steps and policies, on both databases."""

import hashlib
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anonymizer.dp.accounting import Cost
from pipelines.errors import RegistryError
from pipelines.governance.ledger import Reserved, Stored, reserve, statement
from pipelines.governance.ledger.ceilings import ceilings
from pipelines.governance.ledger.values import Scope
from pipelines.governance.ledger.words import privacy
from tests.conformance.test_ledger import BY, MEI, RAY, STEPS, charge, happens, lay, policy
from tests.reference.ledger import Ledger

BUDGETS = [
    "epsilon_per_family = 1.0",
    "epsilon_per_family = 0.4",
    "epsilon_per_family = 1.0\nepsilon_per_recipient = 0.5",
    "epsilon_per_family = 0.9\nepsilon_per_purpose = 0.6\nepsilon_per_recipient = 0.3",
]
DELTAS = ["1e-9", "3e-10"]
PURE = [policy(f"{one}\ndelta = {delta}") for delta in DELTAS for one in BUDGETS]
ZCDP = [policy(f'{one}\ndelta = {delta}\nregime = "zcdp"') for delta in DELTAS for one in BUDGETS]
FAMILIES = count()
CHARGES = count(1)

COSTS = st.sampled_from(
    [
        Cost.pure("0.1"),
        Cost.pure("0.15", "4e-10"),
        Cost.pure("0.3"),
        Cost.pure("1/3"),
        Cost.pure("0.000001"),
        Cost.pure(0),
        Cost.pure(0, "1e-10"),
        Cost.zcdp("0.004"),
        Cost.zcdp("0.0005", "3e-10"),
    ]
)
RESERVE = st.tuples(
    st.just("reserve"),
    st.tuples(
        COSTS,
        st.sampled_from("abc"),  # the request
        st.sampled_from("de"),  # the version
        st.sampled_from(["research", "teaching"]),
        st.sampled_from([RAY, MEI]),
        st.sampled_from([0, 0, 1, 2, 3, 4, 5, 6, 7]),  # the policy
        st.integers(0, 9),  # 0: under the policy of the other regime
        st.integers(0, 19),  # 0: a request that does not say for whom and for what
    ),
)
STEP = st.tuples(st.sampled_from([*STEPS, "publish", "recall"]), st.integers(0, 5))
"""Of which of the charges that were granted."""

ANSWERS = {
    "under way": "under way",
    "fault": "on record for another",
    "overdrawn": "overdrawn by",
    "regime": "are kept as",
    "no pure epsilon": "has no pure epsilon",
}


def units(own):
    """A policy as the twin takes it."""
    found = {s.value: c if c is None else tuple(c) for s, c in ceilings(own.budget).items()}
    return found | {"regime": own.budget.regime}


def asked(registry, twin, family, what, zcdp):
    """Ask both for a charge; the id where it was granted."""
    cost, request, version, purpose, recipient, number, other, bare = what
    own = (ZCDP if zcdp is (other > 0) else PURE)[number]
    said = f"{family} {request}" + (f" {purpose} {recipient}" if bare else "")
    names = {"request": hashlib.sha256(said.encode()).hexdigest(), "version": version * 64}
    names |= {"purpose": purpose, "recipient": recipient}
    new = charge(next(CHARGES), cost, family=family, **names)
    parts = {"epsilon": cost.micro_epsilon, "rho": cost.micro_rho, "delta": cost.atto_delta}
    answer, detail = twin.reserve({"id": new.id, **names, **parts}, units(own))
    if answer == "stored":
        assert reserve(registry, new, own, **BY) == Stored(detail, "e" * 64)
    elif answer == "reserved":
        assert reserve(registry, new, own, **BY) == Reserved(new.id)
        return [new.id]
    else:
        with pytest.raises(RegistryError) as refused:
            reserve(registry, new, own, **BY)
        words = str(refused.value)
        assert ANSWERS.get(answer, "requested") in words
        if answer == "refused":
            said_asked = cost.micro_rho if twin_zcdp(own) else cost.micro_epsilon
            ceiling = ceilings(own.budget)[Scope.FAMILY]
            regime = statement(registry, own, family).regime
            if 0 < detail < said_asked:
                assert f"ask for {privacy(detail, regime, ceiling)}" in words
    return []


def released(registry, twin, family, one, name):
    """Publish the release of a charge that was committed, or recall it."""
    committed = {each["id"] for each in twin.charges if each["state"] == "committed"}
    if name == "publish" and one in committed - {*twin.releases}:
        twin.releases[one] = "served"
        lay(registry, "reserved", "published", id=one, family=family)
    elif name == "recall" and twin.releases.get(one) == "served":
        twin.releases[one] = "recalled"
        happens(registry, one, "recalled")


def twin_zcdp(own):
    """Whether a policy adds up rhos."""
    return own.budget.regime == "zcdp"


def added_up(charges):
    """What all charges have spent, by their own account."""
    return sum(one.spent.micro for one in charges), sum(one.spent.atto_delta for one in charges)


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(RESERVE, RESERVE, STEP), max_size=14), st.booleans())
def test_as_the_slow_twin(registry, steps, zcdp):
    """Every answer, refusal and balance is the twin's; no account is ever overspent."""
    family, twin, granted = f"family{next(FAMILIES)}", Ledger(), []
    for name, what in steps:
        if name == "reserve":
            granted += asked(registry, twin, family, what, zcdp)
        elif granted:
            one = granted[what % len(granted)]
            if name in {"publish", "recall"}:
                released(registry, twin, family, one, name)
            elif twin.step(one, name) is None:
                with pytest.raises(RegistryError, match="expected"):
                    STEPS[name](registry, one)
            else:
                STEPS[name](registry, one)
    for own in ZCDP if zcdp and twin.regime != "pure" else PURE:
        found = statement(registry, own, family)
        assert {one.id: one.state for one in found.charges} == {
            one["id"]: one["state"] for one in twin.charges
        }
        if found.stopped is None:
            for one in found.accounts:
                assert one.scope is not Scope.FAMILY or one.spent == added_up(found.charges)
                told = twin.left(one.subject, one.subject, units(own))[one.scope.value]
                assert (one.spent, one.left) == (twin.spent(one.scope.value, one.subject), told)
    if twin.charges:
        loosest = (ZCDP if twin.regime == "zcdp" else PURE)[0]
        assert all(one.overdrawn == (0, 0) for one in statement(registry, loosest, family).accounts)
