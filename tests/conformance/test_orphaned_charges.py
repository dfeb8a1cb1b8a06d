"""Charges whose build nobody knows any more, as after a restore."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from anonymizer.dp.accounting import Cost
from pipelines.cli.main import main
from pipelines.errors import RegistryError
from pipelines.folders import target_of
from pipelines.governance.ledger import (
    ChargeState,
    NewCharge,
    PlannedDraw,
    begin_reading,
    orphaned,
    reserve,
    statement,
)
from pipelines.journal import begun
from pipelines.people import EVERY_DUTY, Actor
from pipelines.recovery import recover
from schemas.declaration import parse_toml
from schemas.policy import Policy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DIAZ = Actor("e.diaz@platform.example", "diaz", EVERY_DUTY)
POLICY = parse_toml(
    Policy,
    'purposes = ["research"]\nrecipients = ["*"]\nlegal_bases = ["consent"]\n'
    "[budget]\nepsilon_per_family = 1.0\ndelta = 1e-9",
    subject="policy",
)
BY = {"actor": DIAZ, "at": NOW}


def charge(number):
    """Of 0.1, for a request of its own."""
    return NewCharge(
        id=f"{number:08x}",
        family="oulad",
        id_column="id_student",
        version="b" * 64,
        snapshot_at=NOW,
        request=f"{number:064x}",
        purpose="research",
        recipient="r.lee@uni.example",
        draws=(PlannedDraw("geometric", "7/2", l0=3, linf=1, norm="L1", cost=Cost.pure(0.1)),),
        code_version="0.1.0",
        libraries={},
    )


@pytest.fixture
def root(tmp_path):
    """A workspace's folder."""
    (tmp_path / "ws" / "keys").mkdir(parents=True, mode=0o700)
    return tmp_path / "ws"


def states(registry):
    """Charge -> state."""
    return {one.id: one.state for one in statement(registry, POLICY, "oulad").charges}


def test_a_charge_without_a_journal_is_lost(registry, root, tmp_path):
    """On SQLite by recovery; on a server it may be of another workspace. Living ones stay."""
    for number in (1, 2, 3):
        reserve(registry, charge(number), POLICY, **BY)
    begin_reading(registry, "00000002", **BY)
    with begun(root, "00000003", target_of(tmp_path / "out")):
        done = recover(root, registry, **BY)
        alone = registry.dialect.name == "sqlite"
        assert done.charges == (("00000001", "00000002") if alone else ())
        assert orphaned(registry) == (
            ("00000003",) if alone else ("00000001", "00000002", "00000003")
        )
    if alone:
        ended = {"00000001": ChargeState.LOST, "00000002": ChargeState.LOST}
        assert states(registry) == {**ended, "00000003": ChargeState.RESERVED}
        assert statement(registry, POLICY, "oulad").accounts[0].spent.micro == 300_000


def test_a_living_build_keeps_its_charge(registry, root, tmp_path):
    """Whoever names it is told to wait; nothing is spent in vain."""
    reserve(registry, charge(1), POLICY, **BY)
    with begun(root, "00000001", target_of(tmp_path / "out")):
        begin_reading(registry, "00000001", **BY)
        with pytest.raises(RegistryError, match="has a journal here"):
            recover(root, registry, **BY, charge="00000001")
    assert states(registry) == {"00000001": ChargeState.READING}


def test_one_that_is_named_is_lost(registry, registry_url, tmp_path):
    """`kohort recover --charge` ends it on either database, once."""
    words = ["init", str(tmp_path / "new"), "--local"]
    if registry_url.get_backend_name() == "sqlite":
        pytest.skip("recovery finds it by itself")
    url = registry_url.render_as_string(hide_password=False)
    (tmp_path / "new" / "keys").mkdir(parents=True, mode=0o700)
    (tmp_path / "new" / "keys" / "registry.key").write_bytes(bytes(range(32)))
    (tmp_path / "new" / "keys" / "registry.key").chmod(0o600)
    assert CliRunner().invoke(main, [*words, "--database", url]).exit_code == 0
    reserve(registry, charge(1), POLICY, **BY)
    words = ["recover", "--charge", "00000001", "--workspace", str(tmp_path / "new"), "--json"]
    first = CliRunner().invoke(main, words)
    assert json.loads(first.output)["charges"] == ["00000001"]
    assert states(registry) == {"00000001": ChargeState.LOST}
    assert CliRunner().invoke(main, words).exit_code == 7
