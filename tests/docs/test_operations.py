"""docs/operations.md: every command in it runs, in its order, on both databases."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.smallworld import REQUEST, consent, make_world, run

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()
BOXES = re.findall(r"<!-- ([a-z, ]+) -->\n```sh\n(.*?)```", TEXT, re.DOTALL)
PEOPLE = {
    "r.lee@uni.example": "researcher",
    "s.ahn@platform.example": "steward",
    "e.diaz@platform.example": "engineer,steward",
}
KILLED = """
import os, signal, sys
import pipelines.build as b
from datetime import UTC, datetime
from pathlib import Path
from pipelines.settings import find_workspace
def kill(step):
    if step == "publish":
        os.kill(os.getpid(), signal.SIGKILL)
place = find_workspace(Path())
b.build(Path(sys.argv[1]).read_text(), place, Path(sys.argv[2]), progress=kill,
        actor=place.actor("e.diaz@platform.example", login="test"), now=datetime.now(UTC),
        randomness=os.urandom)
"""


def test_every_box_says_where_it_runs():
    """No command stands in a box that this test does not run."""
    assert len(BOXES) == TEXT.count("```sh")
    said = {word for where, _ in BOXES for word in where.split(", ")}
    assert said == {"both", "sqlite", "postgresql", "sealed", "killed"}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_command_runs(database, tmp_path, request):
    """From the first backup to the upgrade, as an engineer would type them."""
    if database == "sqlite":
        _walk(tmp_path, database, None)
        return
    server = request.getfixturevalue("postgresql")
    with server.database() as url:
        _walk(tmp_path, database, url.render_as_string(hide_password=False))


def _walk(folder: Path, database: str, url: str | None) -> None:
    world = make_world(folder)
    if url is not None:
        shutil.rmtree(world / "ws")
        declared = f"small={world / 'small.toml'}:{world / 'data'}"
        run("init", str(world / "ws"), "--local", "--source", declared, "--database", url)
    settings = world / "ws" / "kohort.toml"
    people = "".join(f'"{n}" = {json.dumps(d.split(","))}\n' for n, d in PEOPLE.items())
    settings.write_text(f"{settings.read_text()}\n[people]\n{people}")
    environment = {
        **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), _tools(), os.environ["PATH"]]),
        "KOHORT_AS": "e.diaz@platform.example",
        **({} if url is None else {"DATABASE": url.replace("+psycopg", "")}),
    }
    os.environ["KOHORT_AS"] = environment["KOHORT_AS"]
    try:
        consent(world)
        environment["OLD"] = _release(world, "first", REQUEST)
        run(
            "release",
            "recall",
            environment["OLD"],
            "--reason",
            "x",
            "--workspace",
            str(world / "ws"),
        )
        environment["RELEASE"] = _release(world, "second", REQUEST)
    finally:
        del os.environ["KOHORT_AS"]
    for where, box in BOXES:
        words = where.split(", ")
        if not {"both", database} & {*words}:
            continue
        if "killed" in words:
            _kill_a_build(world, environment)
        script = f"cd {world / 'ws'}\nset -euo pipefail\n{box}\nenv -0 > ../environment"
        done = _run(["bash", "-c", script], environment)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        lines = (world / "environment").read_bytes().decode().split("\0")
        environment = dict(line.split("=", 1) for line in lines if line)


def _release(world: Path, name: str, request: str) -> str:
    file = world / f"{name}.toml"
    file.write_text(request)
    arguments = ("--workspace", str(world / "ws"), "--out", str(world / name), "--json")
    return json.loads(run("build", str(file), *arguments))["release"]


def _kill_a_build(world: Path, environment: dict[str, str]) -> None:
    """Another request's build, killed once it is recorded and before it is published."""
    file = world / "third.toml"
    file.write_text(REQUEST.replace("Results by region", "The same, for somebody else"))
    command = [sys.executable, "-c", KILLED, str(file), str(world / "third")]
    environment = {**environment, "PYTHONPATH": str(ROOT)}
    done = _run(command, environment, cwd=world / "ws")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list((world / "ws" / "building").iterdir())


def _run(command: list[str], environment: dict[str, str], cwd: Path = ROOT):
    return subprocess.run(
        command, check=False, env=environment, cwd=cwd, capture_output=True, text=True
    )


def _tools() -> str:
    """Where pg_dump and pg_restore are, beside the newest server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return str(found[-1]) if found else ""
