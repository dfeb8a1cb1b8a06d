"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

_CORE = Path(__file__).resolve().parents[1] / "anonymizer"


def pytest_configure() -> None:
    """Compiled kernels older than any source file are made anew: numba asks one file only."""
    newest = max(file.stat().st_mtime for file in _CORE.glob("*.py"))
    for file in _CORE.glob("__pycache__/*.nb[ci]"):
        if file.stat().st_mtime < newest:
            file.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; the test is skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KOHORT_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set KOHORT_SHARED_DATA)")
    return folder
