"""docs/synthetic-data.md has every figure and trap, as the code knows them; worlds keep figures."""

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import click
import pytest

from pipelines.cli.main import main
from synth.presets import PRESETS, named_preset
from synth.traps import make_traps
from synth.traps.claims import Claim
from synth.traps.planting import TRAPS
from tests import trapped
from tests.published_figures import COMPARED, COURSES, LEARNERS, SEED, agreements, row

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "synthetic-data.md").read_text()
LINES = [line for line in TEXT.splitlines() if line.startswith("| ")]
FIGURES = [(preset, figure) for preset, (figures, _) in COMPARED.items() for figure in figures]
SMALL = {"mooc": {"learners": 5_000, "courses": 40}, "oulad": {"learners": 5_000}}
WIDER = 3
"""As many tolerances as the docs allow for a short run."""
LARGE_ONLY = {"correlation of passes with length"}
"""Of the twenty courses of a short run that are popular enough, chance makes it anything."""


def name_of(value):
    return getattr(value, "name", value)


@pytest.mark.parametrize(("preset", "figure"), FIGURES, ids=name_of)
def test_every_figure_stands_in_the_table(preset, figure):
    """Its name, value, tolerance and source once; what was found is a number, and inside."""
    told = re.escape(row(figure, "FOUND")).replace("FOUND", r"(-?[\d.,]+%?)")
    matches = [found for line in LINES if (found := re.fullmatch(told, line))]
    assert len(matches) == 1, figure.name
    text = matches[0].group(1).replace(",", "")
    found = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    assert figure.aside or figure.agrees(found, times=1.001)


def test_the_tables_are_of_the_command_s_run():
    """Size and seed stand above each table."""
    for preset, courses in COURSES.items():
        assert f"`{preset}`, {LEARNERS:,} learners, {courses} courses, seed {SEED}:" in TEXT
    assert "**outside**" not in TEXT
    assert "tolerances three times as wide" in " ".join(TEXT.split())
    assert WIDER == 3


def test_every_preset_is_told_of():
    """With its shape."""
    for name in PRESETS:
        shape = {"coursera": "Coursera export", "oulad": "OULAD"}[named_preset(name).shape]
        assert any(line.startswith(f"| `{name}` | {shape} |") for line in LINES), name


@pytest.mark.parametrize("preset", COMPARED)
def test_a_short_run_keeps_the_figures(preset):
    """Worlds of a fixed seed, within three times the stated tolerances: no chance is left.

    Of thirty other seeds none had a figure outside.
    """
    for one in agreements(preset, seed=SEED, **SMALL[preset]):
        figure = one.published
        if not figure.aside and figure.name not in LARGE_ONLY:
            assert figure.agrees(one.found, times=WIDER), (figure.name, one.found)


def test_every_trap_is_told_of():
    """What is planted, and what must come of it, in the words of the code; and no other."""
    planted = make_traps(seed=0).expected.traps
    told = [
        f"| `{trap.name}` | {trap.what} | {plants.__doc__.splitlines()[0]} |"
        for plants, trap in zip(TRAPS, planted, strict=True)
    ]
    start = LINES.index("| trap | planted | what must come of it |") + 1
    assert LINES[start : start + len(told)] == told
    assert LINES[start + len(told)].startswith("| claim |")


def test_every_claim_is_told_of():
    """With its parts, in their order."""
    told = []
    for kind in Claim.__args__:
        parts = ", ".join(f"`{part.name}`" for part in fields(kind) if part.name != "requests")
        told.append(f"| `{kind.claim}` | {parts} | {kind.__doc__.splitlines()[0]} |")
    start = LINES.index("| claim | parts | what it says |") + 1
    assert LINES[start : start + len(told)] == told


def test_the_format_of_what_is_expected_is_told_of():
    """Its name, and each of its keys and requests."""
    document = json.loads(make_traps(seed=0).expected.to_json())
    section = TEXT.split("### What `expected.json` says")[1].split("\n## ")[0]
    assert document["format"] in section
    assert [name for name in (*document, *document["requests"]) if f"`{name}`" not in section] == []
    (names,) = re.findall(r"^for name in ([a-z ]+); do$", TEXT, flags=re.MULTILINE)
    assert set(names.split()) == document["requests"].keys()


def typed(box):
    """The words of each `kohort` command in a box of shell, within other commands too."""
    return [shlex.split(words) for words in re.findall(r"\bkohort ((?:\"[^\"]*\"|[^|#\n])+)", box)]


def parsed(words):
    """The name of the command that these words run; they must be words that it takes."""
    command, names = main, []
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(click.Context(command), words)
        names.append(name)
    command.make_context(names[-1], [*words])
    return " ".join(names)


def test_every_command_can_be_typed():
    """With its arguments and options, as the command line parses them."""
    boxes = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    names = [parsed(words) for box in boxes for words in typed(box)]
    assert len(names) == sum(box.count("kohort ") for box in boxes) > 10


def test_a_trapped_world_is_built_as_its_tests_build_it(tmp_path, monkeypatch):
    """Each request in a workspace of its own, for claims are about releases that are built alone.

    By the same commands in the same order; there late rights reach the registry during a build.
    """
    (loop,) = re.findall(r"^for name in .*?; do$(.*?)^done$", TEXT, re.DOTALL | re.MULTILINE)
    ran = []

    def run(*words):
        ran.append(words)
        return '{"sha256": "5f0c"}'

    monkeypatch.setattr(trapped, "run", run)
    (tmp_path / "ws").mkdir()
    places = (Path(name) for name in ("rights.csv", "late.csv"))
    expected = json.loads(make_traps(seed=0).expected.to_json())
    world = trapped.World("parquet", "world", *places, expected)
    ws = trapped.make_workspace(world, tmp_path)
    assert "5f0c" in trapped.request_text(world, ws, "twin")
    told = [parsed(words) for words in typed(loop)]
    assert told == [*map(parsed, ran), "rights import", "build"]
    assert "built alone: in a workspace of its own" in expected["premise"]
