"""Both databases that a workspace may have, and what runs on both of them."""

import os

import pytest
from sqlalchemy import URL

from pipelines.governance.database import create_registry

EVERY_MOMENT = "KOHORT_EVERY_MOMENT"
"""An environment variable: where it is set, nothing is left out."""


def pytest_configure(config):
    """Name the marker of tests that run in full on one of the databases."""
    what = "on this database, a test runs with these arguments only; with all where"
    config.addinivalue_line("markers", f"sampled(database, **arguments): {what} {EVERY_MOMENT}=1")


def pytest_collection_modifyitems(config, items):
    """Leave out what `sampled` doesn't name."""
    if os.environ.get(EVERY_MOMENT):
        return
    out = [item for item in items if not all(map(_runs(item), item.iter_markers("sampled")))]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in {*out}]


def _runs(item):
    """Whether a test runs, by one marker."""

    def by(marker):
        (database,), given = marker.args, item.callspec.params
        named = marker.kwargs.items()
        # Strictly: whoever renames an argument or a value would leave out everything.
        assert all(name in given for name, _ in named), item.nodeid
        return given["worlds"] != database or all(given[name] in some for name, some in named)

    return by


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request, tmp_path):
    """The address of a fresh, empty database."""
    if request.param == "sqlite":
        yield URL.create("sqlite", database=str(tmp_path / "kohort.sqlite"))
    else:
        with request.getfixturevalue("postgresql").database() as url:
            yield url


@pytest.fixture
def registry(registry_url):
    """A registry that was just made."""
    return create_registry(registry_url)
