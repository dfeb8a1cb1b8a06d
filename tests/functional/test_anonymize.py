"""`kohort anonymize`: one table in, one table out, and nothing of a learner in between."""

import csv
import json
from collections import defaultdict

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.main import main

ROWS = """\
id,city,age,grade,name
1,Bonn,20,A,Ann
2,Bonn,21,B,Bob
3,Köln,20,A,Cid
4,Köln,35,B,Dee
5,Rome,36,A,Eve
6,Rome,38,B,Fay
"""
CITY = "Bonn;DE;*\nKöln;DE;*\nRome;IT;*\n"
AGE = "20;20s;*\n21;20s;*\n35;30s;*\n36;30s;*\n38;30s;*\n"


class Bench:
    """A folder with a table and its hierarchies, and the command."""

    def __init__(self, folder):
        self.folder = folder
        self.out = folder / "out.csv"
        (folder / "h").mkdir()
        self.hierarchy("city", CITY)
        self.hierarchy("age", AGE)
        self.table(ROWS)

    def table(self, text):
        (self.folder / "in.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    def hierarchy(self, column, text, prefix="x"):
        (self.folder / "h" / f"{prefix}_hierarchy_{column}.csv").write_text(text)

    def run(self, *options, k=2):
        """Run `kohort anonymize` as a user would."""
        words = ["anonymize", self.folder / "in.csv", "--out", self.out]
        words += ["--hierarchies", self.folder / "h", "--k", k, *options]
        return CliRunner().invoke(main, [str(word) for word in words])

    def report(self, *options, k=2):
        """The JSON object of a run that succeeds."""
        done = self.run(*options, "--json", k=k)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def refusal(self, *options, code, k=2):
        """The one line of a run that fails; nothing is written."""
        failed = self.run(*options, k=k)
        assert failed.exit_code == code, failed.output
        assert failed.stdout == ""
        assert failed.stderr.startswith("Error: ")
        assert failed.stderr.count("\n") == 1
        assert not list(self.folder.glob(".kohort-*"))
        return failed.stderr

    def released(self, separator=","):
        with self.out.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter=separator))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_what_comes_out(bench):
    """Quasi-identifiers and the sensitive column leave, sorted; the others are named on stderr."""
    done = bench.run("--learner", "id", "--l", "grade=2")
    assert done.exit_code == 0, done.stderr
    rows = bench.released()
    assert list(rows[0]) == ["city", "age", "grade"]
    assert rows == sorted(rows, key=lambda row: tuple(row.values()))
    assert "left out: id, name" in done.stderr
    assert not any(name in done.output for name in ("Ann", "Bonn", "Köln"))


def test_json_is_one_object_with_the_promised_keys(bench):
    """One line on stdout; the notes go to stderr; figures fit the written file."""
    report = bench.report("--learner", "id")
    assert list(report) == [
        "node", "metric", "loss", "discernibility", "aecs", "granularity", "suppressed_rows",
        "suppressed_learners", "classes", "smallest_class", "cpu_seconds", "exact",
    ]  # fmt: skip
    classes = defaultdict(int)
    for row in bench.released():
        classes[tuple(row.values())] += 1
    assert report["classes"] == len(classes)
    assert report["smallest_class"] == min(classes.values()) >= 2
    assert report["discernibility"] == sum(n * n for n in classes.values())
    assert report["aecs"] == pytest.approx(6 / len(classes))
    assert (report["metric"], report["exact"]) == ("loss", True)
    assert report["suppressed_rows"] == report["suppressed_learners"] == 0
    assert len(report["node"]) == 2


def test_learners_not_rows(bench):
    """Two rows of one learner are one: what satisfies k by rows is suppressed by learners."""
    bench.table("id,city,age\n1,Bonn,20\n1,Bonn,20\n2,Köln,21\n3,Köln,21\n")
    by_rows = bench.run("--json")
    assert json.loads(by_rows.stdout)["node"] == [0, 0]
    assert "each row counts as a person" in by_rows.stderr
    bench.out.unlink()
    report = bench.report("--learner", "id", "--suppression-limit", "0.34")
    assert report["node"] == [0, 0]
    assert (report["suppressed_rows"], report["suppressed_learners"]) == (2, 1)
    assert [row["city"] for row in bench.released()] == ["Köln", "Köln"]


