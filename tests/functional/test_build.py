"""From raw files to a verified package through the command line, on a declared small world."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.reference.promise import rarest_combination, smallest_class
from tests.smallworld import PEOPLE, REQUEST, build, consent, make_world, raw_id, run


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The small world in a workspace of its own."""
    return make_world(tmp_path)


def edit_request(world: Path, *edits: tuple[str, str]) -> None:
    """Replace parts of the request."""
    text = REQUEST
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (world / "request.toml").write_text(text)


def tables(world: Path) -> dict[str, pl.DataFrame]:
    """The released tables."""
    return {p.stem: pl.read_parquet(p) for p in (world / "package" / "data").glob("*.parquet")}


def test_a_course_scoped_extract(world: Path):
    """A verified package whose classes and combinations the slow twin recounts."""
    consent(world)
    assert "k = 5 promised" in build(world)
    found = tables(world)
    where = {"scope": "course", "quasi": ("gender", "region"), "item": "code_module"}
    assert smallest_class(found, **where) >= 5
    values = ("final_result", "clicks")
    assert rarest_combination(found["enrolments"], values=values, item="code_module") >= 5
    run("verify", str(world / "package"))


def test_a_release_scoped_extract(world: Path):
    """Two tables that join on the pseudonym; k holds for class and exact set of courses."""
    consent(world)
    edit_request(world, ('"course"', '"release"'), ('"gender", "region"', '"gender", "motivation"'))
    build(world)
    found = tables(world)
    assert set(found) == {"learners", "enrolments"}
    assert set(found["learners"]["learner"]) == set(found["enrolments"]["learner"])
    where = {"scope": "release", "quasi": ("gender",), "item": "code_module"}
    assert smallest_class(found, **where) >= 5


def test_a_learner_table_alone(world: Path):
    """Without enrolments the learners table leaves on its own, k on its classes."""
    consent(world)
    edit_request(
        world, ('"course"', '"release"'), ('["code_module", "final_result", "clicks"]', "[]")
    )
    build(world)
    assert set(tables(world)) == {"learners"}


def test_enrolments_alone(world: Path):
    """A request may name no quasi-identifier at all."""
    consent(world)
    edit_request(world, ('["gender", "region"]', "[]"))
    build(world)
    assert tables(world)["enrolments"].columns[:2] == ["learner", "code_module"]


def test_only_permitted_learners_leave(world: Path):
    """Nobody without a grant in force is counted among the released learners."""
    gone = dict.fromkeys(range(12), "withdrawn")
    consent(world, states=gone)
    edit_request(world, ("0.1", "0.2"))
    build(world)
    decided = json.loads((world / "package.steward" / "eligibility.json").read_text())
    assert decided["enrolments"]["withdrawn"] == sum(2 if i % 3 == 0 else 1 for i in gone)
    assert tables(world)["enrolments"].filter(code_module="x").height <= PEOPLE - len(gone)


@pytest.mark.parametrize("pseudonyms", ["course", "release"])
def test_a_course_may_be_refused_alone(world: Path, pseudonyms: str):
    """A denial for one course keeps the others under course scope, and nothing where linked."""
    consent(world)
    deny = "research,course:x,denied,,GB,1,2021-01-01,,letter"
    (world / "more.csv").write_text(
        (world / "rights.csv").read_text().splitlines()[0]
        + "".join(f"\n{raw_id(i)},{deny}" for i in range(0, PEOPLE, 3))
    )
    run("rights", "import", str(world / "more.csv"), "--workspace", str(world / "ws"))
    edit_request(world, ('"course"', f'"{pseudonyms}"'), ("0.1", "0.2"))
    build(world)
    enrolments = tables(world)["enrolments"]
    # Every third takes y too, and those are the ones who refuse x.
    y = enrolments.filter(code_module="y").height
    assert (y > 0) is (pseudonyms == "course")
    assert 30 <= enrolments.filter(code_module="x").height <= 40


def test_no_record_means_no(world: Path):
    """Without any recorded right nothing is built, and the line says what to do."""
    output = build(world, code=7)
    assert "kohort rights import" in output
    assert not (world / "package").exists()


def test_nothing_raw_leaves(world: Path):
    """No raw id, name or free value stands in any byte of the package, the output or the names."""
    consent(world)
    output = build(world)
    for file in (world / "package").rglob("*"):
        content = b"" if file.is_dir() else file.read_bytes()
        assert b"rawlearner" not in content
        assert b"Ada" not in content
    assert "rawlearner" not in output
    assert b"rawlearner" not in (world / "ws" / "kohort.sqlite").read_bytes()


