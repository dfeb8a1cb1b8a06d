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
        ("anonymizer", {"numba", "numpy", "polars", "anonymizer"}),
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
