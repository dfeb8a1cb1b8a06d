"""Whatever may be asked can be built: random requests, down to a verified package.

A build is charged before it counts, so nothing that a request passes may fail afterwards.
"""

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings

from pipelines.aggregates.describe import as_draw, demand_describable, planned_draws
from pipelines.aggregates.pack import pack_aggregate, write_aggregate_steward
from pipelines.aggregates.tables import noisy_tables
from pipelines.governance.ledger import Reserved
from pipelines.noisy_files import NoisyBuilding, Stamp
from pipelines.permitted import Permitted
from pipelines.sources.quarantine import Quarantine
from pipelines.steward import APPROVAL_FILE
from pipelines.store import package_digest
from pipelines.verify import verify_package
from schemas.declaration import parse_toml
from schemas.policy import Policy
from tests.aggworld import POLICY, World, figures, worlds

DIGEST = "a" * 64
NOBODY = Permitted({}, pl.DataFrame(), pl.DataFrame(), DIGEST, ())


def packed(world: World, folder: Path) -> list:
    """Build a package of a world, and hold it against its approval; the checks that fail."""
    plan = world.plan
    demand_describable(plan)
    moment = "2026-01-01T00:00:00+00:00"
    building = NoisyBuilding(plan, NOBODY, Stamp(DIGEST, "0a1b2c3d", moment, DIGEST))
    tables = noisy_tables(plan, figures(world), paid=Reserved("0a1b2c3d"))
    (folder / "package").mkdir()
    (folder / "steward").mkdir()
    policy = parse_toml(Policy, POLICY, subject="policy")
    pack_aggregate(tables, building, policy, folder / "package")
    write_aggregate_steward(
        folder / "steward",
        building,
        charged=planned_draws(plan),
        package_sha256=package_digest(folder / "package"),
        quarantine=Quarantine(),
        delta=1e-6,
    )
    found = verify_package(folder / "package", folder / "steward" / APPROVAL_FILE)
    return [check for check in found.checks if not check.ok]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_what_may_be_asked_is_built_and_holds(world):
    """Every kind of query and key, with people and with none at all."""
    for one in (world, World(world.plan, [], [], [])):
        with tempfile.TemporaryDirectory() as folder:
            assert packed(one, Path(folder)) == []


def test_the_draws_of_the_ledger_are_those_of_the_manifest():
    """One by one, in the order of the plan."""
    from tests.aggworld import MARGIN, family_text, plan_of  # noqa: PLC0415

    flags = dict.fromkeys(("listing", "staff", "ordered", "closed"), True)
    plan = plan_of(family_text(**flags), MARGIN)
    draws = planned_draws(plan)
    assert [draw.cost.micro_epsilon for draw in draws] == [25_000_000] * 2
    assert [as_draw(draw).privacy.micro_epsilon for draw in draws] == [25_000_000] * 2
    assert sum(draw.cost.micro_epsilon for draw in draws) == plan.cost.micro_epsilon
