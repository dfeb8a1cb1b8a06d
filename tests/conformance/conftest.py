"""Both databases that a workspace may have."""

import pytest
from sqlalchemy import URL

from pipelines.governance.database import create_registry


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
