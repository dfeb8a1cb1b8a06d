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
run = { role = "catalogue" }
ts = { role = "time", type = "timestamp" }

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

BINS = "bins = { edges = [[1, 10, 100], [10]] }"
ITEM = 'code_module = { role = "item", column = "course", description = "Course." }\n'


def further(keys: str) -> str:
    """The item, and another one with these keys."""
    return f'{ITEM}course_run = {{ role = "item", {keys}, description = "Run." }}\n'


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
        ("views.learners", "views.persons", "views and their grains are"),
        ('column = "area"', 'column = "zone"', "people.zone is not declared"),
        ('"Result." }', '"Result.", bins = { edges = [[1]] } }', "exactly one of bins"),
        ('role = "sensitive", column = "result"', 'role = "quasi-identifier", column = "result"',
         "quasi-identifiers stand in views.learners"),
        ('role = "sensitive", column = "result"', 'role = "free-text", column = "result"',
         "a view column's role is one of"),
        ("[[1, 10, 100], [10]]", "[[1, 10, 100], [11]]", "subset of the finer"),
        ("[[1, 10, 100], [10]]", "[[10, 1]]", "strictly increasing"),
        ('aggregate = "sum"', 'aggregate = "sum", missing = "none"', "the unknown value of a number is"),
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
        ('role = "quasi-identifier", column = "area", hierarchy = "area.csv"', 'role = "quasi-identifier", column = "area", bins = { edges = [[1]] }', "region: bins: the column behind it must be"),
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
        (BINS, 'values = ["1"]', "a count or a sum needs bins"),
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
        (BINS, "log_bins = { base = 1, lowest = 1, highest = 9 }", "clicks.log_bins.base"),
        (BINS, "log_bins = { base = 2, lowest = 9, highest = 1 }", "highest must not be below lowest"),
        (BINS, "log_bins = { base = 1.1, lowest = 1, highest = 1e9 }", "more than 60 edges"),
        (BINS, "microaggregate = { decimals = -1 }", "clicks.microaggregate.decimals"),
        (BINS, f'microaggregate = {{ unit = "clicks" }}, {BINS}', "exactly one of bins, log_bins, microaggregate"),
        ('"sensitive", column = "result", values = ["Pass", "Fail"]', '"sensitive", table = "events", column = "n", aggregate = "sum", microaggregate = {}', "microaggregate is for measures"),
        ('values = ["Pass", "Fail"]', 'values = ["Pass", "Fail"], top_code = true', "top_code goes with bins"),
        ('column = "area", hierarchy = "area.csv"', 'column = "area", bins = { edges = [[1]] }, top_code = true', "top_code is for measures"),
        (ITEM, further('columns = ["course"]'), "says column, not columns"),
        (ITEM, further('columns = ["course", "course"]'), "names one twice"),
        (ITEM, further('time = "ts", period = "month"'), "time goes with columns"),
        (ITEM, further('columns = ["course"], time = "ts"'), "time and period together"),
        (ITEM, further('columns = ["course"], time = "ts", period = "day"'), "course_run.period"),
        (ITEM, further('columns = ["course", "nowhere"]'), "results.nowhere is not declared"),
        (ITEM, further('columns = ["course", "result"]'), "course_run: columns: result must be text or integer"),
        (ITEM, further('columns = ["course", "ts"]'), "course_run: columns: ts must be text or integer"),
        (ITEM, further('columns = ["course"], time = "run", period = "month"'), "course_run: time: run must be a time column of type timestamp"),
        (ITEM, further('columns = ["run", "ts"]'), "course_run: an item holds results.course"),
        (ITEM, further('columns = ["course", "run"], missing = "x"'), "course_run: the item leaves as it is"),
        (ITEM, f'{ITEM}other = {{ role = "item", column = "course", description = "x" }}\n', "one item column in enrolments"),
        (ITEM, 'course_run = { role = "item", columns = ["course", "run"], description = "x" }\n', "one item column in enrolments"),
        ('role = "measure", table = "events"', 'role = "measure", columns = ["n"], table = "events"', "columns make an item"),
        ("special_category = true }\nmotivation", "special = 1 }\nmotivation", "unknown key"),
    ],
)  # fmt: skip
def test_a_declaration_that_contradicts_itself_is_refused(old: str, new: str, message: str):
    """The message says what is wrong and where."""
    assert old in FAMILY
    with pytest.raises(SchemaError, match=r"small\.toml") as caught:
        small_family(FAMILY.replace(old, new))
    assert message in str(caught.value)


def test_log_bins_of_any_size_are_read():
    """A base whose powers no float holds still makes two bins."""
    rule = "log_bins = { base = 1e300, lowest = 1e-300, highest = 1e300 }"
    clicks = small_family(FAMILY.replace(BINS, rule)).views["enrolments"].columns["clicks"]
    assert clicks.log_bins is not None


def test_numbers_may_have_bins_by_rule_or_means():
    """Log bins and microaggregation are read; both make the column a number."""
    log = "log_bins = { base = 2, lowest = 1, highest = 64 }, top_code = true"
    clicks = small_family(FAMILY.replace(BINS, log)).views["enrolments"].columns["clicks"]
    assert clicks.log_bins is not None
    assert (clicks.domain, clicks.is_number, clicks.top_code) == ("log_bins", True, True)
    means = 'microaggregate = { decimals = 1, unit = "clicks" }'
    clicks = small_family(FAMILY.replace(BINS, means)).views["enrolments"].columns["clicks"]
    assert clicks.microaggregate is not None
    assert (clicks.domain, clicks.microaggregate.decimals) == ("microaggregate", 1)


def test_further_items_are_made_of_several_columns():
    """The raw item comes first and stands behind them all; a table without runs knows no run."""
    month = (
        'course_month = { role = "item", columns = ["course"], time = "ts", period = "month", '
        'description = "Month." }\n'
    )
    run = further('columns = ["course", "run"]')
    family = small_family(FAMILY.replace(ITEM, month + run))
    view = family.views["enrolments"]
    assert view.items() == ("code_module", "course_month", "course_run")
    assert family.views["learners"].items() == ()
    assert view.columns["course_run"].sources("course_run") == ("course", "run")
    assert view.columns["course_month"].sources("course_month") == ("course", "ts")
    assert view.columns["clicks"].sources("clicks") == ("n",)
    assert family.behind("course_run") is family.tables["results"].columns["course"]
    names = ("course_run", "final_result", "clicks")
    assert family.unattributed("course_run", names) == ("clicks",)
    assert family.unattributed("course_month", names) == ()
    assert family.unattributed("code_module", names) == ()


def test_a_special_category_names_no_item():
    """What raises k may not leave as a part of the item."""
    special = FAMILY.replace(ITEM, further('columns = ["course", "run"]')).replace(
        'run = { role = "catalogue" }', 'run = { role = "catalogue", special_category = true }'
    )
    with pytest.raises(SchemaError, match="columns: run must be"):
        small_family(special)