def test_the_limit_is_a_share_of_learners_and_zero_by_default(bench):
    """Without --suppression-limit nobody leaves; 0.29 of 100 learners are 29 of them."""
    rows = "".join(f"Bonn,{20 if i < 71 else 36}\n" for i in range(100))
    bench.table("city,age\n" + rows)
    assert bench.report(k=30)["suppressed_learners"] == 0
    bench.out.unlink()
    report = bench.report("--suppression-limit", "0.29", k=30)
    assert (report["suppressed_learners"], report["node"]) == (29, [0, 0])


def test_suppressed_learners_leave_with_all_they_have(bench):
    """Their sensitive values leave too: the output has fewer rows, and no starred ones."""
    bench.table("city,age,grade\nBonn,20,A\nBonn,20,B\nRome,36,C\n")
    bench.report("--l", "grade=2", "--suppression-limit", "0.4")
    assert bench.released() == [
        {"city": "Bonn", "age": "20", "grade": "A"},
        {"city": "Bonn", "age": "20", "grade": "B"},
    ]


def test_a_learner_whose_rows_differ_takes_the_first(bench):
    """Every row of a learner lies in one class: that of his first row; stderr says how many."""
    bench.table("id,city,age\n7,Bonn,20\n7,Rome,36\n8,Bonn,20\n")
    done = bench.run("--learner", "id")
    assert done.exit_code == 0
    assert "learners whose rows differ in a quasi-identifier: 1;" in done.stderr
    assert [row["city"] for row in bench.released()] == ["Bonn"] * 3


def test_spellings_of_one_id_are_one_learner(bench):
    """Blanks and a number's `.0` make no further learner."""
    bench.table("id,city,age\n1,Bonn,20\n 1,Bonn,20\n1.0,Bonn,20\n")
    assert "lower k" in bench.refusal("--learner", "id", code=5)


def test_rows_without_a_learner_are_refused_with_their_number(bench):
    """An empty learner cell and the words for nothing are nobody."""
    bench.table("id,city,age\n,Bonn,20\nNA,Bonn,20\n2,Bonn,20\n")
    assert "rows that name no learner: 2" in bench.refusal("--learner", "id", code=4)


def test_an_empty_cell_is_a_leaf_of_its_own(bench):
    """It becomes `(missing)` and meets other values only at `*`; stderr says how many."""
    bench.table("city,age\nBonn,20\nBonn,20\n,20\n,20\n")
    done = bench.run()
    assert "column city: empty cells that became (missing): 2" in done.stderr
    assert {row["city"] for row in bench.released()} == {"Bonn", "(missing)"}


def test_a_single_empty_cell_is_no_class_of_its_own(bench):
    """A singleton with an unknown value is as exposed as any other (pycanon ignores it)."""
    bench.table("city,age\nBonn,20\nBonn,20\n,20\n")
    assert bench.report()["node"] == [2, 0]
    assert {row["city"] for row in bench.released()} == {"*"}


def test_a_hierarchy_s_own_row_for_the_empty_cell(bench):
    """Its number of leaves stays; the released label is `(missing)`."""
    bench.hierarchy("city", CITY + ";;*\n")
    bench.table("city,age\n,20\n,20\nBonn,20\nBonn,20\n")
    bench.report()
    assert [row["city"] for row in bench.released()] == ["(missing)"] * 2 + ["Bonn"] * 2


def test_values_without_a_leaf_are_counted_not_named(bench):
    """The refusal names the column and how many cells, never the value."""
    bench.table("city,age\nParis,20\nParis,99\nBonn,20\n")
    said = bench.refusal(code=4)
    assert "column city: cells without a row in its hierarchy: 2" in said
    assert "column age: cells without a row in its hierarchy: 1" in said
    assert "Paris" not in said


