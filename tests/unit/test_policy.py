"""Policy: what a request is allowed, and what it is given where it says nothing."""

import pytest

from schemas.declaration import parse_toml
from schemas.policy import Policy, authorize
from schemas.request import parse_request
from schemas.sensitive import Closeness, Distinct
from schemas.violations import SchemaError
from tests.unit.test_declaration import FAMILY, small_family
from tests.unit.test_request import REQUEST

POLICY = """
require_approval = false
purposes = ["research"]
recipients = ["*@uni.example"]
legal_bases = ["consent"]
"""


def terms(request: str = REQUEST, policy: str = POLICY, waived: frozenset[str] = frozenset()):
    """What a request and a policy promise together."""
    return authorize(
        parse_request(request, subject="request"),
        parse_toml(Policy, policy, subject="policy"),
        small_family(),
        waived,
    )


def refused(
    request: str = REQUEST, policy: str = POLICY, waived: frozenset[str] = frozenset()
) -> set[str]:
    """The keys at which the policy refuses."""
    with pytest.raises(SchemaError) as caught:
        terms(request, policy, waived)
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


RELEASE = REQUEST.replace('"course"', '"release"')
LINKED = REQUEST.replace('"course"', '"linked"\nproject = "completion-study"')
PROJECTS = POLICY + 'projects = ["completion-study"]\n'
SHARE = "maximum_share = { final_result = 0.8 }"
ONE_SIDED = 'maximum_share = { final_result = { share = 0.5, values = ["Fail"] } }'
PROTECTS_FAILURE = POLICY + '[limits.one_sided]\nfinal_result = ["Fail"]\n'


def stated(*settings: str, text: str = REQUEST, release: str = "") -> str:
    """The request with these lines instead of its maximum share, and in `[release]`."""
    text = text.replace("[release.privacy]", f"{release}\n[release.privacy]")
    return text.replace(SHARE, "\n".join(settings))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (stated("m = 2"), "m"),
        (stated("m = 1", text=RELEASE), "m"),
        (stated("m = 1", text=LINKED), "m"),
        (stated("item_suppression_limit = 0.1"), "item_suppression_limit"),
        (stated("item_suppression_limit = 0.6", text=RELEASE), "item_suppression_limit"),
        (stated("l = { clicks = 2 }"), "l.clicks"),
        (stated("t = { gender = 0.2 }"), "t.gender"),
        (stated('t = { final_result = { t = 0.2, distance = "hierarchical" } }'),
         "t.final_result.distance"),
        (stated(ONE_SIDED), "maximum_share.final_result"),
        (stated("t = { final_result = 0.6 }"), "t.final_result"),
        # c / (1 + c) bounds the commonest value: 4 does at 0.8, the policy's largest share.
        (stated("l = { final_result = { recursive = { c = 4.1, l = 2 } } }"),
         "l.final_result.recursive.c"),
    ],
)  # fmt: skip
def test_privacy_that_the_scope_or_the_columns_do_not_allow(text: str, key: str):
    """Each is refused at its key under `[release.privacy]`, and nothing else is."""
    assert refused(text, PROJECTS) == {f"release.privacy.{key}"}


@pytest.mark.parametrize(
    ("release", "key"),
    [
        ('statistics = [{ column = "gender", values = ["F"] }]', "statistics.0.column"),
        ('statistics = [{ column = "clicks", values = ["x"] }]', "statistics.0.column"),
        ('statistics = [{ column = "final_result", values = ["Passed"] }]',
         "statistics.0.values"),
        ('statistics = [{ column = "final_result", values = ["Pass"], by = "final_result" }]',
         "statistics.0.by"),
    ],
)  # fmt: skip
def test_statistics_are_of_requested_columns(release: str, key: str):
    """Only of what is released, and of values that it has."""
    assert refused(stated(SHARE, release=release)) == {f"release.{key}"}


def test_a_statistic_of_a_requested_column_is_allowed():
    """By a quasi-identifier, of an unknown value too; the values of bins are not known here."""
    values = 'values = ["Pass", "(missing)"], by = "gender"'
    clicks = '{ column = "clicks", values = ["below 1"] }'
    asked = f'statistics = [{{ column = "final_result", {values} }}, {clicks}]'
    terms(stated(SHARE, release=asked).replace('"final_result"]', '"final_result", "clicks"]'))


def test_local_recoding_is_for_controlled_access():
    """A public release is recoded globally."""
    local = stated(SHARE, release='recoding = "local"')
    assert terms(local).recoding == "local"
    public = local.replace('"controlled"', '"public"').replace("k = 5", "k = 11")
    assert refused(public) == {"release.recoding"}


@pytest.mark.parametrize(
    ("bound", "values"),
    [
        ('{ share = 0.9, values = ["Fail"] }', "share"),
        ('{ share = 0.5, values = ["Pass"] }', "values"),
        ('{ share = 0.5, values = ["Fail", "Failed"] }', "values"),
    ],
)
def test_a_one_sided_share_protects_what_the_steward_says(bound: str, values: str):
    """Within the policy's share, at least its values, and no value that the column lacks."""
    text = stated(f"maximum_share = {{ final_result = {bound} }}")
    assert refused(text, PROTECTS_FAILURE) == {
        f"release.privacy.maximum_share.final_result.{values}"
    }


def test_a_one_sided_share_is_a_share_and_its_values():
    """The terms hold both."""
    found = terms(stated(ONE_SIDED), PROTECTS_FAILURE)
    assert found.maximum_share == {"final_result": 0.5}
    assert found.protected == {"final_result": ("Fail",)}


