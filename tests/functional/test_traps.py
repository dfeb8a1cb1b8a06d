"""Every release of a trapped world, from Parquet and from SQLite, is as `expected.json` says."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.worlds.delimited import coursera_zip
from pipelines.worlds.tables import DATABASE_FILE, parquet_folder, sqlite_folder
from synth.presets import named_preset, rights_of, world_parts
from synth.traps import make_traps, plant
from synth.world import LEARNER
from tests import trapped
from tests.trapped import World

SEED = 20_261
RELEASES = [
    ("parquet", "courses", "late"),
    ("parquet", "learners", "late"),
    ("parquet", "profiles", "early"),
    ("parquet", "figures", "late"),
    ("parquet", "twin", "early"),
    ("sqlite", "courses", "early"),
    ("sqlite", "learners", "early"),
    ("sqlite", "profiles", "late"),
    ("sqlite", "figures", "early"),
    ("sqlite", "twin", "early"),
]
"""Source, request, and when the late rights overtake its build: every request from either source.
"""


def write(folder: Path, fmt: str) -> World:
    """A trapped world of 120 learners like those of real courses, and the planted ones."""
    preset = named_preset("mooc")
    (base,) = world_parts(preset, learners=120, courses=3, seed=SEED)
    traps = make_traps(seed=SEED)
    place = {
        "parquet": folder / "world",
        "sqlite": folder / "world",
        "zip": folder / "world.zip",
    }[fmt]
    sink = {"parquet": parquet_folder, "sqlite": sqlite_folder, "zip": coursera_zip}[fmt]
    with sink(place) as take:
        for part in plant([base], traps):
            take(part)
    rights, late, expected = (folder / name for name in ("r.csv", "late.csv", "expected.json"))
    pl.concat([rights_of(preset, base, seed=SEED, number=0), traps.rights]).write_csv(rights)
    traps.late.write_csv(late)
    expected.write_text(traps.expected.to_json())
    location = f"sqlite:///{place / DATABASE_FILE}" if fmt == "sqlite" else str(place)
    return World(fmt, location, rights, late, json.loads(expected.read_text()))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory) -> dict[str, World]:
    """The trapped world in each format."""
    return {fmt: write(tmp_path_factory.mktemp(fmt), fmt) for fmt in ("parquet", "sqlite")}


@pytest.fixture(scope="module", params=RELEASES, ids="-".join)
def release(request, worlds, tmp_path_factory) -> trapped.Release:
    """A release of it, after one that late rights have overtaken."""
    fmt, name, moment = request.param
    root = tmp_path_factory.mktemp(f"{fmt}-{name}")
    return trapped.make_release(worlds[fmt], root, name, moment=moment)


def test_a_release_is_as_expected(release):
    """Whoever must not be there is not, whoever must is; counts, values and texts are as claimed.

    Figures with noise: each is claimed within what noise exceeds with a probability of 1e-9. Ids of
    ten digits are looked for in some 10^5 digits of hashes: found by chance with one below 1e-4.
    """
    assert trapped.faults(release) == []


def test_what_is_put_aside(release):
    """Rows that break their declaration, by table, column and reason: these and no others."""
    claimed = trapped.to_be_put_aside(release)
    assert claimed
    assert trapped.put_aside(release) == claimed


def test_no_id_of_any_learner_leaves(release):
    """Nor of those who were not planted."""
    users = trapped.open_source(release.world.location, base=Path()).tables["users"]
    ids = pl.concat(users.read([LEARNER]).batches)[LEARNER].unique()
    assert len(ids) > 800
    for place, content in trapped.everything(release):
        assert not [one for one in ids if one in content], place


def test_a_column_that_nobody_declared_refuses_whoever_needs_its_table(release):
    """By name, and nothing is written."""
    claims = trapped.claims(release.world.expected, release.name)
    refused = [claim for claim in claims if claim["claim"] == "refused"]
    assert refused
    for claim in refused:
        assert claim["says"] in trapped.refusal(release, claim)


@pytest.mark.parametrize("fmt", ["parquet", "sqlite"])
def test_what_a_check_warns_of(worlds, fmt):
    """Unknown columns and tables by name, and plain ids."""
    claims = trapped.claims(worlds[fmt].expected, None)
    warned = [claim["says"] for claim in claims if claim["claim"] == "warned"]
    assert len(warned) >= 4
    lines = trapped.warnings_of(worlds[fmt])
    assert [says for says in warned if not any(says in line for line in lines)] == []


@pytest.mark.parametrize("fmt", ["parquet", "sqlite", "zip"])
def test_texts_are_read_as_they_were_written(tmp_path, fmt):
    """Quotes, backslashes and ends of lines, in a true-format export too."""
    world = write(tmp_path, fmt)
    reads = [c for c in trapped.claims(world.expected, None) if c["claim"] == "read"]
    assert len(reads) > 10
    assert [c for c in reads if trapped.cell(world, c) != [c["text"]]] == []