def test_a_sensitive_column_is_no_quasi_identifier(bench):
    """Even where DIR has its hierarchy; it leaves as it is."""
    bench.report("--l", "age=1")
    assert {row["age"] for row in bench.released()} == {"20", "21", "35", "36", "38"}


@pytest.mark.parametrize("option", ["2", "entropy:2.0", "recursive:2.0:2"])
def test_l_diversity(bench, option):
    """Every class holds both grades, for every kind of l-diversity."""
    bench.report("--l", f"grade={option}")
    grades = defaultdict(set)
    for row in bench.released():
        grades[row["city"], row["age"]].add(row["grade"])
    assert all(found == {"A", "B"} for found in grades.values())


def test_several_values_of_one_learner_count_as_one_in_the_worst_case(bench):
    """Two learners who both hold A and B are no 2-diverse class: each may be known to hold A."""
    bench.table("id,city,age,grade\n1,Bonn,20,A\n1,Bonn,20,B\n2,Bonn,20,A\n2,Bonn,20,B\n")
    bench.refusal("--learner", "id", "--l", "grade=2", code=5)


def test_t_closeness(bench):
    """A t of 0 leaves only classes with the overall distribution."""
    assert bench.report("--t", "grade=0")["smallest_class"] % 2 == 0


def test_distances_of_t_closeness(bench):
    """Ordered by number, or by the hierarchy's file; hierarchical along the hierarchy."""
    bench.hierarchy("grade", "A;good;*\nB;bad;*\n")
    for option in ("age=ordered", "grade=ordered", "grade=hierarchical"):
        column = option.partition("=")[0]
        report = bench.report("--t", f"{column}=0.9", "--t-distance", option)
        assert report["smallest_class"] >= 2
        bench.out.unlink()


@pytest.mark.parametrize("metric", ["loss", "discernibility", "aecs"])
def test_metrics(bench, metric):
    """The chosen metric is named; its value is among the figures."""
    assert bench.report("--metric", metric)["metric"] == metric


def test_weights_decide_what_is_generalized(bench):
    """The heavier column stays finer."""
    bench.table("city,age\nBonn,20\nKöln,20\nBonn,21\nKöln,21\n")
    bench.hierarchy("city", "Bonn;*\nKöln;*\n")
    bench.hierarchy("age", "20;*\n21;*\n")
    assert bench.report("--weight", "age=3")["node"] == [1, 0]
    bench.out.unlink()
    assert bench.report("--weight", "city=3")["node"] == [0, 1]


def test_local_recoding(bench):
    """No node, no claim to be the best; k holds."""
    report = bench.report("--recoding", "local")
    assert (report["node"], report["exact"]) == (None, False)
    assert report["smallest_class"] >= 2
    assert len(bench.released()) == 6


def test_row_order_leaves_no_trace(bench):
    """The same rows in another order give the same bytes."""
    bench.report("--l", "grade=1")
    first = bench.out.read_bytes()
    bench.out.unlink()
    header, *rows = ROWS.splitlines()
    bench.table("\n".join([header, *reversed(rows)]) + "\n")
    bench.report("--l", "grade=1")
    assert bench.out.read_bytes() == first


def test_formula_cells_are_neutralized(bench):
    """A cell that a spreadsheet would run gets a leading apostrophe."""
    bench.table("city,grade\nBonn,=1+1\nBonn,A\n")
    bench.report("--l", "grade=1")
    assert {row["grade"] for row in bench.released()} == {"'=1+1", "A"}


def test_separator_and_byte_order_mark(bench):
    """`;`, a BOM and Windows line ends are read; OUT has the separator of IN."""
    bench.table(("\ufeff" + ROWS.replace(",", ";").replace("\n", "\r\n")).encode())
    bench.report("--separator", ";", "--learner", "id")
    assert list(bench.released(";")[0]) == ["city", "age"]


@pytest.mark.parametrize("name", ["value", "person", "count", "q1", "a=b", "label0"])
def test_a_column_may_have_any_name(bench, name):
    """No name of a column collides with what kohort uses inside."""
    bench.table(ROWS.replace("city", name).replace("grade", "learners"))
    bench.hierarchy(name, CITY)
    bench.report("--l", "learners=2", "--weight", f"{name}=2")
    assert list(bench.released()[0]) == [name, "age", "learners"]


