"""One governed life on both databases: permitted, built, erased, rebuilt, recalled, destroyed."""

import json
import os
import random
from pathlib import Path

import polars as pl
from sqlalchemy import URL, BigInteger, select

from pipelines.cli.options import login
from pipelines.governance.database import open_registry
from pipelines.governance.tables import Base, UtcDateTime
from pipelines.settings import find_workspace
from tests.smallworld import make_world, raw_id, run

LEE, AHN, DIAZ = "r.lee@uni.example", "s.ahn@platform.example", "e.diaz@platform.example"
PEOPLE = (f"{LEE}=researcher", f"{AHN}=steward", f"{DIAZ}=engineer")
HEAD = (
    "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version,effective_from,"
    "effective_to,source"
)
GONE = raw_id(9)
SEALS = ("rows", "previous", "hash")
"""What the audit chain says of rows that hold times."""
WITHOUT_NOISE = {
    *("data_family", "dataset_version", "account", "account_ceiling"),
    *("charge", "charge_event", "draw", "spend"),
}
"""The tables that nothing is written to where no noise is drawn."""
TRACE = [
    (login(), "key.create"),
    (AHN, "rights.import"),
    (LEE, "request.submit"),
    (AHN, "request.approve"),
    (DIAZ, "release.reserve"),
    (DIAZ, "release.publish"),
    (DIAZ, "release.give_again"),
    (AHN, "rights.erase"),
    (DIAZ, "release.reserve"),
    (DIAZ, "release.supersede"),
    (DIAZ, "release.publish"),
    (AHN, "release.recall"),
    (DIAZ, "release.reserve"),
    (DIAZ, "release.publish"),
    (AHN, "release.confirm"),
    (AHN, "release.confirm"),
    (AHN, "request.reject"),
]
"""Who did what: each step that changed something, and none that was refused."""


class Team:
    """Three people and their workspace, whose registry is the given database."""

    def __init__(self, root: Path, database: URL) -> None:
        make_world(root)
        self.root, self.workspace = root, root / "team"
        address = database.render_as_string(hide_password=False)
        server = ("--database", address) if database.get_backend_name() == "postgresql" else ()
        people = [word for person in PEOPLE for word in ("--person", person)]
        source = f"small={root / 'small.toml'}:{root / 'data'}"
        run("init", str(self.workspace), "--source", source, *people, *server)
        found = find_workspace(self.workspace).database
        assert found.get_backend_name() == database.get_backend_name()

    def say(self, *words: str, by: str | None = AHN, code: int = 0) -> dict[str, object]:
        """A command of one of them, and what a program reads of it."""
        person = () if by is None else ("--as", by)
        said = run(*words, *person, "--workspace", str(self.workspace), "--json", code=code)
        return json.loads(said) if code == 0 else {"refused": said}

    def build(self, name: str, *, by: str = DIAZ, code: int = 0) -> dict[str, object]:
        """Build the request into a folder of this name."""
        out = ("--out", str(self.root / name))
        return self.say("build", str(self.root / "request.toml"), *out, by=by, code=code)

    def states(self) -> list[str]:
        """The state of every release, oldest first; a + where it counts against later ones."""
        found = self.say("release", "list")["releases"]
        return [one["state"] + "+" * one["live"] for one in found]

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of the registry, without times, counted ids, and hashes of what holds times."""
        held = {}
        with open_registry(find_workspace(self.workspace).database).connect() as connection:
            for table in Base.metadata.sorted_tables:
                counts = "id" in table.c and isinstance(table.c.id.type, BigInteger)
                unlike = {"package_sha256", *SEALS, *(["id"] if counts else [])}
                columns = [
                    column
                    for column in table.c
                    if not isinstance(column.type, UtcDateTime) and column.name not in unlike
                ]
                query = select(*columns).order_by(*table.primary_key)
                found = [tuple(row) for row in connection.execute(query)]
                # Databases order text by rules of their own.
                held[table.name] = found if counts else sorted(found)
        return held

    def tables(self, name: str) -> dict[str, list[tuple[object, ...]]]:
        """A package's rows, as they stand."""
        files = sorted((self.root / name / "data").glob("*.parquet"))
        return {file.name: pl.read_parquet(file).rows() for file in files}


