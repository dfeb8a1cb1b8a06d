"""Hierarchies built by a rule, from text and from a mapping."""

import tomllib
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import ladders
from anonymizer.declared import hierarchy_from_mapping, read_hierarchy
from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import MISSING, Hierarchy, bin_expr
from anonymizer.ladders import (
    date_hierarchy,
    interval_edges,
    interval_hierarchy,
    occurring,
    prefix_hierarchy,
    redaction_hierarchy,
)


def paths(hierarchy):
    """Leaf -> its labels above, less the root."""
    levels = [hierarchy.label_of(level) for level in range(hierarchy.height)]
    return {leaf: above for leaf, *above in zip(*levels, strict=True)}


def test_intervals_nest_and_are_coded_at_both_ends():
    """Ages in bands of 5, 10 and 20 years between 20 and 60."""
    age = interval_hierarchy("age", low=20, high=60, widths=[5, 10, 20], missing=True)
    assert paths(age)["[35, 40)"] == ["[30, 40)", "[20, 40)"]
    assert paths(age)["below 20"] == ["below 20", "below 20"]
    assert paths(age)["60 or more"] == ["60 or more", "60 or more"]
    assert paths(age)[MISSING] == [MISSING, MISSING]


def test_interval_edges_are_decimals():
    """Three steps of 0.1 end at 0.3, not at 0.30000000000000004."""
    assert interval_edges("x", low=0, high=0.3, widths=[0.1, 0.3]) == ((0, 0.1, 0.2, 0.3), (0, 0.3))


def test_intervals_bin_a_column():
    """The finest edges say into which leaf a number falls."""
    finest, *_ = interval_edges("age", low=20, high=60, widths=[20, 40])
    binned = pl.DataFrame({"age": [19, 20, 60, None]}).select(bin_expr("age", finest))
    assert binned["age"].to_list() == ["below 20", "[20, 40)", "60 or more", MISSING]


@pytest.mark.parametrize(
    "low, high, widths, message",
    [
        (0, 10, [3], "3 does not divide 10"),
        (0, 12, [2, 3], "2 does not divide 3"),
        (0, 12, [4, 2], "4 does not divide 2"),
        (0, 12, [], "low below high"),
        (12, 12, [1], "low below high"),
        (0, 12, [0], "widths above 0"),
        (0, float("inf"), [1], "finite"),
        (float("nan"), 1, [1], "finite"),
        (0, 10**6, [1], "over 100000 intervals"),
    ],
)
def test_intervals_that_do_not_nest_are_refused(low, high, widths, message):
    """The refusal names the widths that do not fit."""
    with pytest.raises(HierarchyError, match=f"hierarchy age: .*{message}"):
        interval_edges("age", low=low, high=high, widths=widths)


def test_a_day_lies_in_its_month_quarter_and_year():
    """Across a new year and a leap day."""
    first, last = date(2011, 12, 31), date(2012, 2, 29)
    day = date_hierarchy("day", first=first, last=last, finest="day", missing=False)
    assert len(day.leaves) == 61
    assert paths(day)["2011-12-31"] == ["2011-12", "2011-Q4", "2011"]
    assert paths(day)["2012-02-29"] == ["2012-02", "2012-Q1", "2012"]


@pytest.mark.parametrize("finest, leaves", [("month", 3), ("quarter", 2), ("year", 2)])
def test_dates_may_begin_at_a_coarser_level(finest, leaves):
    """Leaves are then months, quarters or years, each once."""
    first, last = date(2011, 12, 31), date(2012, 2, 29)
    found = date_hierarchy("day", first=first, last=last, finest=finest, missing=False)
    assert len(found.leaves) == leaves


def test_a_period_must_not_be_empty_or_endless():
    """Neither the last day before the first, nor every day since the year 1."""
    for first in (date(2012, 1, 2), date(1, 1, 1)):
        with pytest.raises(HierarchyError, match="hierarchy day: first to last"):
            date_hierarchy("day", first=first, last=date(2012, 1, 1), finest="day", missing=False)


def test_postal_codes_lose_their_last_characters():
    """A code shorter than a prefix stays itself until the prefix is as short."""
    codes = ["10115", "10437", "104", "1", "80331"]
    found = prefix_hierarchy("zip", codes, lengths=[3, 1], separator="", missing=False)
    assert paths(found) == {
        "10115": ["101*", "1*"],
        "10437": ["104*", "1*"],
        "104": ["104*", "1*"],
        "1": ["1", "1*"],
        "80331": ["803*", "8*"],
    }


