"""Packages for the checker's tests."""

import dataclasses

import pytest

from schemas.manifest import Approval, render_approval
from tests.forging import FIELDS, build, promise_of


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
    promise = promise_of("course")
    roles = {n: f.role for n, f in FIELDS.items() if n != "learner"}
    shared = {
        field.name: getattr(promise, field.name)
        for field in dataclasses.fields(Approval)
        if field.name != "tables"
    }
    path = tmp_path / "approval.json"
    path.write_text(render_approval(Approval(**shared, tables={"enrolments": roles})))
    return path
