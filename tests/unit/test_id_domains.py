"""What families say of ids: which columns name a person, and which ids are one person's."""

import csv
import re

import pytest

from pipelines.sources.binding import is_known, with_partner
from pipelines.sources.families import load_family
from schemas.declaration import parse_family
from schemas.roles import Role
from schemas.violations import SchemaError
from tests.unit.test_declaration import FAMILY

NAMES_A_PERSON = re.compile(r"user_id$|user_ids$|^submitter_(id|user)$|_by$")


def ids_of(table):
    """The columns of a declared table that name a person."""
    return {
        name
        for name, column in table.columns.items()
        if column.role is Role.LEARNER_KEY or column.person
    }


def test_every_column_of_the_coursera_family_that_names_a_person_is_known_as_one():
    """Reviewers, graders, submitters and guests included; a team is no person."""
    tables = load_family("coursera").family.tables
    for table in tables.values():
        assert ids_of(table) == {name for name in table.columns if NAMES_A_PERSON.search(name)}
    assert not tables["staff_graded_assignment_submissions"].columns["submitter_team"].person


@pytest.mark.shared_data
def test_every_id_of_the_dictionary_is_looked_for(shared_data):
    """Each column that names a person is the key, a person's, or a bridge's, in its own table."""
    family = load_family("coursera").family
    with (shared_data / "coursera_export/data_dictionary.csv").open(encoding="utf-8-sig") as file:
        rows = [(row["table"], row["column"]) for row in csv.DictReader(file)]
    named = [(table, column) for table, column in rows if NAMES_A_PERSON.search(column)]
    assert len(named) > 30
    for table, column in named:
        declared = family.tables[table]
        known = {
            with_partner(one, "partner")
            for name in ids_of(declared)
            for one in (name, *declared.columns[name].aliases)
        }
        assert column in known or is_known(column, declared.bridge, "partner"), (table, column)


def test_the_bridges_of_the_coursera_family():
    """Two tables for per-course ids, and the one that has the platform's ids in two forms."""
    tables = load_family("coursera").family.tables
    assert {name: table.bridge for name, table in tables.items() if table.bridge} == {
        "partner_user_ids": ("*_user_id",),
        "{partner}_course_user_ids": ("*_user_id",),
        "staff_graded_assignment_submissions": ("submitter_id", "submitter_user"),
    }


def test_other_families_need_none():
    """OULAD has one id domain."""
    tables = load_family("oulad").family.tables.values()
    assert not any(table.bridge for table in tables)


@pytest.mark.parametrize("role", ["learner-key", "catalogue", "free-text"])
def test_only_a_direct_identifier_is_a_persons(role):
    """The learner key names its person anyway; anything else would be read as an id by mistake."""
    text = FAMILY.replace(
        'run = { role = "catalogue" }', f'run = {{ role = "{role}", person = true }}'
    )
    with pytest.raises(SchemaError, match="person goes with role direct-identifier"):
        parse_family(text, subject="small.toml")
