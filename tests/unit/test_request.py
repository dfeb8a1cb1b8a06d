"""Requests: what is refused, and where the message says it stands."""

import pytest

from schemas.request import parse_request
from schemas.sensitive import Closeness, Distinct, Entropy, OneSided, Recursive
from schemas.violations import SchemaError

REQUEST = """
title = "Completion by region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "oulad"
[release]
type = "microdata"
access = "controlled"
pseudonyms = "course"
learners = ["gender", "region"]
enrolments = ["code_module", "final_result"]
[release.privacy]
k = 5
suppression_limit = 0.05
maximum_share = { final_result = 0.8 }
"""


def violations(text: str) -> dict[str, str]:
    """Key -> message of everything that is wrong with a request."""
    with pytest.raises(SchemaError) as caught:
        parse_request(text, subject="request.toml")
    return {v.key: v.message for v in caught.value.violations}


def test_a_request_is_read():
    """The example of the house reads as it is written."""
    request = parse_request(REQUEST, subject="request.toml")
    assert request.release.learners == ("gender", "region")
    assert request.release.privacy.maximum_share == {"final_result": 0.8}


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("title =", "titel =", "titel"),
        ('purpose = "research"', "", "purpose"),
        ('"Completion by region"', '"Completion\\n# by region"', "title"),
        ('"r.lee@uni.example"', '"   "', "researcher"),
        ('"r.lee@uni.example"', '" * "', "researcher"),
        ('"research"', '"*"', "purpose"),
        ('learners = ["gender", "region"]', "learners = 3", "release.learners"),
        ("k = 5", "k = 1", "release.privacy.k"),
        ("k = 5", "k = true", "release.privacy.k"),
        ("k = 5", "l = 2", "release.privacy.l"),
        ("k = 5", "t = 0.2", "release.privacy.t"),
        ("k = 5", "m = 4", "release.privacy.m"),
        ("k = 5", "m = true", "release.privacy.m"),
        ("k = 5", "m = 2.0", "release.privacy.m"),
        ("k = 5", "item_suppression_limit = 1.0", "release.privacy.item_suppression_limit"),
        ("0.05", '"0.05"', "release.privacy.suppression_limit"),
        ("0.05", "false", "release.privacy.suppression_limit"),
        ("0.05", "nan", "release.privacy.suppression_limit"),
        ("0.8", "inf", "release.privacy.maximum_share.final_result"),
        ("0.05", "1.0", "release.privacy.suppression_limit"),
        ("0.8", "1.5", "release.privacy.maximum_share.final_result"),
        ('"course"', '"linked"', "release.project"),
        ('"course"', '"course"\nproject = "study"', "release.project"),
        ('"course"', '"release"\nproject = "study"', "release.project"),
        ('"course"', '"linked"\nproject = "../study"', "release.project"),
        ('"course"', '"linked"\nproject = "Study"', "release.project"),
        ('"course"', '"linked"\nproject = "a--b"', "release.project"),
        ('"course"', f'"linked"\nproject = "{"a" * 61}"', "release.project"),
        ('"course"', '"none"', "release.pseudonyms"),
        ('"microdata"', '"aggregate"', "release.catalogue"),
        ('"microdata"', '"sythetic"', "release.type"),
        ('access = "controlled"', 'recoding = "both"', "release.recoding"),
        ('access = "controlled"', "statistics = 1", "release.statistics"),
        ('"gender", "region"', '"gender", "gender"', "release"),
    ],
)
def test_a_refusal_names_the_key_it_stands_at(old: str, new: str, key: str):
    """Each fault is reported at its own TOML key."""
    assert key in violations(REQUEST.replace(old, new, 1))


SHARE, L, T = (f"release.privacy.{name}.final_result" for name in ("maximum_share", "l", "t"))


def bounded(bound: str, name: str = "l") -> str:
    """The request with this bound of its sensitive column instead of the maximum share."""
    old = "maximum_share = { final_result = 0.8 }"
    return REQUEST.replace(old, f"{name} = {{ final_result = {bound} }}")


@pytest.mark.parametrize(
    ("name", "bound", "read"),
    [
        ("maximum_share", "1", 1.0),
        (
            "maximum_share",
            '{ share = 0.5, values = ["Fail"] }',
            OneSided(share=0.5, values=("Fail",)),
        ),
        ("l", "2", Distinct.model_validate(2)),
        ("l", "{ entropy = 2.5 }", Entropy.model_validate({"entropy": 2.5})),
        (
            "l",
            "{ recursive = { c = 3, l = 2 } }",
            Recursive.model_validate({"recursive": {"c": 3.0, "l": 2}}),
        ),
        ("t", "0.2", Closeness(t=0.2)),
        ("t", '{ t = 0.2, distance = "ordered" }', Closeness(t=0.2, distance="ordered")),
    ],
)
def test_bounds_of_sensitive_columns_are_read(name: str, bound: str, read: object):
    """Each alternative becomes its own type."""
    privacy = parse_request(bounded(bound, name), subject="request").release.privacy
    assert getattr(privacy, name) == {"final_result": read}


