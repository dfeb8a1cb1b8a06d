"""A disk that fills up in the middle of a build: one line, nothing raw left, all well later.

A PostgreSQL server has a disk of its own, so with it fewer moments are tried; with
KOHORT_EVERY_MOMENT=1 the same.
"""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from pipelines.build import STEPS
from tests.crashing import (
    AtMoment,
    AtOnce,
    AtStep,
    Hold,
    assert_whole,
    build_next,
    left_behind,
    starve,
)

SIZES = [500, 2_000, 50_000]
"""Bytes that a file may have at most; a build writes larger ones."""

SOME = ("read", "write", "record", "publish")


def ends_well(world, ended) -> None:
    """It ended with one line, or with a release; nothing raw is left, and the next build works."""
    assert ended.refused or ended.answer["ok"], ended
    assert not [left for left in left_behind(world) if "raw" in left or "staging" in left]
    assert_whole(world)
    build_next(world)
    assert world.states().count("served") == 1


@pytest.mark.sampled("postgresql", step=("record", "publish"))
@pytest.mark.parametrize("step", STEPS)
def test_no_file_grows_from_a_step_on(worlds, tmp_path, step: str):
    """Each write fails, by whatever library it is made."""
    with worlds.copy("ready", tmp_path / "world") as world:
        ends_well(world, world.build(AtStep(step, starve)).end())


@pytest.mark.sampled("postgresql", kind=("outdated",), number=(30,))
@pytest.mark.parametrize("number", [3, 30, 60])
@pytest.mark.parametrize("kind", ["ready", "outdated"])
def test_no_file_grows_from_a_moment_on(worlds, tmp_path, kind: str, number: int):
    """The same in the midst of writing the package, the key, the record and the copy."""
    with worlds.copy(kind, tmp_path / "world") as world:
        ended = world.build(AtMoment(number, starve, "write"), out="out2").end()
        ends_well(world, ended)


@pytest.mark.sampled("postgresql", kind=("outdated",), size=(2_000,))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["served", "outdated"])
def test_no_file_grows_beyond_a_size(worlds, tmp_path, kind: str, size: int):
    """Large files fail, small ones are written; an earlier release stays whole."""
    with worlds.copy(kind, tmp_path / "world") as world:
        ended = world.build(AtOnce(partial(starve, size)), out="out2").end()
        ends_well(world, ended)


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "kohort", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED ON A FULL DISK: only root may mount one; `sudo pytest` does")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 9, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    assert shutil.disk_usage(folder).free == 0
    return folder / "filler"


@pytest.mark.sampled("postgresql", step=("publish",))
@pytest.mark.parametrize("step", SOME)
def test_a_full_disk(worlds, disk, step: str):
    """The workspace, its database and the output on one disk that fills up before a step."""
    with worlds.copy("ready", disk / "world") as world:
        hold = Hold()
        build = world.build(AtStep(step, hold))
        hold.wait()
        filler = fill(disk)
        hold.go_on.set()
        ended = build.end()
        filler.unlink()
        ends_well(world, ended)
