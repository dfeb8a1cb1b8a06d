"""kohort's pytest plugin: fixtures that make synthetic learners for the tests of whoever uses it.

pytest loads this file in every project that has kohort installed, whether or not its tests ask for
these fixtures. So its name is one that no project has, it imports nothing of kohort until a fixture
is used, and none is used without being asked for. What they do stands in `pipelines.testing`. They
are functions of which no call heeds another, so fixtures of any scope may ask for them.
"""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pipelines.testing import NewWorkspace, SyntheticLearners

_PACKAGES: Final = ("anonymizer", "pipelines", "schemas", "synth")
"""kohort's own, beside this file."""


@pytest.fixture(scope="session")
def synthetic_learners() -> "SyntheticLearners":
    """A function that makes the raw tables of synthetic learners, as polars frames."""
    _refuse_others()
    from pipelines.testing import raw_tables  # noqa: PLC0415

    return raw_tables


@pytest.fixture(scope="session")
def synthetic_workspace(tmp_path_factory: pytest.TempPathFactory) -> "NewWorkspace":
    """A function that makes a workspace on synthetic learners, in a new temporary folder."""
    _refuse_others()
    from pipelines.testing import workspaces_in  # noqa: PLC0415

    return workspaces_in(tmp_path_factory.mktemp("synthetic"))


def _refuse_others() -> None:
    """End the test where a project's own package has the name of one of kohort's, and comes first.

    Raises:
        pytest.fail.Exception: so it is; the message says which, and what to do.
    """
    home = Path(__file__).resolve().parent
    for name in _PACKAGES:
        found = _place(name)
        if found is not None and found != home / name:
            pytest.fail(
                f"kohort's fixtures need its own package '{name}', but Python finds {found} under "
                "that name: rename that one, or keep these tests in a project without it",
                pytrace=False,
            )


def _place(name: str) -> Path | None:
    """Where a package lies that is imported, or would be; None where there is none."""
    module = sys.modules.get(name)
    spec = importlib.util.find_spec(name) if module is None else None
    if spec is not None:
        folders, file = spec.submodule_search_locations, spec.origin
    else:
        folders, file = getattr(module, "__path__", None), getattr(module, "__file__", None)
    found = next(iter(folders or ()), file)
    return None if found is None else Path(found).resolve()