def live(team: Team) -> None:
    """From the first consent to the last destruction; every step is as it must be."""
    rights = [f"{raw_id(i)},research,*,granted,consent,GB,1,2020-01-01,,form" for i in range(60)]
    rights += [f"{raw_id(i)},research,*,withdrawn,,GB,1,2021-01-01,,letter" for i in (3, 4)]
    (team.root / "rights.csv").write_text("\n".join([HEAD, *rights, ""]))
    request = team.root / "request.toml"
    request.write_text(request.read_text().replace("_limit = 0.1", "_limit = 0.2"))
    file, imports = str(request), ("rights", "import", str(team.root / "rights.csv"))
    team.say(*imports, by=LEE, code=10)
    assert team.say(*imports)["imported"] == {"granted": 60, "withdrawn": 2}

    team.build("early", code=3)
    ident = team.say("request", "submit", file, by=LEE)["request_sha256"]
    team.build("early", code=3)
    for nobody in (LEE, DIAZ):
        team.say("request", "approve", ident, "--reason", "ours", by=nobody, code=10)
    team.say("request", "approve", ident, "--reason", "the board agreed")
    team.build("early", by=LEE, code=10)
    assert team.states() == []

    first = team.build("first")
    again = team.build("again")
    moved = {"again": True, "package": str(team.root / "again")}
    moved |= {"steward": str(team.root / "again.steward"), "audit_head": again["audit_head"]}
    assert again == {**first, **moved}
    assert team.tables("again") == team.tables("first")
    assert team.states() == ["served+"]

    erased = team.say("rights", "erase", GONE, "--reason", "letter")
    assert [one["id"] for one in erased["releases"]] == [first["release"]]
    team.say(*imports, code=7)
    second = team.build("second")
    assert (second["again"], second["ok"]) == (False, True)
    assert team.states() == ["superseded+", "served+"]
    assert len(team.tables("second")["enrolments.parquet"]) < len(
        team.tables("first")["enrolments.parquet"]
    )

    recall = ("release", "recall", second["release"], "--reason", "a fault")
    team.say(*recall, by=DIAZ, code=10)
    team.say(*recall)
    third = team.build("third")
    assert not third["again"]
    assert team.states() == ["superseded+", "recalled+", "served+"]
    for one in (first, second):
        team.say("release", "confirm", one["release"], "--recipient", LEE)
    team.say("release", "confirm", third["release"], "--recipient", LEE, code=7)
    assert team.states() == ["superseded", "recalled", "served+"]

    team.say("request", "reject", ident, "--reason", "the study is over")
    team.build("late", code=3)
    steps = team.say("request", "show", ident, by=None)["events"]
    assert [step["kind"] for step in steps] == ["submitted", "approved", "rejected"]


def test_a_governed_life(registry_url, tmp_path):
    """Each step is taken or refused as it must be, and its trace stands in the registry."""
    team = Team(tmp_path, registry_url)
    live(team)
    rows = team.rows()
    assert {name for name, held in rows.items() if not held} == WITHOUT_NOISE
    assert [(actor, kind) for actor, _, kind, *_ in rows["action"]] == TRACE
    assert team.say("audit", "verify")["broken"] is None


def test_the_same_on_both(postgresql, tmp_path, monkeypatch):
    """With the same random bytes both databases hold the same rows, and packages the same."""
    with postgresql.database() as url:
        told = []
        for database in (URL.create("sqlite"), url):
            monkeypatch.setattr(os, "urandom", random.Random(7).randbytes)
            root = tmp_path / database.get_backend_name()
            root.mkdir()
            team = Team(root, database)
            live(team)
            packages = {name: team.tables(name) for name in ("first", "second", "third")}
            told.append((team.rows(), packages))
    (rows, packages), (other_rows, other_packages) = told
    for table, held in rows.items():
        assert held == other_rows[table], table
    assert packages == other_packages
