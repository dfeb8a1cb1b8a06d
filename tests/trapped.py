"""A trapped world, releases of it, and whether they are as its `expected.json` says.

All that is looked for comes from that file, and all that is found from the written packages and the
steward's files beside them.
"""

import csv
import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.build import build
from pipelines.errors import RegistryError
from pipelines.governance.absence import pseudonyms_of
from pipelines.governance.database import open_registry
from pipelines.governance.registry_keys import registry_key_of
from pipelines.governance.releases import release as recorded
from pipelines.governance.rights import import_rights
from pipelines.people import EVERY_DUTY, Actor
from pipelines.settings import find_workspace
from pipelines.sources.open import open_source
from tests.reference.promise import smallest_class
from tests.smallworld import run

ACTOR = Actor("sam", "sam", EVERY_DUTY)
NOISY = {"learners", "learners_half_width"}
"""The columns of figures that a twin is made of; the others are keys."""

Claim = Mapping[str, Any]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """A trapped world as it was written.

    Attributes:
        format: in which.
        location: what `--source` names.
        rights: the file of what learners said before anything is built.
        late: the file of what comes in while a build runs.
        expected: what `expected.json` says.
    """

    format: str
    location: str
    rights: Path
    late: Path
    expected: Document


@dataclass(frozen=True)
class Release:
    """A package, and what was told beside it.

    Attributes:
        world: of which.
        root: where the workspace and the package lie.
        name: of the request.
        type: of the release.
        ident: how the registry knows it.
        printed: all that the build printed.
    """

    world: World
    root: Path
    name: str
    type: str
    ident: str
    printed: str

    @property
    def package(self) -> Path:
        """The package."""
        return self.root / self.name

    def table(self, name: str) -> pl.DataFrame:
        """A table of the package."""
        return pl.read_parquet(self.package / "data" / f"{name}.parquet")

    def tables(self) -> dict[str, pl.DataFrame]:
        """All of them."""
        return {path.stem: self.table(path.stem) for path in self.package.glob("data/*.parquet")}


def make_workspace(world: World, root: Path) -> Path:
    """A workspace with the world as its source, and all that was said before any build."""
    ws = root / "ws"
    run("init", str(ws), "--local", "--source", f"world=coursera:{world.location}")
    with (ws / "policy.toml").open("a") as policy:
        policy.write(world.expected["policy"])
    run("rights", "import", str(world.rights), "--workspace", str(ws))
    periods = ("--periods", world.expected["periods"])
    run("catalog", "new", "world", *periods, "--workspace", str(ws))
    return ws


def request_text(world: World, ws: Path, name: str) -> str:
    """A request, with the hash of the workspace's catalogue where it names one."""
    shown = run("catalog", "show", "world", "--json", "--workspace", str(ws))
    return world.expected["requests"][name].replace("CATALOGUE", json.loads(shown)["sha256"])


MOMENTS = {"early": {"wait"}, "late": {"anonymize", "draw noise"}}
"""When late rights come in: before who permits it is asked, or once rows are counted."""


def make_release(world: World, root: Path, name: str, *, moment: str) -> Release:
    """Build a request once the late rights have overtaken a first build of it."""
    ws = make_workspace(world, root)
    (root / f"{name}.toml").write_text(request_text(world, ws, name))
    overtaken(world, root, name, MOMENTS[moment])
    words = (str(root / f"{name}.toml"), "--out", str(root / name), "--workspace", str(ws))
    printed = run("build", *words, "--json")
    said = json.loads(printed)
    text = (root / name / "datapackage.json").read_text()
    return Release(
        world, root, name, json.loads(text)["kohort"]["release_type"], said["release"], printed
    )