def test_dotted_codes_lose_their_last_parts():
    """Parts count, not characters: 6 and 62 have nothing in common."""
    codes = ["K.62.01", "K.6.1", "K.62"]
    found = prefix_hierarchy("branch", codes, lengths=[2, 1], separator=".", missing=False)
    assert paths(found)["K.62.01"] == paths(found)["K.62"] == ["K.62.*", "K.*"]
    assert paths(found)["K.6.1"] == ["K.6.*", "K.*"]


@pytest.mark.parametrize("lengths", [[], [1, 2], [2, 2], [2, 0]])
def test_prefixes_grow_shorter(lengths):
    """Lengths decrease from level to level, and the last keeps something."""
    with pytest.raises(HierarchyError, match="hierarchy zip: lengths"):
        prefix_hierarchy("zip", ["12"], lengths=lengths, separator="", missing=False)


def test_redaction_masks_from_the_right():
    """One character more a level; the last level is the root."""
    found = redaction_hierarchy("zip", ["12345", "12399"], missing=True)
    assert paths(found)["12345"] == ["1234*", "123**", "12***", "1****"]
    assert found.labels[-1] == ("*",)


def test_redaction_tells_short_values_from_long_ones():
    """9 years are no tens: at one masked character 9 is `_*`, 95 is `9*`."""
    found = redaction_hierarchy("age", ["9", "95", "100", "7"], missing=False)
    assert paths(found) == {
        "9": ["__*", "_**"],
        "95": ["_9*", "_**"],
        "100": ["10*", "1**"],
        "7": ["__*", "_**"],
    }


@pytest.mark.parametrize("values", [["12", "1*"], [], ["12", "12"], [""]])
def test_values_that_look_redacted_or_repeat_are_refused(values):
    """Labels stay unambiguous."""
    with pytest.raises(HierarchyError, match="hierarchy zip"):
        redaction_hierarchy("zip", values, missing=False)


@settings(deadline=None, max_examples=60)
@given(st.sets(st.text("0129", min_size=1, max_size=4), min_size=1), st.data())
def test_codes_of_any_length_make_a_tree(values, data):
    """Prefixes and redaction never give one label two meanings; a Hierarchy checks it."""
    lengths = sorted(data.draw(st.sets(st.integers(1, 4), min_size=1)), reverse=True)
    leaves = tuple(sorted(values))
    assert prefix_hierarchy("x", leaves, lengths=lengths, separator="", missing=True).height >= 2
    found = redaction_hierarchy("x", leaves, missing=True)
    assert found.height == max(map(len, leaves))


def test_occurring_values_do_not_depend_on_the_rows():
    """Sorted as numbers where they are numbers; null is no value."""
    column = pl.Series("age", [10, 9, None, 10])
    assert occurring(column) == occurring(column.reverse()) == ("9", "10")
    assert occurring(pl.Series("age", ["10", "9"])) == ("10", "9")


def test_an_identifier_has_no_hierarchy(monkeypatch):
    """Too many distinct values, and none at all, are refused; the values are not named."""
    monkeypatch.setattr(ladders, "MOST_LEAVES", 2)
    with pytest.raises(HierarchyError, match="hierarchy id: 3 values; 1 to 2") as refusal:
        occurring(pl.Series("id", ["x", "y", "z"]))
    assert "'x'" not in str(refusal.value)
    with pytest.raises(HierarchyError, match="0 values"):
        occurring(pl.Series("id", [None], dtype=pl.String))


def test_a_file_of_arx_is_read():
    """No header, semicolons, perhaps quotes, Windows line ends and a byte order mark."""
    text = '\ufeffKent;South;*\r\n"Isle; far";South;*\r\n\r\n'
    found = read_hierarchy(text, name="region", separator=";", missing=True)
    assert found.leaves == ("Kent", "Isle; far", MISSING)
    assert found.labels[1:] == (("South", MISSING), ("*",))


@pytest.mark.parametrize(
    "text, message", [("", "no rows"), ('a;"b', "not a table"), ("a;b\nc", "ragged")]
)
def test_what_is_no_table_is_refused(text, message):
    """Nothing, an open quote and ragged rows."""
    with pytest.raises(HierarchyError, match=f"hierarchy region: {message}"):
        read_hierarchy(text, name="region", separator=";", missing=False)


