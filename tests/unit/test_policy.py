"""Policy: what a request is allowed, and what it is given where it says nothing."""

import pytest

from schemas.declaration import parse_toml
from schemas.policy import Policy, authorize
from schemas.request import parse_request
from schemas.violations import SchemaError
from tests.unit.test_declaration import FAMILY, small_family
from tests.unit.test_request import REQUEST

POLICY = """
require_approval = false
purposes = ["research"]
recipients = ["*@uni.example"]
legal_bases = ["consent"]
"""


def terms(request: str = REQUEST, policy: str = POLICY):
    """What a request and a policy promise together."""
    return authorize(
        parse_request(request, subject="request"),
        parse_toml(Policy, policy, subject="policy"),
        small_family(),
    )


def refused(request: str = REQUEST, policy: str = POLICY) -> set[str]:
    """The keys at which the policy refuses."""
    with pytest.raises(SchemaError) as caught:
        terms(request, policy)
    return {violation.key for violation in caught.value.violations}


@pytest.mark.parametrize(
    ("edit", "policy", "k"),
    [
        ({}, "", 5),
        ({"k = 5": ""}, "", 5),
        ({"k = 5": "k = 9"}, "", 9),
        ({"k = 5": "", '"controlled"': '"public"'}, "", 11),
        ({"k = 5": "", '"gender", "region"': '"gender", "disability"'}, "", 20),
        ({"k = 5": ""}, "minors = true", 20),
    ],
)
def test_k_is_the_request_s_or_the_policy_s_floor(edit: dict[str, str], policy: str, k: int):
    """A request may raise k; left out, it is the floor for its access, columns and learners."""
    text = REQUEST
    for old, new in edit.items():
        text = text.replace(old, new, 1)
    assert terms(text, policy + POLICY).k == k


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"research"', '"marketing"', "purpose"),
        ("r.lee@uni.example", "r.lee@shop.example", "researcher"),
        ("k = 5", "k = 4", "release.privacy.k"),
        ('"controlled"', '"public"', "release.privacy.k"),
        ('"gender", "region"', '"gender", "disability"', "release.privacy.k"),
        ("k = 5", 'm = "full"', "release.privacy.m"),
        ("0.05", "0.3", "release.privacy.suppression_limit"),
        ("0.8 }", "0.9 }", "release.privacy.maximum_share.final_result"),
        ("final_result = 0.8", "clicks = 0.8", "release.privacy.maximum_share.clicks"),
        ('"region"', '"regoin"', "release.learners"),
        ('"code_module", "final_result"', '"final_result"', "release.enrolments"),
        ('["code_module", "final_result"]', "[]", "release.enrolments"),
        ('"gender", "region"', '"gender", "motivation"', "release.learners"),
        ("[release.privacy]", "weights = { final_result = 2 }\n[release.privacy]",
         "release.weights.final_result"),
    ],
)  # fmt: skip
def test_the_policy_refuses_at_the_key(old: str, new: str, key: str):
    """What the policy or the views do not allow is refused at its TOML key."""
    text = REQUEST.replace(old, new, 1)
    if key == "release.enrolments" and "[]" in new:
        text = text.replace("maximum_share = { final_result = 0.8 }", "")
    assert key in refused(text)


def test_all_violations_come_at_once():
    """A wrong purpose, a misspelt column, a low k and a large share are told together."""
    text = REQUEST
    for old, new in (
        ('"research"', '"fun"'),
        ('"region"', '"regoin"'),
        ("k = 5", "k = 4"),
        ("0.8 }", "0.9 }"),
        ("0.05", "0.5"),
    ):
        text = text.replace(old, new, 1)
    assert refused(text) == {
        "purpose",
        "release.learners",
        "release.privacy.k",
        "release.privacy.maximum_share.final_result",
        "release.privacy.suppression_limit",
    }


def test_a_sensitive_column_is_always_bounded():
    """Left out, the maximum share of a sensitive column is the policy's."""
    text = REQUEST.replace("maximum_share = { final_result = 0.8 }", "")
    assert terms(text).maximum_share == {"final_result": 0.8}


def test_release_scope_knows_the_full_set():
    """Release scope protects against knowledge of all items; course scope of one."""
    assert terms().m == 1
    assert terms(REQUEST.replace('"course"', '"release"')).m == "full"


def test_a_special_category_behind_a_column_raises_k():
    """What the raw column says counts, even where the view says nothing."""
    family = small_family(
        FAMILY.replace('values = ["Y", "N"], special_category = true', 'values = ["Y", "N"]')
    )
    request = parse_request(
        REQUEST.replace('"gender", "region"', '"gender", "disability"').replace("k = 5", ""),
        subject="request",
    )
    assert authorize(request, parse_toml(Policy, POLICY, subject="policy"), family).k == 20


@pytest.mark.parametrize("name", ["x@evil a@uni.example", "x@evil@uni.example", "uni.example"])
def test_a_recipient_is_one_address(name: str):
    """A pattern of the policy admits addresses, not texts that end like one."""
    assert "researcher" in refused(REQUEST.replace("r.lee@uni.example", name))


def test_an_unknown_column_gets_a_hint():
    """A misspelt column is answered with the nearest one."""
    with pytest.raises(SchemaError, match="did you mean region"):
        terms(REQUEST.replace('"region"', '"regoin"'))