def test_a_hierarchy_of_a_column_that_is_not_there_is_named(bench):
    """It is ignored, and the user learns that it is."""
    bench.hierarchy("planet", "Mars;*\n")
    assert "the table lacks, ignored: planet" in bench.run().stderr


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--learner", "idd"], 2, "no column idd; check the header"),
        (["--l", "grade"], 2, "write COLUMN=VALUE"),
        (["--l", "grade=x"], 2, "expected a whole number"),
        (["--l", "grade=0"], 2, "at least 1"),
        (["--l", "grade=2", "--l", "grade=3"], 2, "stands twice"),
        (["--l", "mark=2"], 2, "no column mark"),
        (["--l", "age=1", "--l", "city=1"], 2, "no column with a hierarchy is left"),
        (["--t", "grade=2"], 2, "from 0 to 1"),
        (["--t", "grade=x"], 2, "expected a number"),
        (["--t-distance", "grade=equal"], 2, "goes with --t"),
        (["--t", "grade=1", "--t-distance", "grade=far"], 2, "expected equal"),
        (["--t", "grade=1", "--t-distance", "grade=hierarchical"], 2, "no hierarchy"),
        (["--t", "grade=1", "--t-distance", "grade=ordered"], 4, "has no order"),
        (["--learner", "age"], 2, "has a hierarchy too"),
        (["--learner", "id", "--l", "id=2"], 2, "can't be sensitive too"),
        (["--weight", "age=0"], 2, "above 0"),
        (["--weight", "age=nan"], 2, "above 0"),
        (["--weight", "grade=2"], 2, "is no quasi-identifier"),
        (["--weight", "agee=2"], 2, "did you mean age?"),
        (["--suppression-limit", "5%"], 2, "between 0 and 1"),
        (["--suppression-limit", "1.5"], 2, "between 0 and 1"),
        (["--recoding", "local", "--metric", "aecs"], 2, "leave --metric out"),
        (["--separator", ";;"], 2, "one ASCII character"),
        (["--separator", '"'], 2, "one ASCII character"),
        (["--k", "0"], 2, "--k"),
        (["--k", "7"], 5, "lower k"),
        (["--l", "grade=3"], 5, "suppression"),
    ],
)
def test_refusals(bench, options, code, said):
    """Each misuse is one line that names the option and the next step."""
    assert said in bench.refusal(*options, code=code)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "empty file"),
        (b"city,age\n", "without rows"),
        (b"city,age\nBonn,20\nBonn\nBonn,20,1\n", "more or fewer cells than the header: 2"),
        (b"city,city\nBonn,20\n", "columns 1 and 2"),
        (b"city,\nBonn,20\n", "column 2 of the header has no name"),
        (b"city,age\n\xff,20\n", "not UTF-8"),
        (b'city,age\n"Bonn,20\n', "odd number of quotes"),
    ],
)
def test_unreadable_tables(bench, text, said):
    """What is no table is refused before anything else."""
    bench.table(text)
    assert said in bench.refusal(code=4)


def test_unreadable_hierarchies(bench):
    """Two for one column, none at all, no tree, not UTF-8, empty, an open quote."""
    bench.hierarchy("age", AGE, prefix="y")
    assert "two hierarchies for column age" in bench.refusal(code=4)
    (bench.folder / "h" / "y_hierarchy_age.csv").unlink()
    bench.hierarchy("age", "20;young\n21;young;*\n")
    assert "hierarchy age: ragged rows" in bench.refusal(code=4)
    bench.hierarchy("age", "")
    assert "empty hierarchy" in bench.refusal(code=4)
    bench.hierarchy("age", '20;"a\n')
    assert "check its quotes" in bench.refusal(code=4)
    (bench.folder / "h" / "x_hierarchy_age.csv").write_bytes(b"\xff")
    assert "not UTF-8" in bench.refusal(code=4)
    for file in (bench.folder / "h").iterdir():
        file.unlink()
    assert "no hierarchy; expected files named" in bench.refusal(code=4)
    (bench.folder / "h").rmdir()
    assert "can't be read" in bench.refusal(code=4)


