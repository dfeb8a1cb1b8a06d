"""Both databases that a workspace may have, and what runs on both of them."""

import os
import shutil

import pytest
from sqlalchemy import URL

from pipelines.governance.database import create_registry, open_registry
from tests.crashing import DATABASES, prepared_worlds

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


@pytest.fixture(params=DATABASES)
def registry_url(request, tmp_path):
    """The address of a fresh database: empty, or laid where the test asks for `registry` too."""
    laid = "registry" in request.fixturenames
    if request.param == "sqlite":
        file = tmp_path / "kohort.sqlite"
        if laid:
            shutil.copy(request.getfixturevalue("laid_file"), file)
        yield _file(file)
    else:
        template = request.getfixturevalue("laid_database") if laid else None
        with request.getfixturevalue("postgresql").database(template) as url:
            yield url


@pytest.fixture
def registry(registry_url):
    """A registry that was just made."""
    return open_registry(registry_url)


@pytest.fixture(scope="session")
def laid_file(tmp_path_factory):
    """A registry in a file: laying one takes ten times as long as copying it."""
    file = tmp_path_factory.mktemp("laid") / "kohort.sqlite"
    create_registry(_file(file)).dispose()
    return file


@pytest.fixture(scope="session")
def laid_database(postgresql):
    """The same on the server: the name of its database."""
    with postgresql.database() as url:
        create_registry(url).dispose()
        yield url.database


@pytest.fixture(scope="session")
def known_worlds():
    """Prepared worlds by their database: the same for every module."""
    return {}


@pytest.fixture(scope="module", params=DATABASES)
def worlds(request, known_worlds, tmp_path_factory):
    """Prepared worlds on each database."""
    if request.param not in known_worlds:
        known_worlds[request.param] = prepared_worlds(request, tmp_path_factory)
    return known_worlds[request.param]


def _file(path):
    return URL.create("sqlite", database=str(path))