def overtaken(world: World, root: Path, name: str, moment: set[str]) -> None:
    """Late rights reach the registry while a build runs: it is refused, and leaves nothing."""
    workspace = find_workspace(root / "ws")
    registry, now = open_registry(workspace.database), datetime.now(UTC)
    key = registry_key_of(registry, workspace.root)
    steps = []

    def progress(step: str) -> None:
        if step in moment:
            steps.append(step)
            import_rights(registry, world.late, registry_key=key, actor=ACTOR,
                          received_at=datetime.now(UTC))  # fmt: skip

    said = [claim for claim in claims(world.expected, name) if claim["claim"] == "overtaken"]
    assert said
    with pytest.raises(RegistryError) as refused:
        build((root / f"{name}.toml").read_text(), workspace, root / name, actor=ACTOR, now=now,
              randomness=os.urandom, progress=progress)  # fmt: skip
    assert len(steps) == 1
    assert all(claim["says"] in str(refused.value) for claim in said)
    assert not (root / name).exists()


def claims(expected: Document, name: str | None) -> list[Claim]:
    """All claims about a request; those about the source itself for None."""
    every = [claim for trap in expected["traps"].values() for claim in trap["claims"]]
    about = [claim for claim in every if name in claim.get("requests", (None,))]
    assert about
    return about


def faults(release: Release) -> list[str]:
    """What is otherwise than claimed: trap, claim and what was found instead."""
    found = []
    for trap, planted in release.world.expected["traps"].items():
        for claim in planted["claims"]:
            if release.name in claim.get("requests", ()) and claim["claim"] in CHECKS:
                told = CHECKS[claim["claim"]](release, claim)
                found += [f"{trap}: {claim['claim']}: {one}" for one in told]
    return found


def _rows(release: Release, claim: Claim) -> pl.DataFrame:
    if claim["table"] != "measured":
        return release.table(claim["table"]).filter(**claim["cell"])
    keys = {*claim["cell"]}
    (table,) = (t for t in release.tables().values() if keys == {*t.columns} - NOISY)
    return table.filter(**claim["cell"])


def _counted(release: Release, claim: Claim) -> Iterator[str]:
    rows = _rows(release, claim)
    if claim["table"] == "measured" or release.type == "aggregate":
        figures = [name for name, kind in rows.schema.items() if kind != pl.String]
        found = rows[figures[0]].sum()
    else:
        found = rows["learner"].n_unique()
    if abs(found - claim["learners"]) > claim["within"]:
        yield f"{claim['table']} {claim['cell']}: {found}, not {claim['learners']}"


def _never(release: Release, claim: Claim) -> Iterator[str]:
    shown = _rows(release, claim)[claim["column"]]
    if bad := sorted({*shown} & {*claim["values"]}):
        yield f"{claim['cell']}: {claim['column']} shows {bad}"


def _only(release: Release, claim: Claim) -> Iterator[str]:
    shown = {*_rows(release, claim)[claim["column"]]}
    if not shown or not shown <= {*claim["values"]}:
        yield f"{claim['cell']}: {claim['column']} shows {sorted(shown)}"


def _together(release: Release, claim: Claim) -> Iterator[str]:
    taken = release.table("enrolments").filter(pl.col("course_id").is_in(claim["courses"]))
    courses = taken.group_by("learner").agg(pl.col("course_id").n_unique())
    found = courses.filter(course_id=len(claim["courses"])).height
    if found != claim["learners"]:
        yield f"{found} learners in all of {claim['courses']}"


def _hidden(release: Release, claim: Claim) -> Iterator[str]:
    tables = release.tables()
    manifest = json.loads((release.package / "datapackage.json").read_text())
    quasi = sorted({
        field["name"]
        for resource in manifest["resources"]
        for field in resource["schema"]["fields"]
        if field.get("role") == "quasi-identifier"
    })  # fmt: skip
    assert quasi
    scope = manifest["kohort"]["pseudonym_scope"]
    found = smallest_class(tables, scope=scope, quasi=quasi, item="course_id")
    if found < claim["least"]:
        yield f"a class of {found}"


def _shown(release: Release, claim: Claim) -> int:
    """How many pseudonyms that these learners have, or would have, a table shows.

    A learner has one, or under course scope one a course; those who must be there are in one.
    """
    workspace = find_workspace(release.root / "ws")
    of = recorded(open_registry(workspace.database), release.ident)
    named = pseudonyms_of(workspace, of, claim["learners"], package=release.package)
    assert named
    there = {one for table in release.tables().values() for one in table["learner"]}
    return len(there.intersection(named))


