"""The budget ledger on both databases: what is granted, refused, recorded and stated."""

import hashlib
import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select, text

from anonymizer.dp.accounting import Cost
from pipelines.errors import RegistryError, RequestError
from pipelines.governance.chain import changing, head
from pipelines.governance.ledger import (
    Amount,
    NewCharge,
    PlannedDraw,
    Reserved,
    Stored,
    as_subject,
    begin_reading,
    charged_draws,
    commit,
    families_on_record,
    give_up,
    lose,
    orphaned,
    reserve,
    settle,
    statement,
)
from pipelines.governance.ledger.accounts import opened_accounts
from pipelines.governance.tables import (
    AccountCeiling,
    Action,
    Base,
    Charge,
    ChargeEvent,
    DatasetVersion,
    Draw,
    Governed,
    Release,
    ReleaseEvent,
)
from pipelines.people import EVERY_DUTY, Actor
from schemas.declaration import parse_toml
from schemas.policy import Policy, policy_sha256

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENGINEER = Actor("e.diaz@platform.example", "diaz", EVERY_DUTY)
BY = {"actor": ENGINEER, "at": NOW}
RAY, MEI = "ray@uni.example", "mei@uni.example"
RESULT = "e" * 64


def policy(budget="epsilon_per_family = 1.0\ndelta = 1e-9", purposes='["research"]'):
    """A policy with this budget."""
    head = f'purposes = {purposes}\nrecipients = ["*"]\nlegal_bases = ["consent"]\n'
    return parse_toml(Policy, f"{head}[budget]\n{budget}", subject="policy")


def draw(cost):
    """One draw of this cost."""
    name = "geometric" if cost.micro_epsilon is not None else "discrete Gaussian"
    return PlannedDraw(name, "7/2", l0=3, linf=1, norm="L1", cost=cost)


def charge(number, *costs, **changes):
    """A charge of epsilon 0.1 for a request of its own, unless said otherwise."""
    own = NewCharge(
        id=f"{number:08x}",
        family="oulad",
        id_column="id_student",
        version="b" * 64,
        snapshot_at=NOW,
        request=hashlib.sha256(str(number).encode()).hexdigest(),
        purpose="research",
        recipient=RAY,
        draws=tuple(draw(cost) for cost in costs or [Cost.pure(0.1)]),
        code_version="0.1.0",
        libraries={"diffprivlib": "0.6.6"},
    )
    return replace(own, **changes)


def kinds(registry):
    """What the audit chain says was done, oldest first."""
    with registry.connect() as connection:
        return list(connection.scalars(select(Action.kind).order_by(Action.id)))


def rows(registry):
    """How many rows each governed table has."""
    tables = [m.local_table for m in Base.registry.mappers if issubclass(m.class_, Governed)]
    with registry.connect() as connection:
        return {t.name: connection.scalar(select(func.count()).select_from(t)) for t in tables}


def accounts(found):
    """Scope and subject -> ceiling, spent, left, overdrawn, in millionths."""
    return {
        (one.scope.value, one.subject): tuple(
            amount.micro for amount in (one.ceiling, one.spent, one.left, one.overdrawn)
        )
        for one in found.accounts
    }


def states(registry, under=None):
    """The state of each charge, oldest first."""
    found = statement(registry, under or policy(), "oulad")
    return [one.state.value for one in found.charges]


def test_a_charge_from_reserve_to_commit(registry):
    """Accounts are opened, each step is recorded with its rows, and the statement tells of it."""
    assert reserve(registry, charge(1), policy(), **BY) == Reserved("00000001")
    begin_reading(registry, "00000001", **BY)
    commit(registry, "00000001", result_sha256=RESULT, **BY)
    assert kinds(registry) == ["budget.ceiling", "budget.reserve", "budget.read", "budget.commit"]
    found = statement(registry, policy(), "oulad")
    assert accounts(found) == {("family", "oulad"): (1_000_000, 100_000, 900_000, 0)}
    (spent,) = found.charges
    assert (spent.id, spent.state, spent.spent) == ("00000001", "committed", Amount(100_000, 0))
    assert (spent.by, spent.recipient, spent.at) == (ENGINEER.name, RAY, NOW)
    assert (found.regime, found.stopped, families_on_record(registry)) == ("pure", None, ["oulad"])