def test_bounds_that_differ_have_different_hashes():
    """Distinct 2 and entropy 2.0 are different requests; t written bare or out is the same."""

    def sha256(bound: str, name: str = "l") -> str:
        return parse_request(bounded(bound, name), subject="request").sha256()

    alternatives = ["2", "{ entropy = 2.0 }", "{ recursive = { c = 2.0, l = 2 } }"]
    assert len({sha256(bound) for bound in alternatives}) == 3
    assert sha256("0.2", "t") == sha256('{ distance = "equal", t = 0.2 }', "t")


@pytest.mark.parametrize(
    ("name", "bound", "key"),
    [
        ("maximum_share", "0", SHARE),
        ("maximum_share", '"much"', SHARE),
        ("maximum_share", '{ share = 1.5, values = ["Fail"] }', f"{SHARE}.share"),
        ("maximum_share", "{ share = 0.5 }", f"{SHARE}.values"),
        ("maximum_share", "{ share = 0.5, values = [] }", f"{SHARE}.values"),
        ("maximum_share", '{ share = 0.5, values = ["a", "a"] }', f"{SHARE}.values"),
        ("maximum_share", '{ share = 0.5, values = ["a"], of = 1 }', f"{SHARE}.of"),
        ("l", "1", L),
        ("l", "true", L),
        ("l", "[2]", L),
        ("l", "{}", L),
        ("l", "{ entropi = 2 }", L),
        ("l", "{ entropy = 1.0 }", f"{L}.entropy"),
        ("l", "{ entropy = inf }", f"{L}.entropy"),
        ("l", "{ recursive = 3 }", f"{L}.recursive"),
        ("l", "{ recursive = { c = 3 } }", f"{L}.recursive.l"),
        ("l", "{ recursive = { c = 0, l = 2 } }", f"{L}.recursive.c"),
        ("l", "{ recursive = { c = 3, l = 1 } }", f"{L}.recursive.l"),
        ("t", "0", T),
        ("t", "1.0", T),
        ("t", "{ t = 1.0 }", f"{T}.t"),
        ("t", '{ distance = "ordered" }', f"{T}.t"),
        ("t", '{ t = 0.2, distance = "far" }', f"{T}.distance"),
    ],
)
def test_a_refused_bound_names_the_key_as_it_is_written(name: str, bound: str, key: str):
    """Whatever alternative was tried, the key is the one of the text, and no other is told."""
    assert list(violations(bounded(bound, name))) == [key]


@pytest.mark.parametrize(
    ("statistics", "key"),
    [
        ("[{ column = 'final_result', values = [] }]", "release.statistics.0.values"),
        ("[{ values = ['Pass'] }]", "release.statistics.0.column"),
        ("[{ column = 'c', values = ['x'] }, { column = 'c', values = ['x', 'x'] }]",
         "release.statistics.1.values"),
        ("[{ column = 'c', values = ['x'] }, { column = 'c', values = ['x'] }]",
         "release.statistics"),
    ],
)  # fmt: skip
def test_statistics_are_named_once_and_whole(statistics: str, key: str):
    """A statistic without values, or asked for twice, is refused at its key."""
    old = 'access = "controlled"'
    assert list(violations(REQUEST.replace(old, f"statistics = {statistics}"))) == [key]


def test_linked_pseudonyms_name_their_project():
    """Lower-case words and numbers with single hyphens; the hash of the request is of it too."""
    linked = [
        parse_request(
            REQUEST.replace('"course"', f'"linked"\nproject = "{name}"'), subject="request"
        )
        for name in ("completion-study-2", "another")
    ]
    assert [request.release.project for request in linked] == ["completion-study-2", "another"]
    assert linked[0].sha256() != linked[1].sha256()


def test_all_violations_come_at_once():
    """Faults that are told in different ways come together."""
    text = REQUEST.replace("k = 5", "k = 1\nl = { final_result = 1 }").replace("title =", "titel =")
    text = text.replace('"microdata"', '"other"').replace('"course"', '"linked"')
    keys = {"release.privacy.k", L, "titel", "title", "release.type", "release.project"}
    assert keys <= set(violations(text))


def test_what_is_not_toml_is_one_violation():
    """A syntax error names the line, not a traceback."""
    assert "line 1" in violations("title = \n")[""]


@pytest.mark.parametrize("text", ["k = " + "9" * 5000, "x = " + "[" * 3000])
def test_a_text_that_no_reader_can_take_is_refused(text: str):
    """Numbers of thousands of digits and nesting as deep are no tracebacks."""
    assert "TOML" in violations(text)[""]


def test_the_hash_is_of_what_is_asked():
    """Layout and comments do not change the hash; a value does."""
    request = parse_request(REQUEST, subject="a")
    same = parse_request("# a comment\n" + REQUEST, subject="b")
    other = parse_request(REQUEST.replace("k = 5", "k = 6"), subject="c")
    assert request.sha256() == same.sha256() != other.sha256()
