"""Nobody leaves whose restriction is on record, however ids and scopes are spelt."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.smallworld import PEOPLE, build, make_world, raw_id, run

HEAD = (
    "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version,effective_from,"
    "effective_to,source\n"
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The small world, with a dataset-level grant for everybody."""
    world = make_world(tmp_path)
    run("rights", "import", "--all-in", "small", "--state", "granted", "--legal-basis",
        "published-dataset", "--note", "a test", "--workspace", str(world / "ws"))  # fmt: skip
    return world


def withdraw(world: Path, *, ids, purpose="research", scope="*", code=0) -> str:
    """Import withdrawals of these ids."""
    lines = [f"{i},{purpose},{scope},withdrawn,,GB,1,2021-01-01,,letter" for i in ids]
    (world / "rights.csv").write_text(HEAD + "\n".join(lines) + "\n")
    command = ("rights", "import", str(world / "rights.csv"), "--workspace", str(world / "ws"))
    return run(*command, code=code)


def renumber(world: Path, dtype: type[pl.DataType] | pl.DataType) -> list[str]:
    """Write the tables as Parquet with numbers for ids; the ids as a rights file has them."""
    for name in ("people", "results", "events"):
        file = world / "data" / f"{name}.csv"
        frame = pl.read_csv(file, infer_schema=False, truncate_ragged_lines=True)
        number = pl.col("id").str.strip_prefix("rawlearner").cast(pl.Int64) + 1000
        frame = frame.with_columns(number.cast(dtype).alias("id"))
        if name == "events":
            frame = frame.with_columns(pl.col("n").cast(pl.Int64))
        frame.write_parquet(file.with_suffix(".parquet"))
        file.unlink()
    return [str(1000 + i) for i in range(PEOPLE)]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.Float32, pl.Decimal(10, 2)])
def test_numbers_as_ids_match_the_rights_file(world: Path, dtype):
    """An id column that a tool made a number still names the learners who withdrew."""
    withdraw(world, ids=renumber(world, dtype))
    assert "no learner" in build(world, code=7)


def test_numbers_in_the_rights_file_match_text_ids(world: Path):
    """A rights file whose ids a tool wrote as 1000.0 restricts the learner 1000."""
    withdraw(world, ids=[f"{i}.0" for i in renumber(world, pl.String)])
    assert "no learner" in build(world, code=7)


@pytest.mark.parametrize("scope", ["course: x", "course :x", "course:x", "course:X"])
def test_blanks_in_a_scope_do_not_free_a_course(world: Path, scope: str):
    """A withdrawal from course x keeps everybody out of it, whatever blanks and case."""
    withdraw(world, ids=[raw_id(i) for i in range(PEOPLE)], scope=scope)
    build(world)
    released = pl.read_parquet(world / "package" / "data" / "enrolments.parquet")
    assert set(released["code_module"]) == {"y"}


@pytest.mark.parametrize("scope", ["course:X", "course:x"])
def test_how_others_spell_a_course_frees_nobody(world: Path, scope: str):
    """One row of a stranger in course X does not lift the withdrawals from x, nor those from X."""
    with (world / "data" / "results.csv").open("a") as results:
        results.write(f"\n{raw_id(0)},X,Pass")
    withdraw(world, ids=[raw_id(i) for i in range(PEOPLE)], scope=scope)
    build(world)
    released = pl.read_parquet(world / "package" / "data" / "enrolments.parquet")
    assert set(released["code_module"]) == {"y"}


