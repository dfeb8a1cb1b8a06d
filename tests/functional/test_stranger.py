"""A stranger with other tools: Frictionless and sha256sum understand a package without kohort."""

import json
import subprocess
from pathlib import Path

import frictionless
import polars as pl

from tests.smallworld import build, consent, make_world


def package(tmp_path: Path) -> Path:
    """A package with CSV copies."""
    world = make_world(tmp_path)
    consent(world)
    build(world)
    return world / "package"


def test_frictionless_accepts_the_package(tmp_path: Path):
    """The manifest is a valid Data Package, and the CSV copy satisfies its schema."""
    root = package(tmp_path)
    descriptor = json.loads((root / "datapackage.json").read_text())
    assert list(frictionless.Package.metadata_validate(descriptor)) == []
    schema = descriptor["resources"][0]["schema"]
    report = frictionless.validate(
        descriptor["resources"][0]["csvPath"],
        basepath=str(root),
        schema=frictionless.Schema.from_descriptor(schema),
    )
    assert report.valid, report.flatten(["type"])
    assert report.tasks[0].stats["rows"] == pl.read_parquet(root / "data/*.parquet").height


def test_frictionless_finds_a_value_outside_the_domain(tmp_path: Path):
    """The closed domains of the manifest are constraints that other tools enforce."""
    root = package(tmp_path)
    file = root / "data" / "enrolments.csv"
    schema = json.loads((root / "datapackage.json").read_text())["resources"][0]["schema"]
    file.write_text(file.read_text().replace(",Pass,", ",Great,"))
    checked = frictionless.validate(
        "data/enrolments.csv",
        basepath=str(root),
        schema=frictionless.Schema.from_descriptor(schema),
    )
    assert {kind for (kind,) in checked.flatten(["type"])} == {"constraint-error"}


def test_sha256sum_checks_the_files(tmp_path: Path):
    """`sha256sum --check` works without kohort."""
    command = ["sha256sum", "--check", "--strict", "--quiet", "checksums.sha256"]
    subprocess.run(command, cwd=package(tmp_path), check=True)