def test_what_is_on_record_of_a_charge(registry):
    """What will be drawn stands beside what it costs; and whose data, in which version."""
    costs = (Cost.pure("1/3", 1e-15), Cost.pure(0.01))
    reserve(registry, charge(1, *costs), policy(), **BY)
    with registry.connect() as connection:
        draws = connection.execute(select(Draw.__table__).order_by(Draw.id)).mappings().all()
        own = connection.execute(select(Charge.__table__)).mappings().one()
        version = connection.execute(select(DatasetVersion.__table__)).mappings().one()
        detail = connection.scalars(select(Action.detail).order_by(Action.id)).all()
    assert [(d["mechanism"], d["scale"], d["l0"], d["norm"]) for d in draws] == [
        ("geometric", "7/2", 3, "L1")
    ] * 2
    assert [(d["micro_epsilon"], d["micro_rho"], d["atto_delta"]) for d in draws] == [
        (333_334, 55_556, 1_000),
        (10_000, 50, 0),
    ]
    assert own["libraries"] == '{"diffprivlib": "0.6.6"}'
    assert (version["sha256"], version["snapshot_at"]) == ("b" * 64, NOW)
    assert detail[-1] == "epsilon 0.343334 of oulad"


def test_the_same_request_on_the_same_version(registry):
    """Under way it is refused; committed it is given again; refunded or lost it is charged anew."""
    own = policy()
    reserve(registry, charge(1), own, **BY)
    again = charge(2, request=charge(1).request)
    with pytest.raises(RegistryError) as refused:
        reserve(registry, again, own, **BY)
    assert str(refused.value) == (
        "the same request is under way on the same data (charge 00000001 is reserved); wait until "
        "that build is done, or run `kohort recover` if it died, or, for a build that nobody "
        "knows, `kohort recover --charge 00000001`"
    )
    begin_reading(registry, "00000001", **BY)
    with pytest.raises(RegistryError, match=r"under way .* 00000001 is reading"):
        reserve(registry, again, own, **BY)
    give_up(registry, "00000001", reason="the disk is full", **BY)
    assert reserve(registry, again, own, **BY) == Reserved("00000002")
    give_up(registry, "00000002", reason="the request was withdrawn", **BY)
    third = charge(3, request=charge(1).request)
    assert reserve(registry, third, own, **BY) == Reserved("00000003")
    begin_reading(registry, "00000003", **BY)
    commit(registry, "00000003", result_sha256=RESULT, **BY)
    lay(registry, "reserved", "published", id="00000003")
    before = rows(registry), head(registry)
    fourth = charge(4, request=charge(1).request)
    assert reserve(registry, fourth, own, **BY) == Stored("00000003", RESULT)
    assert (rows(registry), head(registry)) == before
    assert states(registry) == ["lost", "refunded", "committed"]
    assert accounts(statement(registry, own, "oulad"))["family", "oulad"][1] == 200_000


def test_a_new_version_draws_on_the_same_accounts(registry):
    """Another file or another right is another charge to the same family."""
    reserve(registry, charge(1), policy(), **BY)
    newer = charge(2, request=charge(1).request, version="c" * 64)
    assert reserve(registry, newer, policy(), **BY) == Reserved("00000002")
    assert accounts(statement(registry, policy(), "oulad"))["family", "oulad"][2] == 800_000


def test_families_are_apart(registry):
    """What is spent of one family is not spent of another, for the same request and version."""
    reserve(registry, charge(1, Cost.pure(1)), policy(), **BY)
    other = charge(2, Cost.pure(1), request=charge(1).request, family="coursera")
    assert reserve(registry, other, policy(), **BY) == Reserved("00000002")


THREE = """
epsilon_per_family = 1.0
epsilon_per_purpose = 0.5
epsilon_per_recipient = 0.25
delta = 1e-9
"""

ONE = "epsilon_per_family = 1.0\ndelta = 1e-9"
AT_MOST = "at most, or have a steward raise [budget] in policy.toml"

