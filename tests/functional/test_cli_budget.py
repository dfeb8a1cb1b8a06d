"""`kohort budget show`: what is left, who spent it on what, and what no budget bounds."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from anonymizer.dp.accounting import Cost
from pipelines.cli.budget import NO_JOINT_EPSILON, budget
from pipelines.errors import RegistryError, RoleError
from pipelines.governance.database import create_registry
from pipelines.governance.ledger import begin_reading, commit, give_up, reserve
from pipelines.governance.tables import AccountCeiling
from pipelines.people import Duty
from pipelines.settings import SourceSettings, create_workspace, find_workspace
from tests.conformance.test_ledger import AGGREGATE, BY, MEI, RAY, RESULT, charge, lay

AHN, DIAZ = "ahn@here.example", "diaz@here.example"
PEOPLE = {RAY: [Duty.RESEARCHER], AHN: [Duty.STEWARD], DIAZ: [Duty.ENGINEER]}
PURE = "epsilon_per_family = 4.0\ndelta = 1e-9\n"
FULL = f"epsilon_per_purpose = 2\nepsilon_per_recipient = 0.5\n{PURE}"
ZCDP = f'{PURE}regime = "zcdp"\n'


@pytest.fixture
def place(tmp_path):
    """A workspace with a source of OULAD, and its registry."""
    root = tmp_path / "workspace"
    oulad = SourceSettings(family="oulad", location=str(tmp_path))
    create_workspace(root, local=True, sources={"oulad": oulad}, people=PEOPLE)
    return root, create_registry(find_workspace(root).database)


@pytest.fixture
def written(place):
    """Write `[budget]` into the policy; the policy."""
    root, _ = place
    file = root / "policy.toml"
    before = file.read_text().partition("\n[budget]")[0]

    def write(text):
        file.write_text(f"{before}\n[budget]\n{text}" if text else before)
        return find_workspace(root).policy

    write("")
    return write


@pytest.fixture
def show(place):
    """Run `kohort budget show ...`, as a researcher unless `by` says otherwise."""

    def show(*words, by=RAY):
        arguments = ["show", *words, "--workspace", str(place[0]), "--as", by]
        result = CliRunner().invoke(budget, arguments)
        if result.exception is not None:
            raise result.exception
        return result.output

    return show


@pytest.mark.parametrize("by", [RAY, AHN, DIAZ])
def test_whoever_has_a_duty_sees_all_of_it(place, written, show, by):
    """Accounts with ceiling, spent and left; charges with state, recipient and purpose."""
    own, registry = written(FULL), place[1]
    reserve(registry, charge(1, Cost.pure(0.25)), own, **BY)
    begin_reading(registry, "00000001", **BY)
    commit(registry, "00000001", result_sha256=RESULT, **BY)
    reserve(registry, charge(2, Cost.pure("0.000001"), recipient=MEI), own, **BY)
    give_up(registry, "00000002", reason="over", **BY)
    last = charge(3, Cost.pure(0.5, "1e-15"), recipient=MEI, request="a" * 64)
    reserve(registry, last, own, **BY)
    asked = charge(1).request[:12]
    assert show(by=by).splitlines() == [
        "family oulad: pure",
        "  family oulad: epsilon 4, spent epsilon 0.75, left epsilon 3.25",
        "    delta of the draws: 1e-15 spent of 1e-9",
        "  purpose research: epsilon 2, spent epsilon 0.75, left epsilon 1.25",
        "    delta of the draws: 1e-15 spent of 1e-9",
        f"  recipient {MEI}: epsilon 0.5, spent epsilon 0.5, left epsilon 0",
        "    delta of the draws: 1e-15 spent of 1e-9",
        f"  recipient {RAY}: epsilon 0.5, spent epsilon 0.25, left epsilon 0.25",
        "  recipient (any other): epsilon 0.5, spent epsilon 0, left epsilon 0.5",
        f"  00000001  committed  2026-03-01  epsilon 0.25  {RAY}  research  request {asked}",
        (
            "  00000002  refunded   2026-03-01  epsilon 0 (charged epsilon 0.000001)  "
            f"{MEI}  research  request {charge(2).request[:12]}"
        ),
        f"  00000003  reserved   2026-03-01  epsilon 0.5  {MEI}  research  request aaaaaaaaaaaa",
    ]


def test_nothing_was_spent_yet(written, show):
    """The families of the workspace's sources have all that the policy allows."""
    written(PURE)
    assert show().splitlines() == [
        "family oulad: pure",
        "  family oulad: epsilon 4, spent epsilon 0, left epsilon 4",
    ]


