"""Packages for the checker's tests."""

import pytest

from tests.cells import ZCDP
from tests.cells import build as build_cells
from tests.forging import approve, build, promise_of


@pytest.fixture
def course(tmp_path):
    """A valid course-scoped package."""
    return build(tmp_path / "course", "course", csv=False)


@pytest.fixture
def release(tmp_path):
    """A valid release-scoped package."""
    return build(tmp_path / "release", "release", csv=False)


@pytest.fixture
def approval(tmp_path):
    """What was approved for the course-scoped package."""
    return approve(tmp_path / "approval.json", promise_of("course"))


@pytest.fixture
def pure(tmp_path):
    """A valid package under a budget of epsilon."""
    return build_cells(tmp_path / "pure")


@pytest.fixture
def zcdp(tmp_path):
    """A valid package under a budget of rho."""
    return build_cells(tmp_path / "zcdp", ZCDP)