REFUSALS = [
    (
        ONE,
        Cost.pure(0.9),
        Cost.pure(0.25),
        "family oulad: requested epsilon 0.25, remaining epsilon 0.1, difference epsilon 0.15",
        f"ask for epsilon 0.1 {AT_MOST}",
    ),
    (
        ONE,
        Cost.pure(1),
        Cost.pure("0.000001"),
        (
            "family oulad: requested epsilon 0.000001, remaining epsilon 0, difference epsilon "
            "0.000001"
        ),
        f"ask for epsilon 0 and delta 1e-9 {AT_MOST}",
    ),
    (
        ONE,
        Cost.pure(1, "1e-9"),
        Cost.pure(0, "1e-18"),
        (
            "family oulad: requested epsilon 0, remaining epsilon 0, requested delta 1e-18, "
            "remaining delta 0, difference delta 1e-18"
        ),
        "nothing is left to ask for; only a steward can raise [budget] in policy.toml",
    ),
    (
        ONE,
        Cost.pure(0.9, "1e-9"),
        Cost.pure(0.1, "1e-18"),
        (
            "family oulad: requested epsilon 0.1, remaining epsilon 0.1, requested delta 1e-18, "
            "remaining delta 0, difference delta 1e-18"
        ),
        f"ask for epsilon 0.1 and delta 0 {AT_MOST}",
    ),
    (
        THREE,
        Cost.pure("0.2"),
        Cost.pure("0.0500001"),
        (
            "family oulad: requested epsilon 0.050001, remaining epsilon 0.8, it fits; "
            "purpose research: requested epsilon 0.050001, remaining epsilon 0.3, it fits; "
            "recipient ray@uni.example: requested epsilon 0.050001, remaining epsilon 0.05, "
            "difference epsilon 0.000001"
        ),
        f"ask for epsilon 0.05 {AT_MOST}",
    ),
    (
        ONE,
        Cost.pure(0.1, "9e-10"),
        Cost.pure(0.1, "5e-10"),
        (
            "family oulad: requested epsilon 0.1, remaining epsilon 0.9, requested delta 5e-10, "
            "remaining delta 1e-10, difference delta 4e-10"
        ),
        f"ask for delta 1e-10 {AT_MOST}",
    ),
    (
        ONE,
        Cost.pure(0.9, "1e-9"),
        Cost.pure(0.2, "5e-10"),
        (
            "family oulad: requested epsilon 0.2, remaining epsilon 0.1, difference epsilon 0.1, "
            "requested delta 5e-10, remaining delta 0, difference delta 5e-10"
        ),
        f"ask for epsilon 0.1 and delta 0 {AT_MOST}",
    ),
    (
        'epsilon_per_family = 1.0\ndelta = 1e-6\nregime = "zcdp"',
        Cost.zcdp("0.02"),
        Cost.zcdp("0.01"),
        (
            "family oulad: requested rho 0.01 (epsilon 0.642939 at delta 1e-6), remaining rho "
            "0.002937 (epsilon 0.335913 at delta 1e-6), difference rho 0.007063 (epsilon 0.53463 "
            "at delta 1e-6)"
        ),
        f"ask for rho 0.002937 (epsilon 0.335913 at delta 1e-6) {AT_MOST}",
    ),
    (
        ONE,
        Cost.pure(0.1),
        Cost.zcdp("0.01"),
        "discrete Gaussian has no pure epsilon, and the accounts add up epsilons",
        "ask for geometric noise",
    ),
]
"""The budget, what was spent, what is asked for; what each account says, and the next step."""


def test_refusals(registry):
    """Account by account: requested, remaining, difference, and what would fit; nothing is kept."""
    for number, (budget, spent, asked, told, next_step) in enumerate(REFUSALS):
        family = f"family{number}"
        reserve(registry, charge(number, spent, family=family), policy(budget), **BY)
        before = rows(registry), head(registry)
        with pytest.raises(RegistryError) as refused:
            reserve(registry, charge(99, asked, family=family), policy(budget), **BY)
        words = str(refused.value).replace(family, "oulad")
        assert words == f"budget of oulad: {told}; {next_step}"
        assert (rows(registry), head(registry)) == before


FITS = [
    ("pure", Cost.pure, "0.2", "0.05", "0.050001"),
    ("zcdp", Cost.zcdp, "0.0002", "0.000795", "0.000796"),
]
"""Under three ceilings: the regime, what was spent, what still fits the tightest, and no more."""


def test_what_would_fit_does(registry):
    """The amount that a refusal names is granted, to the last millionth; one more is not."""
    for regime, cost, spent, fits, more in FITS:
        own = policy(f'{THREE}regime = "{regime}"')
        number = 10 * len(fits)
        reserve(registry, charge(number, cost(spent), family=regime), own, **BY)
        with pytest.raises(RegistryError, match=f"ask for (epsilon|rho) {fits} "):
            reserve(registry, charge(number + 1, cost(more), family=regime), own, **BY)
        reserve(registry, charge(number + 2, cost(fits), family=regime), own, **BY)


