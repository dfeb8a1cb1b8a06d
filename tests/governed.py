"""Commands on the small world, as the people of a platform would give them."""

import json
from pathlib import Path

from sqlalchemy import Engine

from pipelines.governance.database import open_registry
from pipelines.settings import find_workspace
from tests.smallworld import run


def workspace(root: Path) -> tuple[str, str]:
    """The option of every command."""
    return "--workspace", str(root / "ws")


def build(root: Path, name: str, *, code: int = 0) -> dict[str, object]:
    """Build the request of the world into a folder of this name."""
    arguments = [str(root / "request.toml"), "--out", str(root / name), "--json"]
    said = run("build", *arguments, *workspace(root), code=code)
    return json.loads(said) if code == 0 else {"said": said}


def registry(root: Path) -> Engine:
    """The workspace's registry."""
    return open_registry(find_workspace(root / "ws").database)