def test_hierarchies_separated_like_the_table(bench):
    """Users of anjana keep theirs with commas; a file without `;` is split like IN."""
    bench.hierarchy("city", CITY.replace(";", ","))
    bench.report()


def test_out_is_never_overwritten(bench):
    """An existing OUT, and one in a folder that is not there, are refused."""
    bench.out.write_text("mine")
    assert "exists already" in bench.refusal(code=8)
    assert bench.out.read_text() == "mine"
    bench.out = bench.folder / "no" / "out.csv"
    assert "can't be written" in bench.refusal(code=8)


def test_a_missing_table_is_one_line(bench):
    """A mistyped name is told as such."""
    (bench.folder / "in.csv").unlink()
    assert "can't be read" in bench.refusal(code=4)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("limit", "node", "loss", "suppressed", "classes"),
    [
        ("0.02", [0, 3, 0, 2, 2, 1, 1, 2, 0], 0.3137130352819242, 506, 222),
        ("0.05", [0, 3, 0, 0, 2, 1, 1, 2, 0], 0.2419323650662908, 1346, 397),
    ],
)
def test_adult_as_arx(shared_data, tmp_path, limit, node, loss, suppressed, classes):
    """The way of an ARX user gives the figures of ARX, and a file that is 5-anonymous."""
    out = tmp_path / "out.csv"
    words = ["anonymize", str(shared_data / "adult" / "adult.csv"), "--out", str(out)]
    words += ["--separator", ";", "--hierarchies", str(shared_data / "adult"), "--k", "5"]
    done = CliRunner().invoke(main, [*words, "--suppression-limit", limit, "--json"])
    report = json.loads(done.stdout)
    assert report["node"] == node
    assert report["loss"] == pytest.approx(loss, abs=1e-9)
    assert (report["suppressed_rows"], report["classes"]) == (suppressed, classes)
    written = pl.read_csv(out, separator=";", infer_schema=False)
    assert written.height == 30162 - suppressed
    assert written.group_by(pl.all()).len()["len"].min() == report["smallest_class"] >= 5


@pytest.mark.shared_data
def test_adult_with_a_sensitive_column_as_arx(shared_data, tmp_path):
    """Distinct 2-diversity of occupation, which is then no quasi-identifier: ARX's optimum."""
    out = tmp_path / "out.csv"
    words = ["anonymize", str(shared_data / "adult" / "adult.csv"), "--out", str(out)]
    words += ["--separator", ";", "--hierarchies", str(shared_data / "adult"), "--k", "5"]
    words += ["--l", "occupation=2", "--suppression-limit", "0.05", "--json"]
    report = json.loads(CliRunner().invoke(main, words).stdout)
    assert report["node"] == [0, 3, 0, 0, 2, 1, 1, 0]
    assert report["loss"] == pytest.approx(0.17012279194738156, abs=1e-9)


def test_a_headerless_table_tells_no_cell(bench):
    """A word near a cell of the first row is not answered with that cell."""
    bench.table("S0,Bonn,20,ZZSECRET0\nS1,Bonn,20,ZZSECRET1\n")
    line = bench.refusal("--learner", "ZZSECRET", code=2)
    assert "ZZSECRET0" not in line


def test_a_learner_may_not_withhold_some_of_his_values(bench):
    """Of several rows some would count and some would not: one seat would look like many."""
    bench.table("id,city,grade\n1,Bonn,A\n1,Bonn,B\n2,Bonn,*\n3,Bonn,*\n")
    line = bench.refusal("--learner", "id", "--l", "grade=2", code=4)
    assert "withheld: 2" in line


@pytest.mark.parametrize("limit", ["1e9999999", "1/20", "\u0661", "nan", "-0.1", "1.1", ""])
def test_a_limit_is_a_short_decimal(bench, limit):
    """Neither fractions nor exponents of many digits."""
    assert "--suppression-limit" in bench.refusal("--suppression-limit", limit, code=2)
