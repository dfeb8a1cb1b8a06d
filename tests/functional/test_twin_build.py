"""Builds of synthetic twins through the command line: what leaves, what is spent, what is not."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.twins import measuring, release
from pipelines.verify import verify_package
from synth.twin_estimate import TwinError
from tests.aggsmall import PEOPLE, budget, build, consent, make_aggregate_world, raw_id, run, spent
from tests.twinsmall import COLUMNS, EXTRACT, twin, write_twin


@pytest.fixture
def world(tmp_path) -> Path:
    """The small world under pure differential privacy."""
    return make_aggregate_world(tmp_path / "world")


def exactly(monkeypatch) -> None:
    """No noise, so that a test sees what is counted; the checker would see that there is none."""
    monkeypatch.setattr(measuring, "add_noise", lambda values, _: values.copy())
    monkeypatch.setattr(release, "verified_noisy", lambda run, _: verify_package(run.place.package))


def tables(world: Path, out: str = "package") -> dict[str, pl.DataFrame]:
    """All tables of a package."""
    return {f.stem: pl.read_parquet(f) for f in (world / out / "data").glob("*.parquet")}


def labels(world: Path, out: str) -> dict[str, set[str]]:
    """Column of the tables of learners -> the labels that the manifest lists."""
    return {
        field["name"]: set(field["constraints"]["enum"])
        for one in json.loads((world / out / "datapackage.json").read_text())["resources"]
        for field in one["schema"]["fields"]
        if one["grain"] != "cell" and field["role"] != "learner-key"
    }


def verified(world: Path, out: str = "package") -> dict:
    """What the checker says, held against the approval and the charge."""
    approval = str(world / f"{out}.steward" / "approval.json")
    return json.loads(run("verify", str(world / out), "--approval", approval, "--json"))


@pytest.mark.parametrize(
    ("regime", "spend", "scope", "names"),
    [
        ("pure", "epsilon = 2.0", "course", {"enrolments"}),
        ("zcdp", "rho = 0.05", "release", {"learners", "enrolments"}),
    ],
)
def test_a_twin_has_the_schema_of_its_extract(tmp_path, regime, spend, scope, names):
    """The same tables, columns, roles and keys as the microdata; verified, with CSV copies."""
    world = make_aggregate_world(tmp_path / "world", regime=regime)
    write_twin(world, scope=scope, budget=spend, more="csv = true")
    build(world)
    said = verified(world)
    assert said["ok"], [check for check in said["checks"] if not check["ok"]]
    assert (said["release_type"], said["k_found"]) == ("synthetic", None)
    assert said["checks"][-1]["name"] == "as-written"
    (world / "request.toml").write_text(EXTRACT.format(scope=scope))
    build(world, "extract")
    shapes = [
        {
            one["name"]: (
                one["grain"], one["schema"]["primaryKey"],
                [(f["name"], f["role"], f["type"]) for f in one["schema"]["fields"]],
            )
            for one in json.loads((world / out / "datapackage.json").read_text())["resources"]
            if one["grain"] != "cell"
        }
        for out in ("package", "extract")
    ]  # fmt: skip
    assert shapes[0] == shapes[1]
    assert shapes[0].keys() == names
    offered = labels(world, "package")
    text = (world / "package" / "codebook.md").read_text()
    _, _, instead = text.partition("## What an extract may show instead\n")
    for line in instead.partition("\n## ")[0].splitlines()[4:]:
        _, name, others, _ = line.split("|")
        offered[name.strip()] |= set(others.strip().split("; "))
    shown = labels(world, "extract")
    assert all("*" in offered[name] >= shown[name] for name in shown if name != "code")


def test_what_is_counted(world, monkeypatch):
    """One record a learner: no staff, and of courses only those that the catalogue lists."""
    exactly(monkeypatch)
    write_twin(world, more="most_rows = 2")
    build(world)
    learners = PEOPLE - 1
    marginals = [frame for name, frame in tables(world).items() if name.startswith("marginal")]
    assert {int(frame["learners"].sum()) for frame in marginals} == {learners}
    counted = [frame for frame in marginals if "_rows" in frame.columns]
    twice = {frame.filter(pl.col("_rows") == "2")["learners"].sum() for frame in counted}
    assert twice == {10}  # x and z; v stands in no catalogue
    assert tables(world)["learners"].height == learners


def test_nobody_without_a_permission_is_counted(world, monkeypatch):
    """Whoever withdrew is in no figure; the new version of the data is charged anew."""
    exactly(monkeypatch)
    write_twin(world)
    build(world)
    consent(world, {1: ("withdrawn", "*")})
    build(world, "after")
    assert tables(world)["learners"].height - tables(world, "after")["learners"].height == 1
    assert 2 * 999_900 < spent(world) <= 2 * 1_000_000


def test_the_same_request_spends_nothing(world):
    """A second build gives the stored package, byte by byte."""
    write_twin(world)
    build(world)
    first = budget(world)
    build(world, "again")
    assert budget(world) == first
    for path in (world / "package").rglob("*.*"):
        if path.is_file():
            other = world / "again" / path.relative_to(world / "package")
            assert path.read_bytes() == other.read_bytes()


def test_a_budget_that_does_not_hold_it_draws_nothing(world, monkeypatch):
    """Refused before a row is read; nothing is left behind."""
    write_twin(world, budget="epsilon = 2.5")
    build(world)
    before = budget(world)
    monkeypatch.setattr(measuring, "add_noise", None)
    monkeypatch.setattr(release, "records_of", None)
    write_twin(world, title="More", budget="epsilon = 2.0")
    said = build(world, "more", code=7)
    assert "ask for epsilon 0.50" in said
    assert said.count("\n") == 1
    assert budget(world) == before
    assert not (world / "more").exists()


def test_the_charge_is_on_record_before_a_row_is_counted_and_noise_is_drawn(world, monkeypatch):
    """At the first of both the family's account has paid already."""
    seen = []

    def watched(name, module):
        real = getattr(module, name)

        def call(*arguments, **named):
            seen.append((name, spent(world)))
            return real(*arguments, **named)

        monkeypatch.setattr(module, name, call)

    watched("records_of", release)
    watched("add_noise", measuring)
    write_twin(world)
    build(world)
    assert [name for name, _ in seen[:2]] == ["records_of", "add_noise"]
    (paid,) = {paid for _, paid in seen}
    assert 999_900 < paid <= 1_000_000


