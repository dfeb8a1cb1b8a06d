"""Counting distinct learners per class in any file."""

import dataclasses
import json

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.cli.verify import verify
from pipelines.verify import CountError, count_learners
from tests.reference import recount

CSV = """\
id,gender,region,score
1,F,north,0
1,F,north,1
2,F,north,2
3,F,,3
4,F,"",4
,F,north,5
5,M,north,6
5,F,north,7
"""
COUNTED = {
    "k": 2,
    "rows": 8,
    "rows_without_learner": 1,
    "learners": 5,
    "classes": 3,
    "classes_below_k": 1,
    "learners_below_k": 1,
    "smallest_class": 1,
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "[1]*.csv"
    path.write_text(CSV)
    return path


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(verify, [str(argument) for argument in arguments])


@pytest.mark.parametrize("fifth", [" ", "NA", "NaN", "null", " 1", "1.0", "1 "])
def test_nobody_and_spellings_of_one_id_are_no_further_learner(tmp_path, fifth):
    """Words for nothing and blanks around an id do not lift a class of four to five."""
    path = tmp_path / "t.csv"
    path.write_text("id,q\n1,a\n2,a\n3,a\n4,a\n" + f'"{fifth}",a\n')
    found = count_learners(path, "id", ["q"], k=5)
    assert (found.ok, found.smallest_class) == (False, 4)


def test_learners_not_rows(file):
    """Two rows of one learner are one; empty cells are one value; no id is no learner."""
    found = count_learners(file, "id", ["gender", "region"], k=2)
    assert dataclasses.asdict(found) == COUNTED
    assert not found.ok


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ";"),
    ],
)
def test_dialects(file, change):
    """Line ends, a byte order mark and the separator change no count."""
    text = change(CSV)
    file.write_bytes(text.encode())
    found = count_learners(
        file, "id", ["gender", "region"], k=2, separator=";" if ";" in text else ","
    )
    assert dataclasses.asdict(found) == COUNTED


def test_parquet(tmp_path):
    """Parquet is told by content; null and empty are different there, numbers are read as text."""
    path = tmp_path / "table.data"
    pl.DataFrame({"id": [1, 2, 3, None], "x": ["a", None, "", "a"]}).write_parquet(path)
    found = count_learners(path, "id", ["x"], k=1)
    assert (found.classes, found.learners, found.rows_without_learner) == (3, 3, 1)
    assert found.ok


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(*[st.sampled_from(["", "1", "2", "3", "a b", "x,y"])] * 3), min_size=1),
    st.integers(1, 4),
)
def test_agrees_with_the_slow_counter(tmp_path, rows, k):
    """Classes and learners come out as in plain Python over csv.DictReader."""
    path = tmp_path / "table.csv"
    pl.DataFrame(rows, schema=("id", "a", "b"), orient="row").write_csv(path, quote_style="always")
    named = [row for row in recount.rows_of_csv(path) if row["id"]]
    if not named:
        with pytest.raises(CountError):
            count_learners(path, "id", ["a", "b"], k=k)
        return
    sizes = [len(who) for who in recount.learners_by_class(named, "id", ["a", "b"]).values()]
    found = count_learners(path, "id", ["a", "b"], k=k)
    assert found.smallest_class == min(sizes)
    assert found.classes == len(sizes)
    assert found.classes_below_k == sum(size < k for size in sizes)
    assert found.learners_below_k == sum(size for size in sizes if size < k)
    assert found.learners == len({row["id"] for row in named})


def test_command_prints_one_object(file):
    """`--count --json` prints what was counted and exits 1 where a class is below k."""
    result = run("--count", file, "--learner", "id", "--qi", "gender, region", "--k", 2, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"ok": False, **COUNTED}


def test_command_exits_0_where_all_classes_reach_k(file):
    """The readable form says the same."""
    result = run("--count", file, "--learner", "id", "--qi", "gender,region", "--k", 1)
    assert result.exit_code == 0
    assert "classes              3, smallest 1" in result.stdout


@pytest.mark.parametrize(
    "learner, qi, part",
    [
        ("id", "gendr", "did you mean 'gender'?"),
        ("student", "gender", "no column 'student'"),
        ("id", "id", "expected one learner column"),
        ("id", ",", "expected one learner column"),
        ("id", "gender,gender", "expected one learner column"),
    ],
)
def test_wrong_columns_exit_2(file, learner, qi, part):
    """A column that is not there, or is named twice, is refused in one line."""
    result = run("--count", file, "--learner", learner, "--qi", qi, "--k", 2)
    assert result.exit_code == 2
    assert part in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"id,gender\n",
        b"id,gender\n,F\n",
        b"id,gender\n1,\xff\n",
        b"id,gender\n11391,F,x\n",
        b"id,gender,gender\n1,F,F\n",
        b"PAR1 but no more",
    ],
)
def test_unreadable_files_exit_2(file, content):
    """What is no table, or has no learner, is refused in one line without a value of the file."""
    file.write_bytes(content)
    result = run("--count", file, "--learner", "id", "--qi", "gender", "--k", 2, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "11391" not in result.stderr


def test_parquet_column_that_is_no_text(tmp_path):
    """Bytes that are no text can't be a class: refused in one line."""
    path = tmp_path / "table.parquet"
    pl.DataFrame({"id": ["1"], "x": [b"\xff"]}).write_parquet(path)
    with pytest.raises(CountError):
        count_learners(path, "id", ["x"], k=1)


def test_missing_file_exits_2(tmp_path):
    """A file that is not there is refused in one line."""
    result = run("--count", tmp_path / "no.csv", "--learner", "id", "--qi", "a", "--k", 2)
    assert result.exit_code == 2
    assert "can't be read" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["package", "--count", "file"],
        ["package", "--k", "5"],
        ["--count", "file", "--learner", "id"],
        ["--count", "f", "--learner", "id", "--qi", "a", "--k", "2", "--approval", "x"],
        ["--count", "f", "--learner", "id", "--qi", "a", "--k", "0"],
        ["--count", "f", "--learner", "id", "--qi", "a", "--k", "2", "--separator", "||"],
    ],
)
def test_wrong_usage_exits_2(arguments):
    """Options that do not belong together are wrong usage."""
    assert run(*arguments).exit_code == 2


def test_help_has_an_example():
    """`--help` shows a command line that can be copied."""
    assert "kohort verify --count studentInfo.csv" in run("--help").stdout


@pytest.mark.shared_data
def test_published_oulad(shared_data):
    """The published file is called 5-anonymous by row counts: 142 of its classes are not."""
    qi = "gender,region,highest_education,imd_band,age_band,disability"
    path = shared_data / "oulad" / "studentInfo.csv"
    result = run("--count", path, "--learner", "id_student", "--qi", qi, "--k", 5, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["classes_below_k"], found["classes"], found["smallest_class"]) == (142, 1913, 2)
    assert found["learners_below_k"] == 542
    slow = recount.learners_by_class(recount.rows_of_csv(path), "id_student", qi.split(","))
    assert sum(len(who) < 5 for who in slow.values()) == 142