def test_without_a_budget(written, show):
    """The policy says nothing, and so nothing is granted."""
    written("")
    assert show().splitlines() == [
        "family oulad: no budget",
        "  nothing is granted: the policy has no [budget]; a steward writes policy.toml",
    ]


def test_what_no_budget_bounds(place, written, show):
    """Microdata stands beside what was charged, and nobody adds them up."""
    reserve(place[1], charge(1), written(PURE), **BY)
    lay(place[1], "reserved", "published")
    told = show().splitlines()
    assert told[-2:] == [
        f"  1f00a3c2  no DP bound  2026-03-01  {RAY}  Completion by region",
        NO_JOINT_EPSILON,
    ]


def test_an_aggregate_is_told_by_its_charge(place, written, show):
    """What was published for a charge is no release without a bound."""
    reserve(place[1], charge(1), written(PURE), **BY)
    lay(place[1], "reserved", "published", id="00000001", **AGGREGATE)
    told = show()
    assert told.count("00000001") == 1
    assert "no DP bound" not in told
    (family,) = json.loads(show("--json"))["families"]
    assert ([one["id"] for one in family["charges"]], family["no_dp_bound"]) == (["00000001"], [])


def test_rho_is_told_as_epsilon_too(place, written, show):
    """Under zCDP an amount is a rho, and what it is worth at the policy's delta."""
    reserve(place[1], charge(1, Cost.zcdp("0.02")), written(ZCDP), **BY)
    first, line, *_ = show().splitlines()
    assert first == "family oulad: zcdp"
    assert line == (
        "  family oulad: rho 0.199504 (epsilon 3.999997 at delta 1e-9), spent rho 0.02 "
        "(epsilon 1.186625 at delta 1e-9), left rho 0.179504 (epsilon 3.779579 at delta 1e-9)"
    )


def test_overdrawn(place, written, show):
    """A policy below what is spent: by how much, and that nothing more is granted."""
    reserve(place[1], charge(1, Cost.pure(3)), written(PURE), **BY)
    written(PURE.replace("4.0", "2.5"))
    assert (
        "family oulad: epsilon 2.5, spent epsilon 3, overdrawn by epsilon 0.5: nothing more is "
        "granted" in show()
    )
    (family,) = json.loads(show("--json"))["families"]
    assert family["accounts"][0]["overdrawn"]["micro"] == 500_000


def test_overdrawn_in_delta(place, written, show):
    """A lower delta counts as much as a lower epsilon."""
    reserve(place[1], charge(1, Cost.pure(3, "5e-10")), written(PURE), **BY)
    written(PURE.replace("1e-9", "2e-10"))
    assert "spent epsilon 3, overdrawn by delta 3e-10: nothing more is granted" in show()


def test_overdrawn_in_both(place, written, show):
    """Both parts are told, and nothing is left of either."""
    reserve(place[1], charge(1, Cost.pure(3, "5e-10")), written(PURE), **BY)
    written("epsilon_per_family = 2.5\ndelta = 2e-10\n")
    assert "overdrawn by epsilon 0.5 and delta 3e-10: nothing more is granted" in show()
    (family,) = json.loads(show("--json"))["families"]
    assert family["accounts"][0]["left"] == {"micro": 0, "atto_delta": 0, "text": "epsilon 0"}