def test_no_extra_no_charge(world, monkeypatch):
    """Without mbi a build says what to install, before anything is charged."""

    def absent():
        raise TwinError("install kohort[twin]")

    monkeypatch.setattr(release, "demand_mbi", absent)
    write_twin(world)
    said = build(world, code=6)
    assert "kohort[twin]" in said
    assert spent(world) == 0


def test_no_raw_id_and_no_true_figure_in_the_package(world):
    """Raw ids stand in no file of the package; how near it comes stands beside it."""
    write_twin(world, more='statistics = [{ column = "final", values = ["Pass"] }]')
    build(world)
    held = b"".join(p.read_bytes() for p in (world / "package").rglob("*") if p.is_file())
    assert not any(raw_id(i).encode() in held for i in range(PEOPLE))
    assert not list((world / "package").rglob("*fidelity*"))
    fidelity = json.loads((world / "package.steward" / "fidelity.json").read_text())
    assert fidelity["learners"]["real"] == PEOPLE - 1
    assert fidelity["prediction"] is not None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"columns": 'learners = ["gendr"]'}, "did you mean gender?"),
        ({"columns": 'learners = ["gender"]', "scope": "course"}, "required with pseudonyms"),
        ({"columns": 'enrolments = ["code"]'}, "its learner table"),
        ({"columns": 'learners = ["gender"]\nenrolments = ["final"]'}, "exactly one item column"),
        ({"more": "levels = { region = 9 }"}, "levels 0 to"),
        ({"more": "levels = { code = 1 }"}, "the item has no levels"),
        ({"more": "levels = { other = 1 }"}, "no column that is asked for"),
        ({"budget": "rho = 0.1"}, "ask for epsilon"),
        ({"budget": "epsilon = 1.0\ndelta = 1e-9"}, "nothing is discovered"),
        ({"title": "epsilon = 0"}, "title"),
        ({"more": 'statistics = [{ column = "final", values = ["Psas"] }]'}, "has no value Psas"),
        ({"budget": "epsilon = 0.000002"}, "a marginal's part is below a millionth"),
        ({"budget": "epsilon = 0.001"}, "the number of learners alone has noise"),
        ({"more": "levels = { region = 9, final = 9 }"}, "release.levels.final"),
    ],
)
def test_refusals(world, asked, said):
    """What can't be asked is refused in one line, by `request check` too."""
    write_twin(world, **asked)
    assert said in build(world, code=3)
    ws = str(world / "ws")
    assert said in run("request", "check", str(world / "request.toml"), "--workspace", ws, code=3)


def test_check_tells_what_is_measured(world):
    """Cells and half-widths of every marginal, before anything is spent."""
    write_twin(world)
    words = ("request", "check", str(world / "request.toml"), "--workspace", str(world / "ws"))
    told = json.loads(run(*words, "--json"))
    assert told["privacy"]["micro_epsilon"] <= 1_000_000
    assert told["budget"]["fits"]
    assert {"gender", "region", "code", "final", "clicks", "_rows"} == {
        column for one in told["measured"] for column in one["columns"]
    }
    lines = run(*words)
    assert lines.count("95% half-width") == len(told["measured"])
    assert spent(world) == 0