@pytest.mark.parametrize(
    "toml, expected",
    [
        ('kind = "table"\nrows = [["a", "x"], ["b", "x"]]', (("a", "b"), ("x",), ("*",))),
        ('kind = "values"\nvalues = ["f", "m"]', (("f", "m"), ("*",))),
        ('kind = "bins"\nedges = [[1]]', (("below 1", "1 or more"), ("*",))),
        (
            'kind = "intervals"\nlow = 0\nhigh = 1\nwidths = [1]',
            (("below 0", "[0, 1)", "1 or more"), ("*",)),
        ),
        (
            'kind = "dates"\nfirst = 2013-12-31\nlast = 2014-01-01\nfinest = "quarter"',
            (("2013-Q4", "2014-Q1"), ("2013", "2014"), ("*",)),
        ),
        (
            'kind = "dates"\nfirst = 2014-01-01\nlast = 2014-01-01',
            (("2014-01-01",), ("2014-01",), ("2014-Q1",), ("2014",), ("*",)),
        ),
        ('kind = "prefixes"\nlengths = [1]', (("7", "81"), ("7*", "8*"), ("*",))),
        ('kind = "prefixes"\nlengths = [1]\nvalues = ["x"]', (("x",), ("x*",), ("*",))),
        (
            'kind = "prefixes"\nlengths = [1]\nseparator = "-"\nvalues = ["ab-c"]',
            (("ab-c",), ("ab-*",), ("*",)),
        ),
        ('kind = "redaction"', (("7", "81"), ("_*", "8*"), ("*",))),
    ],
)
def test_every_kind_of_mapping(toml, expected):
    """As TOML gives it; values that occur stand in where a kind needs values."""
    mapping = tomllib.loads(toml)
    before = dict(mapping)
    found = hierarchy_from_mapping("x", mapping, found=("7", "81"), missing=False)
    assert found.labels == expected
    assert mapping == before


@pytest.mark.parametrize(
    "mapping, message",
    [
        ({}, "kind: one of table, values, bins, intervals"),
        ({"kind": ["table"]}, "kind: one of"),
        ({"kind": "weeks"}, "kind: one of"),
        ({"kind": "values"}, "values: give a list of texts"),
        ({"kind": "values", "values": "abc"}, "values: give a list of texts"),
        ({"kind": "redaction"}, "values: give a list of texts, or let"),
        ({"kind": "table", "rows": [["a"], "b"]}, "rows: give a list of lists of texts"),
        ({"kind": "bins", "edges": [[True]]}, "edges: give a list of lists of numbers"),
        ({"kind": "bins", "edges": [[1]], "low": 3}, "low: no key of bins; remove it"),
        ({"kind": "prefixes", "lengths": [1.5], "values": []}, "lengths: give a list of whole"),
        (
            {"kind": "dates", "first": datetime(2014, 1, 1), "last": date(2014, 1, 1)},
            "first: give a date",
        ),
        (
            {"kind": "dates", "first": date.min, "last": date.min, "finest": "week"},
            "finest: give one of day, month, quarter, year",
        ),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_by_its_key(mapping, message):
    """The refusal names the column and the key, and says what to give."""
    with pytest.raises(HierarchyError, match=f"hierarchy x: {message}"):
        hierarchy_from_mapping("x", mapping, found=None, missing=False)


def test_the_language_hierarchy_of_coursera():
    """A tree; every spelling of a code has a leaf, and regions of a language meet in it."""
    folder = Path(__file__).resolve().parents[2] / "schemas" / "families" / "hierarchies"
    text = (folder / "coursera_language.csv").read_text(encoding="utf-8")
    above = paths(read_hierarchy(text, name="language", separator=";", missing=True))
    for code in ("zh", "zh-CN", "zh-cn", "zh-TW"):
        assert above[code] == ["Chinese", "Languages of East Asia"]
    assert above["pt-br"] == ["Portuguese", "Romance"]
    assert above["iw"] == above["he"] == ["Hebrew", "Languages of the Middle East"]


@pytest.mark.shared_data
def test_the_hierarchy_files_of_arx_are_read(shared_data):
    """All of UCI Adult's and those of OULAD, with as many leaves as rows."""
    files = sorted(shared_data.glob("*/*_hierarchy_*.csv"))
    assert len(files) == 17
    for file in files:
        text = file.read_text(encoding="utf-8")
        found = read_hierarchy(text, name=file.stem, separator=";", missing=False)
        assert isinstance(found, Hierarchy)
        assert len(found.leaves) == len(text.splitlines())