def test_quarantine_stays_with_the_steward(world: Path):
    """Faulty rows are counted by reason beside the package, in files only the owner can read."""
    consent(world)
    build(world)
    steward = world / "package.steward"
    counts = (steward / "quarantine" / "counts.csv").read_text().splitlines()
    assert "people,area,not_in_domain,1" in counts
    assert "results,,no_learner_row,2" in counts  # an orphan, and one whose learner was put aside
    assert "results,,duplicate_row,1" in counts
    assert "results,,duplicate_key,1" in counts
    assert stat.S_IMODE(steward.stat().st_mode) == 0o700
    assert not list((world / "package").rglob("*quarantine*"))


def test_pseudonyms_do_not_repeat(world: Path):
    """Under course scope no pseudonym stands in two courses, and a second release shares none."""
    consent(world)
    build(world)
    first = tables(world)["enrolments"]
    assert first["learner"].is_unique().all()
    (world / "package").rename(world / "old")
    (world / "package.steward").rename(world / "old.steward")
    listed = run("release", "list", "--workspace", str(world / "ws"))
    recall = ("release", "recall", listed.split()[0], "--reason", "tried", "--workspace")
    run(*recall, str(world / "ws"))
    build(world)
    assert not set(first["learner"]) & set(tables(world)["enrolments"]["learner"])


def test_a_course_whose_id_starts_like_a_formula(world: Path):
    """Coursera's ids may start with `-`: the CSV gets an apostrophe, and the README says so."""
    results = world / "data" / "results.csv"
    results.write_text(results.read_text().replace(",x,", ",-x,"))
    consent(world)
    build(world)
    csv = pl.read_csv(world / "package" / "data" / "enrolments.csv", infer_schema=False)
    assert "'-x" in set(csv["code_module"])
    assert "-x" in set(tables(world)["enrolments"]["code_module"])
    assert "data/enrolments.csv" in (world / "package" / "README.md").read_text()


def test_csv_is_the_same_table(world: Path):
    """CSV on request holds the cells of the Parquet file."""
    consent(world)
    build(world)
    csv = pl.read_csv(world / "package" / "data" / "enrolments.csv", infer_schema=False)
    assert csv.equals(tables(world)["enrolments"])


@pytest.mark.parametrize(
    ("edits", "code", "says"),
    [
        ([("k = 5", "k = 4")], 3, "release.privacy.k"),
        ([("k = 5", "k = 4"), ('"research"', '"fun"')], 3, "purpose"),
        ([('"research"', '"fun"'), ("k = 5", "k = 4")], 3, "release.privacy.k"),
        ([("title =", "titel =")], 3, "titel"),
        ([('"region"', '"motivation"')], 3, "release.learners"),
        ([('source = "small"', 'source = "large"')], 6, "[sources.large]"),
        ([("k = 5", "k = 50"), ("0.1", "0.0")], 5, "suppression_limit"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(world: Path, edits, code: int, says: str):
    """Each refusal has its exit code, names where it stands, and no file is left behind."""
    consent(world)
    edit_request(world, *edits)
    output = build(world, code=code)
    assert says in output
    assert len(output.strip().splitlines()) == 1
    left = {path.name for path in world.iterdir()}
    assert not {n for n in left if n.startswith((".kohort", "package"))}
    assert not [p.name for p in (world / "ws").iterdir() if p.name.startswith(".kohort")]


def test_an_existing_package_is_not_overwritten(world: Path):
    """A second build into the same place is refused before anything is read."""
    consent(world)
    build(world)
    assert "exists already" in build(world, code=8)


def test_a_policy_that_requires_approval_stops_the_build(world: Path):
    """Outside a local workspace nothing is built without an approval."""
    consent(world)
    policy = world / "ws" / "policy.toml"
    policy.write_text(policy.read_text().replace("require_approval = false", ""))
    assert "approval" in build(world, code=3)


def test_the_gates_hold_with_validation_switched_off(world: Path):
    """PANDERA_VALIDATION_ENABLED=False turns neither the release gate nor the checker off."""
    consent(world)
    environment = {**os.environ, "PANDERA_VALIDATION_ENABLED": "False"}
    code = (
        "import polars as pl\n"
        "from schemas.checking import breaches\n"
        "from schemas.released import released_schema\n"
        "schema = released_schema('t', learner='l', domains={'g': ['F']}, unique=['l'])\n"
        "frame = pl.DataFrame({'l': ['a' * 32], 'g': ['secret']})\n"
        "failures = breaches(schema, frame)\n"
        "assert failures and 'secret' not in str(failures)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_request_check_says_what_a_build_would_promise(world: Path):
    """`request check` answers with the terms, as JSON too, and reads no rows."""
    answer = json.loads(
        run("request", "check", str(world / "request.toml"), "--workspace", str(world / "ws"),
            "--json")
    )  # fmt: skip
    assert (answer["k"], answer["m"], answer["maximum_share"]) == (5, 1, {"final_result": 0.8})