def _absent(release: Release, claim: Claim) -> Iterator[str]:
    if count := _shown(release, claim):
        yield f"{count} of {len(claim['learners'])} are there"


def _present(release: Release, claim: Claim) -> Iterator[str]:
    if (count := _shown(release, claim)) != len(claim["learners"]):
        yield f"{count} of {len(claim['learners'])} are there"


def _nowhere(release: Release, claim: Claim) -> Iterator[str]:
    for place, content in everything(release):
        yield from (f"{text!r} in {place}" for text in claim["texts"] if text in content)


def everything(release: Release) -> Iterator[tuple[str, str]]:
    """All that a recipient gets, or anybody is told: each file's bytes, and what they decode to."""
    yield "what is printed", release.printed
    for path in sorted(release.package.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes().decode("latin-1")
            yield path.name, path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            yield f"cells of {path.name}", frame.write_csv()
            yield f"metadata of {path.name}", str(pl.read_parquet_metadata(path))


CHECKS: Mapping[str, Callable[[Release, Claim], Iterator[str]]] = {
    "counted": _counted,
    "never": _never,
    "only": _only,
    "together": _together,
    "hidden": _hidden,
    "absent": _absent,
    "present": _present,
    "nowhere": _nowhere,
}
"""Claims about one package; others are about a build, or about the source."""


def put_aside(release: Release) -> Counter[tuple[str, str, str]]:
    """Table, column, reason -> rows that the build put into quarantine."""
    path = release.root / f"{release.name}.steward" / "quarantine" / "counts.csv"
    with path.open() as file:
        return Counter({
            (row["table"], row["column"], row["reason"]): int(row["rows"])
            for row in csv.DictReader(file)
        })  # fmt: skip


def to_be_put_aside(release: Release) -> Counter[tuple[str, str, str]]:
    """The same, as claimed: of all traps together."""
    found: Counter[tuple[str, str, str]] = Counter()
    for claim in claims(release.world.expected, release.name):
        if claim["claim"] == "quarantined":
            found[claim["table"], claim["column"], claim["reason"]] += claim["rows"]
    return found


def with_column(world: World, folder: Path, table: str, column: str) -> str:
    """A copy of a world whose table has one more column of texts; what `--source` names."""
    if world.format == "sqlite":
        file = folder / "world.sqlite"
        shutil.copyfile(world.location.removeprefix("sqlite:///"), file)
        with sqlite3.connect(file) as connection:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT DEFAULT 'x'")
        connection.close()
        return f"sqlite:///{file}"
    shutil.copytree(world.location, folder / "world")
    path = folder / "world" / f"{table}.parquet"
    pl.read_parquet(path).with_columns(pl.lit("x").alias(column)).write_parquet(path)
    return str(folder / "world")


def refusal(release: Release, claim: Claim) -> str:
    """What a build says once the claimed column is in the source; it must leave nothing."""
    world = release.world
    folder = release.root / f"with-{claim['column']}"
    folder.mkdir()
    settings = release.root / "ws" / "kohort.toml"
    text = settings.read_text()
    location = with_column(world, folder, claim["table"], claim["column"])
    settings.write_text(text.replace(json.dumps(world.location), json.dumps(location)))
    assert location in settings.read_text()
    words = ("--out", str(folder / "package"), "--workspace", str(release.root / "ws"))
    said = run("build", str(release.root / f"{release.name}.toml"), *words, code=4)
    settings.write_text(text)
    assert not (folder / "package").exists()
    return said


def warnings_of(world: World) -> list[str]:
    """What `source check` warns of, by line."""
    said = run("source", "check", world.location, "--family", "coursera", "--json")
    return json.loads(said)["warnings"]


def cell(world: World, claim: Claim) -> Sequence[str | None]:
    """What is read in the cell that a claim names, of all rows with its key."""
    columns = (*claim["key"], claim["column"])
    raw = open_source(world.location, base=Path()).tables[claim["table"]]
    rows = pl.concat(raw.read(columns).batches)
    return rows.filter(**claim["key"])[claim["column"]].to_list()