@pytest.mark.parametrize("purpose", ["Research", "RESEARCH", "research ", "reserch"])
def test_the_spelling_of_a_purpose_frees_nobody(world: Path, purpose: str):
    """Case does not matter, and a purpose that the policy does not know restricts every one."""
    withdraw(world, ids=[raw_id(i) for i in range(PEOPLE)], purpose=purpose)
    assert "no learner" in build(world, code=7)


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        ({"purpose": "all"}, "write *"),
        ({"purpose": "any"}, "write *"),
        ({"scope": "course:*"}, "write *"),
        ({"scope": "course:all"}, "write *"),
        ({"scope": "course:"}, "unknown scope"),
        ({"scope": "course:x;y"}, "one line for each"),
        ({"scope": "course:x, course:y"}, "number of cells"),
        ({"ids": ["u\u200b1"]}, "invisible"),
        ({"ids": ["'1006"]}, "rewrote"),
        ({"ids": ["+1007"]}, "rewrote"),
        ({"ids": ["1005."]}, "rewrote"),
        ({"ids": ['"1,003"']}, "rewrote"),
        ({"ids": ["1.004E3"]}, "rewrote"),
        ({"ids": ["1E+3"]}, "rewrote"),
        ({"ids": ["\uff11\uff10"]}, "rewrote"),
    ],
)
def test_a_restriction_that_would_reach_nobody_is_refused(world: Path, faulty, says: str):
    """What is meant for all, or can match no id, refuses the whole file."""
    output = withdraw(world, **{"ids": ["u1"], **faulty}, code=7)
    assert says in output
    assert "nothing is imported" in output


def test_restrictions_without_effect_are_counted_for_the_steward(world: Path):
    """Mistyped ids and courses show up beside the package, as counts."""
    withdraw(world, ids=["RAWLEARNER0001", "nobody"])
    withdraw(world, ids=[raw_id(1)], scope="course:zz")
    build(world)
    decided = json.loads((world / "package.steward" / "eligibility.json").read_text())
    expected = {"unknown_learners": 2, "unknown_courses": 1}
    assert decided["restrictions_without_effect"] == expected


def test_two_id_domains_are_not_joined(world: Path):
    """Tables that name learners differently are refused, with or without a table of learners."""
    text = (world / "small.toml").read_text()
    keyed = 'id = { role = "learner-key", aliases = ["{partner}_user_id"] }'
    other = 'id = { role = "learner-key", aliases = ["{partner}_forum_user_id"] }'
    plain = 'id = { role = "learner-key" }'
    text = text.replace(plain, keyed, 2).replace(plain, other, 1)
    pattern = '"^([a-z]+?)_(?:forum_)?user_id$"'
    text = text.replace('"^(.+)_user_id$"', pattern)
    for name, column in (("people", "jhu_user_id"), ("results", "jhu_user_id"),
                         ("events", "jhu_forum_user_id")):  # fmt: skip
        file = world / "data" / f"{name}.csv"
        file.write_text(file.read_text().replace("id,", f"{column},", 1))
    for listing in ("learners = true\n", ""):
        (world / "small.toml").write_text(text.replace("learners = true\n", listing))
        output = build(world, code=4)
        assert "jhu_forum_user_id" in output
        assert "rawlearner" not in output


def test_a_lost_header_prints_no_row(world: Path):
    """Without its header line a table is refused without naming what stands there instead."""
    file = world / "data" / "people.csv"
    file.write_text(file.read_text().split("\n", 1)[1])
    for output in (
        build(world, code=4),
        run("source", "check", "small", "--workspace", str(world / "ws")),
    ):
        assert "header" in output
        assert "rawlearner" not in output
        assert "Ada" not in output


def test_a_lost_header_of_a_table_that_is_never_read_prints_no_row(world: Path):
    """What is known and dropped may hold anything: its cells are not told as column names."""
    (world / "data" / "letters.csv").write_text("rawlearner0001,Dear Ada\nrawlearner0002,x\n")
    arguments = ("source", "check", "small", "--workspace", str(world / "ws"))
    for output in (run(*arguments), run(*arguments, "--json")):
        assert "letters" in output
        assert "rawlearner" not in output
        assert "Ada" not in output


def test_linked_courses_without_demographics(world: Path):
    """Release scope needs no learner column: the learner table then holds the pseudonyms alone."""
    request = (world / "request.toml").read_text()
    request = request.replace('"course"', '"release"').replace('["gender", "region"]', "[]")
    (world / "request.toml").write_text(request)
    build(world)
    learners = pl.read_parquet(world / "package" / "data" / "learners.parquet")
    assert learners.columns == ["learner"]
