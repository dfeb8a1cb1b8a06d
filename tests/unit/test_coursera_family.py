"""The Coursera declaration: it parses, and knows both versions of the export."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from pipelines.sources.binding import is_known, with_partner
from pipelines.sources.check import check_source
from pipelines.sources.families import load_family
from pipelines.sources.open import open_source
from schemas.roles import Role


@pytest.fixture(scope="module")
def coursera():
    return load_family("coursera")


def unknown_columns(family, table, columns, partner):
    """The slow way: is each column declared, an alias, or dropped?"""
    declared = {with_partner(name, partner): t for name, t in family.tables.items()}
    dropped = {with_partner(name, partner): names for name, names in family.dropped.items()}
    if table in dropped:
        return [c for c in columns if not is_known(c, dropped[table], partner)]
    known = {
        with_partner(name, partner)
        for column, d in declared[table].columns.items()
        for name in (column, *d.aliases)
    }
    return [
        c for c in columns if c not in known and not is_known(c, declared[table].dropped, partner)
    ]


@pytest.mark.shared_data
def test_every_column_of_the_dictionary_is_known(coursera, shared_data):
    """119 tables and 729 columns, isolated learner ids among them."""
    columns = defaultdict(list)
    path = shared_data / "coursera_export/data_dictionary.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            columns[row["table"]].append(row["column"])
    assert sum(map(len, columns.values())) == 729
    unknown = {
        table: missing
        for table, names in columns.items()
        if (missing := unknown_columns(coursera.family, table, names, "partner"))
    }
    assert unknown == {}


@pytest.mark.shared_data
def test_every_table_and_column_of_the_sample_is_known(coursera, shared_data):
    """The other version of the export; its only plain ids are those of guests."""
    path = shared_data / "coursera_export/fake_course_7051862327916.zip"
    report = check_source(open_source(str(path), base=Path()), coursera.family)
    present = [table for table in report.tables if table.status != "absent"]
    assert len(present) == 100
    assert {table.status for table in present} == {"declared", "dropped"}
    assert [table for table in present if table.undeclared or table.missing] == []
    assert {t.name for t in present if t.direct_identifiers} == {"assessment_actions"}
    assert report.partner == "jhu"


def test_required_roles(coursera):
    """The leaks and the texts that a release must never read are declared as such."""
    tables = coursera.family.tables
    leaks = {
        (name, column)
        for name, table in tables.items()
        for column, declared in table.columns.items()
        if declared.role is Role.DIRECT_IDENTIFIER and name.startswith("staff_graded")
    }
    assert {column for _, column in leaks} >= {
        "coursera_user_id",
        "submitted_by",
        "evaluated_by",
        "submitter_id",
    }
    assert tables["feedback_course_comments"].columns["feedback_text"].role is Role.FREE_TEXT
    assert tables["demographics_answers"].columns["choice_id"].special_category


def test_hierarchies_are_rooted_tables(coursera):
    """One row a leaf, one width, `*` at the top, no leaf twice."""
    for rows in coursera.hierarchies.values():
        assert len({len(row) for row in rows}) == 1
        assert {row[-1] for row in rows} == {"*"}
        assert len({row[0] for row in rows}) == len(rows)


def test_the_country_hierarchy_covers_iso_3166(coursera):
    """249 codes in force, and what GeoIP adds; Namibia is a country."""
    rows = {row[0]: row[1:] for row in coursera.hierarchies["coursera_country.csv"]}
    beyond_iso = {"EU", "AP", "XK", "A1", "A2", "O1"}
    assert len(rows.keys() - beyond_iso) == 249
    assert rows["NA"] == ["Southern Africa", "Africa", "*"]
    assert rows["US"] == ["Northern America", "Americas", "*"]


def test_hierarchies_cover_the_closed_columns(coursera):
    """Every declared profile value, and every passing state, has a leaf."""
    users = coursera.family.tables["users"].columns
    for name in ("educational_attainment", "employment_status", "student_status"):
        leaves = {row[0] for row in coursera.hierarchies[f"coursera_{name}.csv"]}
        assert leaves == set(users[name].values)
    passing = coursera.family.views["enrolments"].columns["passing_state"]
    leaves = {row[0] for row in coursera.hierarchies["coursera_passing_state.csv"]}
    assert leaves == {*passing.relabel.values(), passing.missing}


def test_an_item_may_be_dated(coursera):
    """The month is that of the enrolment that stays: every column may leave with it."""
    view = coursera.family.views["enrolments"]
    assert view.items() == ("course_id", "course_month")
    assert coursera.family.unattributed("course_month", view.columns) == ()


def test_an_item_may_be_a_run():
    """Clicks know the presentation, so OULAD's figures may leave by module and presentation."""
    family = load_family("oulad").family
    view = family.views["enrolments"]
    assert view.items() == ("code_module", "module_run")
    assert family.unattributed("module_run", view.columns) == ()
