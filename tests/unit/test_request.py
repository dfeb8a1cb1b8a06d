"""Requests: what is refused, and where the message says it stands."""

import pytest

from schemas.request import parse_request
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
        ('learners = ["gender", "region"]', "learners = 3", "release.learners"),
        ("k = 5", "k = 1", "release.privacy.k"),
        ("k = 5", "k = true", "release.privacy.k"),
        ("k = 5", "l = 2", "release.privacy.l"),
        ("k = 5", "t = 0.2", "release.privacy.t"),
        ("k = 5", "m = 2", "release.privacy.m"),
        ("k = 5", "m = 3", "release.privacy.m"),
        ("k = 5", "m = true", "release.privacy.m"),
        ("0.05", '"0.05"', "release.privacy.suppression_limit"),
        ("0.05", "false", "release.privacy.suppression_limit"),
        ("0.05", "nan", "release.privacy.suppression_limit"),
        ("0.8", "inf", "release.privacy.maximum_share.final_result"),
        ("0.05", "1.0", "release.privacy.suppression_limit"),
        ("0.8", "1.5", "release.privacy.maximum_share.final_result"),
        ('"course"', '"linked"', "release.pseudonyms"),
        ('"course"', '"none"', "release.pseudonyms"),
        ('"microdata"', '"aggregate"', "release.type"),
        ('"microdata"', '"synthetic"', "release.type"),
        ('access = "controlled"', 'recoding = "local"', "release.recoding"),
        ('"gender", "region"', '"gender", "gender"', "release"),
    ],
)
def test_a_refusal_names_the_key_it_stands_at(old: str, new: str, key: str):
    """Each fault is reported at its own TOML key."""
    assert key in violations(REQUEST.replace(old, new, 1))


def test_all_violations_come_at_once():
    """Three faults make three violations, supported or not."""
    text = REQUEST.replace("k = 5", "k = 1\nl = 2").replace("title =", "titel =")
    assert {"release.privacy.k", "release.privacy.l", "titel", "title"} <= set(violations(text))


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
