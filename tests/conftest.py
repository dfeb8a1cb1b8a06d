"""Fixtures that every test may use."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.kernels import drop_stale_kernels
from tests.postgres import Server, running_server

UNCOVERED = ("conformance", "docs")
"""Folders of tests that coverage does not look at: they are of databases, processes and texts."""


def pytest_configure() -> None:
    """Tests run the code that they see, not what was compiled of an older version."""
    drop_stale_kernels()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage, which is asked of the core and the schemas, leaves out the tests of what is around.

    Looking on makes a test take up to two fifths longer.
    """
    for item in items:
        if item.path.parent.name in UNCOVERED:
            item.add_marker(pytest.mark.no_cover)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the collector need not look at it again.

    That is some tenth of the time of all tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; the test is skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KOHORT_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set KOHORT_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server, started for the tests of this process."""
    with running_server() as server:
        yield server
