"""Declarations: what a family's TOML may not say."""

# ruff: noqa: E501 - a column of a declaration is one line

import pytest

from schemas.declaration import Family, parse_family
from schemas.violations import SchemaError

FAMILY = """
family = "small"
title = "A small world"
learner = "id"
item = "course"
partner_pattern = "^(.+)_user_id$"

[tables.people]
grain = "learner"
key = ["id"]
learners = true
dropped = ["name"]
[tables.people.columns]
id = { role = "learner-key" }
sex = { role = "quasi-identifier", values = ["F", "M"] }
area = { role = "quasi-identifier" }
disability = { role = "quasi-identifier", special_category = true }
motivation = { role = "sensitive" }

[tables.results]
grain = "learner-course"
key = ["id", "course"]
[tables.results.columns]
id = { role = "learner-key" }
course = { role = "item" }
result = { role = "sensitive" }

[tables.events]
grain = "event"
[tables.events.columns]
id = { role = "learner-key" }
course = { role = "item" }
kind = { role = "catalogue" }
n = { role = "measure", type = "integer" }

[dropped]
letters = ["id", "text"]

[views.learners]
grain = "learner"
table = "people"
[views.learners.columns]
gender = { role = "quasi-identifier", column = "sex", values = ["F", "M"], description = "Gender." }
region = { role = "quasi-identifier", column = "area", hierarchy = "area.csv", description = "Area." }
disability = { role = "quasi-identifier", values = ["Y", "N"], special_category = true, description = "Disability." }
motivation = { role = "sensitive", values = ["high", "low"], description = "Motivation." }

[views.enrolments]
grain = "learner-course"
table = "results"
[views.enrolments.columns]
code_module = { role = "item", column = "course", description = "Course." }
final_result = { role = "sensitive", column = "result", values = ["Pass", "Fail"], description = "Result." }
clicks = { role = "measure", table = "events", column = "n", aggregate = "sum", where = { kind = ["click"] }, bins = { edges = [[1, 10, 100], [10]] }, description = "Clicks." }
"""


def small_family(text: str = FAMILY) -> Family:
    """A family with every kind of table and column."""
    return parse_family(text, subject="small.toml")


def test_a_family_is_read():
    """Tables, views and keys come out as declared."""
    family = small_family()
    assert family.learner_table() == "people"
    assert family.tables["events"].learner_key() == "id"
    assert family.views["enrolments"].columns["clicks"].bins is not None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('key = ["id"]', 'key = ["nobody"]', "key names columns that are not declared: nobody"),
        ('dropped = ["name"]', 'dropped = ["sex"]', "both declared and dropped: sex"),
        ('letters = ["id", "text"]', 'people = ["id"]', "tables.people is both"),
        ('grain = "event"', 'grain = "event"\nlearners = true', "only one table"),
        ('"^(.+)_user_id$"', '"^x$"', "exactly one group"),
        ('"^(.+)_user_id$"', '"^($"', "must be a regular expression"),
        ("views.learners", "views.persons", "a view is `learners`"),
        ('column = "area"', 'column = "zone"', "people.zone is not declared"),
        ('"Result." }', '"Result.", bins = { edges = [[1]] } }', "exactly one of bins"),
        ('role = "sensitive", column = "result"', 'role = "quasi-identifier", column = "result"',
         "quasi-identifiers stand in views.learners"),
        ('role = "sensitive", column = "result"', 'role = "free-text", column = "result"',
         "a view column's role is one of"),
        ("[[1, 10, 100], [10]]", "[[1, 10, 100], [11]]", "subset of the finer"),
        ("[[1, 10, 100], [10]]", "[[10, 1]]", "strictly increasing"),
        ('aggregate = "sum"', 'aggregate = "sum", missing = "none"', "unknown value is"),
        ('values = ["Pass", "Fail"]', 'values = ["Pass", "Fail"], missing = "*"', "withheld"),
        ('code_module = { role = "item", column = "course"', 'learner = { role = "item", column = "course"',
         "learner: choose another name"),
        ("clicks = {", "_clicks = {", "_clicks: choose another name"),
        ("clicks = {", "region = {", "region stands in both views"),
        ('code_module = { role = "item"', 'code_module = { role = "measure", values = ["x"]', "one item column"),
        ('learner = "id"', 'learner = "user"', "people.user is not declared"),
        ('item = "course"', 'item = "module"', "events.module is not declared"),
        ("[[1, 10, 100], [10]]", "[[1, inf]]", "finite number"),
        ('kind = { role = "catalogue" }', 'kind = { role = "sensitive" }', "events.kind is sensitive"),
        (
            'kind = { role = "catalogue" }',
            'kind = { role = "measure", special_category = true }',
            "events.kind is measure",
        ),
        ('table = "results"\n', 'table = "results"\norder_by = ["result"]\n', "results.result is"),
        ('area = { role = "quasi-identifier" }', 'area = { role = "quasi-identifier" }\n[tables.people.columns.x]', "role: required"),
        ('role = "quasi-identifier", column = "area", hierarchy = "area.csv"', 'role = "quasi-identifier", column = "area", bins = { edges = [[1]] }', "bins need"),
        (
            'id = { role = "learner-key" }\ncourse = { role = "item" }\nresult',
            'id = { role = "learner-key", type = "integer" }\ncourse = { role = "item" }\nresult',
            "a learner-key is text",
        ),
        (
            'sex = { role = "quasi-identifier", values = ["F", "M"] }',
            'sex = { role = "direct-identifier" }',
            "a direct-identifier column can't leave as quasi-identifier",
        ),
        (
            'area = { role = "quasi-identifier" }',
            'area = { role = "free-text" }',
            "a free-text column can't leave as quasi-identifier",
        ),
        (
            'final_result = { role = "sensitive"',
            'final_result = { role = "measure"',
            "a sensitive column can't leave as measure",
        ),
        ('n = { role = "measure", type = "integer" }', 'n = { role = "measure" }', "a sum needs"),
        ('aggregate = "sum"', 'aggregate = "count_weeks"', "count_weeks needs"),
        ("bins = { edges = [[1, 10, 100], [10]] }", 'values = ["1"]', "a count or a sum needs bins"),
        (
            'code_module = { role = "item", column = "course"',
            'code_module = { role = "item", column = "course", relabel = { x = "y" }',
            "the item leaves as it is",
        ),
        (
            'course = { role = "item" }\nkind',
            'course = { role = "catalogue" }\nkind',
            "events.course names the item",
        ),
        ("special_category = true }\nmotivation", "special = 1 }\nmotivation", "unknown key"),
    ],
)  # fmt: skip
def test_a_declaration_that_contradicts_itself_is_refused(old: str, new: str, message: str):
    """The message says what is wrong and where."""
    assert old in FAMILY
    with pytest.raises(SchemaError, match=r"small\.toml") as caught:
        small_family(FAMILY.replace(old, new))
    assert message in str(caught.value)