def test_sums_agree(place, written, show):
    """What the charges have spent adds up to what the accounts have, in both parts."""
    own, registry = written(FULL), place[1]
    for number, recipient in enumerate((RAY, MEI, RAY, MEI), start=1):
        asked = charge(number, Cost.pure("0.1", f"{number}e-15"), recipient=recipient)
        reserve(registry, asked, own, **BY)
    give_up(registry, "00000001", reason="over", **BY)
    begin_reading(registry, "00000002", **BY)
    give_up(registry, "00000002", reason="over", **BY)
    (family,) = json.loads(show("--json"))["families"]
    charges = family["charges"]
    assert [(one["charged"]["micro"], one["spent"]["micro"]) for one in charges] == [
        (100_000, 0),
        *[(100_000, 100_000)] * 3,
    ]
    for account in family["accounts"]:
        field = account["scope"]
        own = [c for c in charges if field == "family" or c[field] == account["subject"]]
        for part in ("micro", "atto_delta"):
            assert account["spent"][part] == sum(one["spent"][part] for one in own)


def test_charges_without_accounts(place, written, show):
    """A registry that was tampered with is told as such."""
    reserve(place[1], charge(1), written(PURE), **BY)
    written("")
    with place[1].begin() as connection:
        connection.execute(delete(AccountCeiling))
    with pytest.raises(RegistryError, match="no account; see `kohort audit verify`"):
        show()


def test_another_regime(place, written, show):
    """The accounts are told in their own, with why nothing is granted."""
    reserve(place[1], charge(1), written(PURE), **BY)
    written(ZCDP)
    told = show()
    assert 'nothing is granted: its accounts are kept as pure, and the policy says "zcdp"' in told
    assert "family oulad: epsilon 4, spent epsilon 0.1, left epsilon 0" in told


def test_json(place, written, show):
    """The same for a program: millionths, and the words for them."""
    reserve(place[1], charge(1, Cost.pure(0.25)), written(FULL), **BY)
    lay(place[1], "reserved", "published")
    found = json.loads(show("--json"))
    assert found["note"] == NO_JOINT_EPSILON
    (family,) = found["families"]
    assert (family["family"], family["regime"], family["stopped"]) == ("oulad", "pure", None)
    assert [(one["scope"], one["subject"]) for one in family["accounts"]] == [
        ("family", "oulad"),
        ("purpose", "research"),
        ("recipient", RAY),
        ("recipient", "*"),
    ]
    assert family["accounts"][0] | {"overdrawn": 0} == {
        "scope": "family",
        "subject": "oulad",
        "ceiling": {"micro": 4_000_000, "atto_delta": 10**9, "text": "epsilon 4"},
        "spent": {"micro": 250_000, "atto_delta": 0, "text": "epsilon 0.25"},
        "left": {"micro": 3_750_000, "atto_delta": 10**9, "text": "epsilon 3.75"},
        "overdrawn": 0,
    }
    (spent,) = family["charges"]
    assert (spent["id"], spent["state"], spent["by"]) == ("00000001", "reserved", BY["actor"].name)
    assert (spent["request_sha256"], spent["spent"]["micro"]) == (charge(1).request, 250_000)
    assert [one["id"] for one in family["no_dp_bound"]] == ["1f00a3c2"]


def test_one_family(place, written, show):
    """--family narrows it, to one on record or of a source; another is refused."""
    own = written(PURE)
    reserve(place[1], charge(1, family="coursera"), own, **BY)
    assert [one.split(":")[0] for one in show().splitlines() if one[0] != " "] == [
        "family coursera",
        "family oulad",
    ]
    for name in ("coursera", "oulad"):
        assert show("--family", name).startswith(f"family {name}: pure")
    with pytest.raises(RegistryError, match="--family: no source"):
        show("--family", "edx")


def test_strangers_see_nothing(written, show):
    """Whom the settings do not name is refused."""
    written(PURE)
    with pytest.raises(RoleError):
        show(by="eve@elsewhere.example")


def test_help_is_light():
    """--help imports neither polars nor the database."""
    code = (
        "import sys; import pipelines.cli.budget; "
        "print(sorted(m for m in ('polars', 'sqlalchemy.orm') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