def test_every_account_must_fit(registry):
    """A recipient has his own ceiling, a purpose its own, and the family's binds all of them."""
    own = policy(THREE, '["research", "teaching"]')
    reserve(registry, charge(1, Cost.pure(0.25)), own, **BY)
    reserve(registry, charge(2, Cost.pure(0.25), recipient=MEI), own, **BY)
    with pytest.raises(
        RegistryError, match=r"purpose research: .* remaining epsilon 0, difference"
    ):
        reserve(registry, charge(3, recipient="leo@uni.example"), own, **BY)
    with pytest.raises(RegistryError, match=f"recipient {RAY}: .* remaining epsilon 0, diff"):
        reserve(registry, charge(3, purpose="teaching"), own, **BY)
    found = accounts(statement(registry, own, "oulad"))
    assert found == {
        ("family", "oulad"): (1_000_000, 500_000, 500_000, 0),
        ("purpose", "research"): (500_000, 500_000, 0, 0),
        ("purpose", "teaching"): (500_000, 0, 500_000, 0),
        ("recipient", MEI): (250_000, 250_000, 0, 0),
        ("recipient", RAY): (250_000, 250_000, 0, 0),
        ("recipient", "*"): (250_000, 0, 250_000, 0),
    }


def test_a_ceiling_that_comes_later_counts_what_was_spent_before(registry):
    """The policy sets one for recipients after one has spent: he has that much less."""
    reserve(registry, charge(1, Cost.pure(0.2)), policy(), **BY)
    with pytest.raises(RegistryError, match=f"recipient {RAY}: .* remaining epsilon 0.05"):
        reserve(registry, charge(2), policy(THREE), **BY)
    reserve(registry, charge(3, Cost.pure(0.05)), policy(THREE), **BY)
    assert accounts(statement(registry, policy(THREE), "oulad"))["recipient", RAY][1] == 250_000
    # And where the policy takes it away again, only the family's binds.
    reserve(registry, charge(4, Cost.pure(0.7)), policy(), **BY)


OVERDRAWN = [
    ("epsilon_per_family = 0.5\ndelta = 1e-9", "epsilon 0.3", (300_000, 0)),
    ("epsilon_per_family = 1.0\ndelta = 1e-10", "delta 3e-10", (0, 3 * 10**8)),
    (
        "epsilon_per_family = 0.5\ndelta = 1e-10",
        "epsilon 0.3 and delta 3e-10",
        (300_000, 3 * 10**8),
    ),
]
"""What the policy was lowered to, in epsilon, in delta or in both; by how much it is overdrawn."""


def test_an_overdrawn_account_grants_nothing(registry):
    """Whichever part was lowered: neither of the other part, nor what costs nothing."""
    reserve(registry, charge(1, Cost.pure(0.8, "4e-10")), policy(), **BY)
    before = rows(registry), head(registry)
    for budget, words, over in OVERDRAWN:
        lower = policy(budget)
        (account,) = statement(registry, lower, "oulad").accounts
        assert (account.left, account.overdrawn) == ((0, 0), over)
        for cost in (Cost.pure("0.000001"), Cost.pure(0, "1e-18"), Cost.pure(0)):
            with pytest.raises(RegistryError) as refused:
                reserve(registry, charge(2, cost), lower, **BY)
            told = str(refused.value)
            assert f"overdrawn by {words}; only a steward can raise [budget] in policy" in told
            assert "it fits" not in told
    assert (rows(registry), head(registry)) == before


def test_one_overdrawn_account_of_several(registry):
    """The family has plenty left, and the recipient's ceiling was lowered: he gets nothing."""
    reserve(registry, charge(1, Cost.pure(0.3)), policy(), **BY)
    with pytest.raises(RegistryError, match=r"recipient ray@.*, overdrawn by epsilon 0.05; only"):
        reserve(registry, charge(2, Cost.pure(0)), policy(THREE), **BY)
    reserve(registry, charge(3, recipient=MEI), policy(THREE), **BY)


def test_ceilings_on_record(registry):
    """Those that something was granted under; a refusal records none, nor does the same again."""
    higher = policy("epsilon_per_family = 2\ndelta = 1e-9")
    reserve(registry, charge(1), policy(), **BY)
    reserve(registry, charge(2), policy(), **BY)
    with pytest.raises(RegistryError):
        reserve(registry, charge(3, Cost.pure(5)), higher, **BY)
    assert kinds(registry) == ["budget.ceiling", "budget.reserve", "budget.reserve"]
    reserve(registry, charge(4, Cost.pure(1.5)), higher, **BY)
    assert kinds(registry)[3:] == ["budget.ceiling", "budget.reserve"]
    table = AccountCeiling.__table__
    with registry.connect() as connection:
        found = connection.execute(
            select(table.c.micro, table.c.atto_delta, table.c.policy_sha256).order_by(table.c.id)
        ).all()
        told = connection.scalar(select(Action.detail).where(Action.id == 4))
    assert (
        found
        == [(1_000_000, 10**9, policy_sha256(policy()))] * 3
        + [(2_000_000, 10**9, policy_sha256(higher))] * 3
    )
    assert told.startswith("family oulad: epsilon 2; purpose research: epsilon 2; recipient ray@")