def test_l_takes_the_place_of_the_policy_s_share():
    """No share is added where l bounds the column; one that is asked for stays."""
    bound = "l = { final_result = 2 }"
    assert terms(stated(bound)).maximum_share == {}
    assert terms(stated(bound, SHARE)).maximum_share == {"final_result": 0.8}


def test_terms_of_sensitive_columns_are_the_request_s():
    """What the request says of l and t passes on as it is."""
    found = terms(stated("l = { final_result = 2 }", "t = { final_result = 0.2 }"))
    assert found.diversity["final_result"] == Distinct.model_validate(2)
    assert found.closeness["final_result"] == Closeness(t=0.2)


def test_the_policy_caps_the_share_of_rows_left_out():
    """Under release scope rows may be left out, up to the policy's limit; under course none."""
    assert terms(stated(SHARE, text=RELEASE)).item_suppression_limit == 0.2
    assert terms(stated(SHARE)).item_suppression_limit == 0.0
    strict = POLICY + "[limits]\nitem_suppression = 0.1\n"
    assert refused(stated(SHARE, text=RELEASE), strict) == {
        "release.privacy.item_suppression_limit"
    }


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
    """Release scope protects against knowledge of all items, or of fewer; course scope of one."""
    assert terms().m == 1
    assert terms(RELEASE).m == "full"
    assert terms(RELEASE.replace("k = 5", "k = 5\nm = 2")).m == 2


def test_linked_scope_knows_what_release_scope_knows():
    """All items, or fewer where the request says so; rows may be left out for them."""
    assert terms(LINKED, PROJECTS).m == "full"
    assert terms(LINKED.replace("k = 5", "k = 5\nm = 3"), PROJECTS).m == 3
    assert terms(LINKED, PROJECTS).item_suppression_limit == 0.2


@pytest.mark.parametrize("policy", [POLICY, POLICY + 'projects = ["another"]\n'])
def test_only_projects_of_the_policy_are_linked(policy: str):
    """No project is, where the policy names none."""
    assert refused(LINKED, policy) == {"release.project"}


def test_whether_it_was_approved_is_not_judged_here():
    """The terms are the same, required or not: approvals are the registry's matter."""
    assert terms(policy=POLICY.replace("false", "true")) == terms()


def test_a_waived_column_gets_no_share():
    """The policy's maximum share falls away; what the request asks for stays."""
    waived = frozenset({"final_result"})
    assert terms(stated(), waived=waived).maximum_share == {}
    assert terms(stated(SHARE), waived=waived).maximum_share == {"final_result": 0.8}
    asked = terms(stated("t = { final_result = 0.2 }"), waived=waived)
    assert (asked.maximum_share, len(asked.closeness)) == ({}, 1)


@pytest.mark.parametrize("name", ["gender", "clicks", "nonsense"])
def test_only_requested_sensitive_columns_are_waived(name: str):
    """A name that is none of them would waive nothing: it is refused, as a mistake."""
    assert refused(waived=frozenset({name, "final_result"})) == {"waived"}


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


def test_t_comes_on_top_of_the_policy_s_share():
    """Where most have one value, a class of that value alone is within t of everybody."""
    assert terms(stated("t = { final_result = 0.2 }")).maximum_share == {"final_result": 0.8}
    recursive = "l = { final_result = { recursive = { c = 4.0, l = 2 } } }"
    assert terms(stated(recursive)).maximum_share == {}


HOUSE = "epsilon_per_family = 4.0\ndelta = 1e-9\n"


def budget(text: str):
    """The budget of a policy."""
    return parse_toml(Policy, f"{POLICY}[budget]\n{text}", subject="policy").budget


def test_a_budget_as_the_house_writes_it():
    """Pure, and nobody has less than the family."""
    found = budget(HOUSE)
    assert (found.epsilon_per_family, found.delta, found.regime) == (4.0, 1e-9, "pure")
    assert (found.epsilon_per_purpose, found.epsilon_per_recipient) == (None, None)
    assert parse_toml(Policy, POLICY, subject="policy").budget is None
    assert budget(HOUSE.replace("1e-9", "0.00099")).delta == 0.00099
    full = 'epsilon_per_purpose = 4\nepsilon_per_recipient = 0.5\nregime = "zcdp"'
    assert budget(HOUSE + full).epsilon_per_recipient == 0.5


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("delta = 1e-9", "epsilon_per_family"),
        ("epsilon_per_family = 4.0", "delta"),
        (HOUSE.replace("4.0", "0"), "epsilon_per_family"),
        (HOUSE.replace("4.0", "1e-7"), "epsilon_per_family"),
        (HOUSE.replace("4.0", "inf"), "epsilon_per_family"),
        (HOUSE.replace("4.0", "1001"), "epsilon_per_family"),
        (HOUSE.replace("4.0", '"4"'), "epsilon_per_family"),
        (HOUSE.replace("1e-9", "0"), "delta"),
        (HOUSE.replace("1e-9", "1e-3"), "delta"),
        (f"{HOUSE}epsilon_per_purpose = 4.1", "epsilon_per_purpose"),
        (f"{HOUSE}epsilon_per_recipient = 5", "epsilon_per_recipient"),
        (f"{HOUSE}epsilon_per_recipient = 0", "epsilon_per_recipient"),
        (f'{HOUSE}regime = "renyi"', "regime"),
        (f"{HOUSE}epsilon = 1", "epsilon"),
    ],
)
def test_a_budget_that_is_none(text: str, key: str):
    """Each part is a number that a ledger can hold, and no part exceeds the whole."""
    with pytest.raises(SchemaError) as caught:
        budget(text)
    assert [violation.key for violation in caught.value.violations] == [f"budget.{key}"]