def test_the_twin_of_an_extract(world):
    """The command writes a request of its own, says the same when run again, and builds it."""
    said = twin(world, "--epsilon", "1", "--level", "region=1")
    file = world / "extract.twin.toml"
    assert str(file) in said
    assert 'levels = { "region" = 1 }' in file.read_text()
    twin(world, "--epsilon", "1", "--level", "region=1", "--out", str(world / "package"))
    assert verified(world)["ok"]
    assert set(tables(world)["learners"]["region"]) <= {"A", "B", "(missing)"}
    assert "says something else" in twin(world, "--epsilon", "2", code=8)
    assert "not both" in twin(world, code=3)
    assert "levels 0 to" in twin(world, "--epsilon", "1", "--level", "final=9", code=3)
    assert "COLUMN=LEVEL" in twin(world, "--epsilon", "1", "--level", "region", code=3)
    twice = ("--level", "region=1", "--level", "region=0")
    assert "region is given twice" in twin(world, "--epsilon", "1", *twice, code=3)


def test_the_twin_needs_an_approval_of_its_own(tmp_path):
    """Where the policy asks for approvals, the extract's is none for its twin."""
    world = make_aggregate_world(tmp_path / "world", local=False)
    said = twin(world, "--epsilon", "1", "--out", str(world / "package"), code=3)
    assert "requires an approval" in said
    assert said.endswith(f"; the twin's request is {world / 'extract.twin.toml'}\n")
    assert (world / "extract.twin.toml").exists()
    assert not (world / "package").exists()


def test_columns_without_rows(world):
    """Learners alone have a twin, too; who takes part is still told by their courses."""
    write_twin(world, columns='learners = ["gender"]')
    build(world)
    assert verified(world)["ok"]
    assert set(tables(world)) == {"learners", "marginal_01"}


def test_a_source_of_nobody_gives_a_table_of_noise(world):
    """That nobody is in a course of the catalogue is told by nothing but noise."""
    results = world / "data" / "results.csv"
    rows = results.read_text().replace(",x,", ",v,").replace(",z,", ",v,")
    results.write_text(rows)  # v stands in no catalogue
    write_twin(world, more='statistics = [{ column = "final", values = ["Pass"] }]')
    build(world)
    assert verified(world)["ok"]
    assert tables(world)["learners"].height >= 1
    fidelity = json.loads((world / "package.steward" / "fidelity.json").read_text())
    assert fidelity["learners"]["real"] == 0


def test_without_noise_the_checker_refuses(world, monkeypatch):
    """Marginals that all agree on how many there are have no noise of their own."""
    monkeypatch.setattr(measuring, "add_noise", lambda values, _: values.copy())
    write_twin(world)
    said = build(world, code=5)
    assert "(figures)" in said
    assert "stays spent" in said


def test_an_unforeseen_error_says_what_it_cost(world, monkeypatch):
    """Whatever goes wrong once rows were read: one line, without the error's own words."""

    def broken(*_):
        raise ZeroDivisionError(raw_id(1))

    monkeypatch.setattr(release, "fit", broken)
    write_twin(world)
    said = build(world, code=9)
    assert "ZeroDivisionError" in said
    assert "stays spent" in said
    assert raw_id(1) not in said
    assert spent(world) > 0


@pytest.mark.parametrize(
    ("old", "new", "columns"),
    [
        ('"Area."', '"As if epsilon = 2."', COLUMNS),
        ("gender = {", "learners = {", 'learners = ["learners"]'),
        ('"Result."', '"From a 5-anonymous source."', COLUMNS),
    ],
)
def test_what_no_package_could_say_is_refused_before_it_is_paid(world, old, new, columns):
    """Names that the package has for other columns, and texts that read like promises."""
    family = world / "agg.toml"
    assert old in family.read_text()
    family.write_text(family.read_text().replace(old, new, 1))
    write_twin(world, columns=columns)
    build(world, code=3)
    assert spent(world) == 0


def test_the_twin_of_what_no_twin_can_be(world):
    """Titles that promise are told otherwise; what the policy would refuse is never written."""
    said = twin(world, "--epsilon", "1", extract=EXTRACT.replace("Passing by", "k = 3 by"))
    text = Path(said.removeprefix("request: ").strip()).read_text()
    assert "k = 3" not in text
    assert 'title = "Twin of: request ' in text
    nobody = EXTRACT.replace('learners = ["gender", "region"]', "learners = []")
    told = twin(world, "--epsilon", "1", "--write", str(world / "no.toml"), extract=nobody, code=3)
    assert "this extract can't have such a twin: release.learners: required" in told
    assert "name a column of the learners, or ask for pseudonyms = course" in told
    assert not (world / "no.toml").exists()