def test_the_regime_stays(registry):
    """What was added up as epsilons is not counted as rhos; the statement says why it stopped."""
    zcdp = policy('epsilon_per_family = 1.0\ndelta = 1e-9\nregime = "zcdp"')
    reserve(registry, charge(1), policy(), **BY)
    with pytest.raises(RegistryError, match=r'kept as pure, .* set regime = "pure" in'):
        reserve(registry, charge(2), zcdp, **BY)
    found = statement(registry, zcdp, "oulad")
    assert (found.regime, found.stopped) == (
        "pure",
        'its accounts are kept as pure, and the policy says "zcdp"',
    )
    assert accounts(found) == {("family", "oulad"): (1_000_000, 100_000, 0, 0)}


def test_one_unit_of_privacy(registry):
    """A declaration that tells learners apart by another column has not the same promise."""
    reserve(registry, charge(1), policy(), **BY)
    with pytest.raises(RegistryError, match=r"as id_student tells .* bring back the declaration"):
        reserve(registry, charge(2, id_column="email"), policy(), **BY)


def test_without_a_budget(registry):
    """The policy must have one; the statement says that it has none."""
    none = policy().model_copy(update={"budget": None})
    with pytest.raises(RequestError, match=r"no budget .* write \[budget\]"):
        reserve(registry, charge(1), none, **BY)
    found = statement(registry, none, "oulad")
    assert (found.regime, found.stopped, found.accounts) == (None, "the policy has no [budget]", ())


def test_an_id_has_one_charge(registry):
    """A release's id that is taken is refused."""
    reserve(registry, charge(1), policy(), **BY)
    with pytest.raises(RegistryError, match="there is one of that id"):
        reserve(registry, charge(1, request="f" * 64), policy(), **BY)


STEPS = {
    "read": lambda registry, one: begin_reading(registry, one, **BY),
    "commit": lambda registry, one: commit(registry, one, result_sha256=RESULT, **BY),
    "give up": lambda registry, one: give_up(registry, one, reason="over", **BY),
    "lose": lambda registry, one: lose(registry, one, reason="nobody knows it", **BY),
    "settle": lambda registry, one: settle(registry, one, **BY),
}

LIVES = [
    ("", "reserved", 100_000),
    ("read", "reading", 100_000),
    ("read, commit", "committed", 100_000),
    ("give up", "refunded", 0),
    ("read, give up", "lost", 100_000),
    ("lose", "lost", 100_000),
    ("read, lose", "lost", 100_000),
    ("settle", "refunded", 0),
    ("read, settle", "lost", 100_000),
    ("read, commit, settle", "committed", 100_000),
    ("settle, settle", "refunded", 0),
    ("read, settle, settle", "lost", 100_000),
]
"""Steps after the reservation; the state they lead to, and what is spent."""

NO_STEPS = [
    ("", "commit", "is reserved, where reading was expected"),
    ("read", "read", "is reading, where reserved was expected"),
    ("read, commit", "commit", "is committed, where reading was expected"),
    ("read, commit", "give up", "is committed, where reading or reserved was expected"),
    ("read, commit", "lose", "is committed, where reading or reserved was expected"),
    ("give up", "lose", "is refunded, where reading or reserved was expected"),
    ("lose", "give up", "is lost, where reading or reserved was expected"),
    ("give up", "read", "is refunded, where reserved was expected"),
    ("give up", "give up", "is refunded, where reading or reserved was expected"),
    ("read, give up", "commit", "is lost, where reading was expected"),
    ("read, give up", "give up", "is lost, where reading or reserved was expected"),
]
"""Steps; the one that is refused after them, and the words."""


def test_lives(registry):
    """Only what was never read is refunded; to settle twice is to settle once."""
    for number, (steps, state, spent) in enumerate(LIVES):
        own = charge(number, family=f"family{number}")
        reserve(registry, own, policy(), **BY)
        for step in filter(None, steps.split(", ")):
            STEPS[step](registry, own.id)
        found = statement(registry, policy(), own.family)
        assert [one.state.value for one in found.charges] == [state]
        assert accounts(found)["family", own.family][1] == spent


def test_steps_that_are_refused(registry):
    """A step that the state does not allow changes nothing."""
    for number, (steps, refused, words) in enumerate(NO_STEPS):
        own = charge(number, family=f"family{number}")
        reserve(registry, own, policy(), **BY)
        for step in filter(None, steps.split(", ")):
            STEPS[step](registry, own.id)
        before = head(registry)
        with pytest.raises(RegistryError, match=words):
            STEPS[refused](registry, own.id)
        assert head(registry) == before


