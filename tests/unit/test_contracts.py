"""What the checker and the core may import, read off their source: allow-lists, not deny-lists."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def imported(folder: str) -> set[str]:
    """Every module that the files of a package import, by its full name."""
    found: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file.name}: relative import"
                found.add(node.module or "")
    return found


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("pipelines/verify", {"polars", "pandera", "schemas.manifest", "pipelines.verify"}),
        ("schemas/manifest", {"schemas.manifest"}),
        (
            "anonymizer",
            {"numba", "numpy", "polars", "anonymizer", "diffprivlib", "opendp", "dp_accounting"},
        ),
        ("schemas", {"pandera", "polars", "pydantic", "schemas"}),
    ],
)
def test_only_these_are_imported(folder: str, allowed: set[str]):
    """The standard library and these; the checker therefore shares no code with the writer."""
    others = {
        name
        for name in imported(folder)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == one or name.startswith(f"{one}.") for one in allowed)
    }
    assert others == set()


def importers(library: str) -> set[str]:
    """The files of the product that import a library, at their top or within a function."""
    found: set[str] = set()
    for folder in ("anonymizer", "schemas", "synth", "pipelines"):
        for file in (ROOT / folder).rglob("*.py"):
            named = f"import {library}", f"from {library}"
            if any(line.strip().startswith(named) for line in file.read_text().splitlines()):
                found.add(str(file.relative_to(ROOT)))
    return found


@pytest.mark.parametrize(
    ("library", "only"),
    [
        ("diffprivlib", "anonymizer/dp/noise.py"),
        ("opendp", "anonymizer/dp/noise.py"),
        ("dp_accounting", "anonymizer/dp/report.py"),
    ],
)
def test_one_place_draws_and_one_reports(library: str, only: str):
    """Noise is drawn in one file, and loss distributions are composed in another."""
    assert importers(library) == {only}


GENERATORS = {"default_rng", "RandomState", "SystemRandom", "urandom", "token_bytes"}
"""What makes a generator, or bytes out of nothing."""


def test_the_core_makes_no_generator():
    """The privacy core is given its randomness; what draws noise leaves it to the libraries."""
    for file in (ROOT / "anonymizer").rglob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text()))
        named = {
            node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            for node in nodes
        }
        assert not GENERATORS & named, file.name