def test_steps_of_no_charge(registry):
    """There is nothing to settle, and nothing else to do."""
    before = head(registry)
    settle(registry, "0000abcd", **BY)
    assert head(registry) == before
    for step in ("read", "commit", "give up", "lose"):
        with pytest.raises(RegistryError, match="none of this id"):
            STEPS[step](registry, "0000abcd")
    with pytest.raises(ValueError, match="result_sha256"):
        commit(registry, "0000abcd", result_sha256="x", **BY)


def test_reasons_are_on_record(registry):
    """Why nothing came of a charge stands in its event and in the audit chain."""
    reserve(registry, charge(1), policy(), **BY)
    assert give_up(registry, "00000001", reason="the disk is full", **BY) == "refunded"
    reserve(registry, charge(2), policy(), **BY)
    begin_reading(registry, "00000002", **BY)
    settle(registry, "00000002", **BY)
    reserve(registry, charge(3), policy(), **BY)
    STEPS["lose"](registry, "00000003")
    with registry.connect() as connection:
        events = connection.execute(
            select(ChargeEvent.kind, ChargeEvent.reason).where(ChargeEvent.reason.is_not(None))
        ).all()
        chain = connection.execute(
            select(Action.kind, Action.subject, Action.detail).where(
                Action.kind.in_(["budget.refund", "budget.lose"])
            )
        ).all()
    assert events == [
        ("refunded", "the disk is full"),
        ("lost", "its build died"),
        ("lost", "nobody knows it"),
    ]
    assert chain == [
        ("budget.refund", "00000001", "the disk is full"),
        ("budget.lose", "00000002", "its build died"),
        ("budget.lose", "00000003", "nobody knows it"),
    ]


RELEASE = {
    "id": "1f00a3c2",
    "request": "a" * 64,
    "title": "Completion by region",
    "researcher": RAY,
    "purpose": "research",
    "source": "oulad",
    "family": "oulad",
    "access": "controlled",
    "scope": "course",
    "project": None,
    "k": 5,
    "m": "1",
    "item": "code_module",
    "jurisdictions": '["EU"]',
    "inputs_sha256": "b" * 64,
    "data_version": "c" * 64,
    "package_sha256": "d" * 64,
    "recode": "{}",
    "cut_off": NOW,
    "created_at": NOW,
    "expires_on": None,
}


def lay(registry, *happened, **changes):
    """A release on record, to which this happened."""
    row = {**RELEASE, **changes}
    with changing(registry) as change:
        change.add(Release, row)
        for kind in happened:
            event = {"release": row["id"], "kind": kind, "at": NOW, "actor": ENGINEER.name}
            change.add(ReleaseEvent, event | {"recipient": RAY if kind == "destroyed" else None})
        change.record(ENGINEER, "test.lay", row["id"], at=NOW)


def happens(registry, release_id, *kinds):
    """Something more happens to a release."""
    with changing(registry) as change:
        for kind in kinds:
            event = {"release": release_id, "kind": kind, "at": NOW, "actor": ENGINEER.name}
            change.add(ReleaseEvent, event)
        change.record(ENGINEER, "test.happens", release_id, at=NOW)


UNSERVED = [
    ((), {}),
    (("reserved", "failed"), {}),
    (("reserved", "published", "recalled"), {}),
    (("reserved", "published", "superseded"), {}),
    (("reserved", "published", "expired"), {}),
    (("reserved", "published"), {"expires_on": date(2026, 2, 28)}),
]
"""What happened to a release, and when it may be kept no longer: none of these is given out."""


def committed(registry, number, family):
    """A charge of a family that was committed."""
    own = charge(number, family=family)
    reserve(registry, own, policy(), **BY)
    begin_reading(registry, own.id, **BY)
    commit(registry, own.id, result_sha256=RESULT, **BY)
    return own


def test_only_what_is_served_is_given_again(registry):
    """What was recalled, superseded, expired, failed or never recorded is charged anew."""
    for number, (happened, changes) in enumerate(UNSERVED, start=1):
        own = committed(registry, number, family=f"family{number}")
        if happened:
            lay(registry, *happened, id=own.id, family=own.family, **changes)
        anew = replace(own, id=f"{number + 100:08x}")
        assert reserve(registry, anew, policy(), **BY) == Reserved(anew.id)
        found = accounts(statement(registry, policy(), own.family))
        assert found["family", own.family][1] == 200_000


def test_a_release_that_is_about_to_be_published(registry):
    """Its charge is committed: the same request waits, and then gets it, until it is recalled."""
    own = committed(registry, 1, family="oulad")
    lay(registry, "reserved", id=own.id)
    again = replace(own, id="00000002")
    with pytest.raises(RegistryError, match=r"under way .*release 00000001 is reserved.*recover"):
        reserve(registry, again, policy(), **BY)
    happens(registry, own.id, "published")
    assert reserve(registry, again, policy(), **BY) == Stored(own.id, RESULT)
    happens(registry, own.id, "recalled")
    assert reserve(registry, again, policy(), **BY) == Reserved(again.id)


def test_a_request_is_for_one_recipient_and_purpose(registry):
    """The same hash with others is a fault, on any version: nothing is served, nothing charged."""
    own = committed(registry, 1, family="oulad")
    lay(registry, "reserved", "published", id=own.id)
    before = rows(registry), head(registry)
    for changes in ({"recipient": MEI}, {"purpose": "teaching"}):
        for version in (own.version, "c" * 64):
            with pytest.raises(RegistryError, match=r"another purpose or recipient .*00000001"):
                reserve(
                    registry,
                    charge(2, request=own.request, version=version, **changes),
                    policy(),
                    **BY,
                )
    assert (rows(registry), head(registry)) == before


def test_a_family_has_one_spelling(registry):
    """Another case is the same family: it has no second budget."""
    reserve(registry, charge(1, family="Études"), policy(), **BY)
    for other in ("études", "ÉTUDES"):
        with pytest.raises(RegistryError, match="on record is of Études; write the family as that"):
            reserve(registry, charge(2, family=other), policy(), **BY)
    reserve(registry, charge(2, family="Études"), policy(), **BY)
    reserve(registry, charge(3, family="Etudes"), policy(), **BY)
    assert families_on_record(registry) == ["Etudes", "Études"]


def test_a_subject_has_one_spelling():
    """Case, accents and blanks make no other purpose or recipient."""
    for name in ("Études ", "e\u0301tudes", "ÉTUDES", "E\u0301TUDES"):
        assert as_subject(name) == "études"


def test_active_charges(registry):
    """Those that are reserved or reading, of every family; whatever has ended is not among them."""
    lives = ["", "read", "read, commit", "give up", "read, give up", "lose"]
    for number, steps in enumerate(lives, start=1):
        reserve(registry, charge(number, family=f"family{number}"), policy(), **BY)
        for step in filter(None, steps.split(", ")):
            STEPS[step](registry, f"{number:08x}")
    assert orphaned(registry) == ("00000001", "00000002")


def test_a_statement_is_of_one_moment(registry, monkeypatch):
    """What is charged while it is read is all in it or not at all."""
    reserve(registry, charge(1), policy(), **BY)
    number = iter((2, 3))

    def then_reserved(connection, family):
        found = opened_accounts(connection, family)
        reserve(registry, charge(next(number), family=family), policy(), **BY)
        return found

    reading = sys.modules["pipelines.governance.ledger.statement"]
    monkeypatch.setattr(reading, "opened_accounts", then_reserved)
    for family, spent in (("oulad", 100_000), ("coursera", 0)):
        found = statement(registry, policy(), family)
        assert accounts(found)["family", family][1] == spent
        assert sum(one.spent.micro for one in found.charges) == spent


def test_releases_that_no_budget_bounds(registry):
    """Live microdata of the family; neither what has ended, nor what was charged, nor another's."""
    lay(registry, "reserved", "published")
    lay(registry, "reserved", "published", "recalled", "destroyed", id="0000000c")
    lay(registry, "reserved", "published", id="0000000d", family="coursera")
    reserve(registry, charge(14), policy(), **BY)
    lay(registry, "reserved", "published", id="0000000e")
    found = statement(registry, policy(), "oulad")
    assert [one.id for one in found.unbounded] == ["1f00a3c2"]
    assert families_on_record(registry) == ["coursera", "oulad"]


AGGREGATE = {"scope": "aggregate", "k": None, "m": None, "item": None, "recode": None}
"""What makes a release on record one of aggregates."""


def test_releases_of_aggregates(registry):
    """Their charge bounds them: none is among those without; the same request gets it again."""
    own = committed(registry, 1, family="oulad")
    lay(registry, "reserved", "published", id=own.id, **AGGREGATE)
    lay(registry, "reserved", "published")
    found = statement(registry, policy(), "oulad")
    assert [one.id for one in found.unbounded] == ["1f00a3c2"]
    assert [one.id for one in found.charges] == [own.id]
    again = replace(own, id="00000002")
    assert reserve(registry, again, policy(), **BY) == Stored(own.id, RESULT)


DRAWS = (
    PlannedDraw("geometric", "7/2", l0=3, linf=1, norm="L1", cost=Cost.pure("1/3", 1e-15)),
    PlannedDraw("geometric", "7/2", l0=3, linf=1, norm="L1", cost=Cost.pure(0.01)),
    PlannedDraw("noisy-max", "1", l0=1, linf=2**62, norm="L1", cost=Cost.pure(0.02)),
    PlannedDraw("discrete-gaussian", "250", l0=2, linf=9, norm="L2", cost=Cost.zcdp(0.02)),
)
"""In another order than that of names, scales or costs."""


def test_the_draws_of_a_charge_are_read_back(registry):
    """As they were planned and in that order, beside another charge's, whatever became of it."""
    zcdp = policy('epsilon_per_family = 4.0\ndelta = 1e-9\nregime = "zcdp"')
    reserve(registry, charge(1, draws=DRAWS), zcdp, **BY)
    reserve(registry, charge(2, draws=DRAWS[::-1]), zcdp, **BY)
    assert charged_draws(registry, "00000001") == DRAWS
    give_up(registry, "00000002", reason="over", **BY)
    assert charged_draws(registry, "00000002") == DRAWS[::-1]
    with pytest.raises(RegistryError, match="there is none of this id"):
        charged_draws(registry, "00000003")


@pytest.mark.parametrize(
    "change", ["norm = 'L3'", "scale = '14/4'", "l0 = 0", "micro_rho = -1", "mechanism = ' '"]
)
def test_draws_that_were_tampered_with_are_told(registry, change):
    """In one line, and never as a draw."""
    reserve(registry, charge(1), policy(), **BY)
    with registry.begin() as connection:
        connection.execute(text(f"UPDATE draw SET {change}"))
    with pytest.raises(RegistryError, match=r"charge 00000001: .*no draw; see `kohort audit"):
        charged_draws(registry, "00000001")


BROKEN = [
    {"id": "1F00A3C2"},
    {"version": "b"},
    {"request": "A" * 64},
    {"family": ""},
    {"family": " oulad"},
    {"family": "e\u0301tudes"},
    {"family": "ou\x00lad"},
    {"id_column": "id\n"},
    {"code_version": " "},
    {"libraries": {"numpy\x00": "2"}},
    {"libraries": {"numpy": ""}},
    {"recipient": "Ray@uni.example"},
    {"recipient": "*"},
    {"purpose": "*"},
    {"purpose": "e\u0301tudes"},
    {"purpose": "\ud800"},
    {"purpose": "research "},
    {"purpose": ""},
    {"draws": ()},
    {"snapshot_at": datetime(2026, 3, 1, 12)},
]


@pytest.mark.parametrize("change", BROKEN)
def test_charges_that_are_none(change):
    """A charge holds what the ledger can add up, compare and trust."""
    with pytest.raises(ValueError, match="expected"):
        charge(1, **change)


def test_draws_that_cost_too_much():
    """Together they must fit a column, as each does."""
    half = Cost(2**62, 1, 0)
    charge(1, half)
    with pytest.raises(ValueError, match="draws: at most 2"):
        charge(1, half, half)


def test_the_largest_draw(registry):
    """What a draw may hold, both databases do."""
    widest = replace(draw(Cost.pure(0.1)), l0=2**31 - 1, linf=2**63 - 1, scale="9" * 100)
    reserve(registry, replace(charge(1), draws=(widest,)), policy(), **BY)
    with registry.connect() as connection:
        found = connection.execute(select(Draw.l0, Draw.linf, Draw.scale)).one()
    assert found == (2**31 - 1, 2**63 - 1, "9" * 100)


@pytest.mark.parametrize(
    "change",
    [
        {"mechanism": ""},
        {"mechanism": "geo\x00metric"},
        {"scale": "3.5"},
        {"scale": "14/4"},
        {"scale": "0"},
        {"scale": "1/0"},
        {"scale": "wide"},
        {"scale": "1e999999999"},
        {"scale": "9" * 101},
        {"l0": 0},
        {"l0": 2**31},
        {"l0": 1.5},
        {"linf": 0},
        {"linf": 2**63},
        {"norm": "L3"},
    ],
)
def test_draws_that_are_none(change):
    """A draw has a name, an exact scale in lowest terms, and a sensitivity; it says which not."""
    (name,) = change
    with pytest.raises(ValueError, match=f"{name}: .*expected"):
        replace(draw(Cost.pure(1)), **change)
