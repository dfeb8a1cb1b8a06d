"""Sharing rules: to whom a release may go, whose rows may go there, how long it may be kept."""

from datetime import date

import pytest

from schemas.declaration import parse_toml
from schemas.policy import Policy, policy_sha256
from schemas.sharing import admitted, expires_on, place_of, recipient_admitted, same_place
from schemas.violations import SchemaError
from tests.unit.test_policy import POLICY, refused, terms
from tests.unit.test_request import REQUEST

PLACES = """
[places]
"*@med.uni.example" = "US"
"*@uni.example" = "EU"
"*@college.example" = "US"
"*@rio.example" = "BR"
"""
TRANSFERS = (
    PLACES
    + """
[transfers]
EU = ["EU", "US"]
BR = ["BR"]
IN = []
CC0 = ["*"]
"*" = ["EU"]
"""
)
NO_REST = TRANSFERS.replace('"*" = ["EU"]', "")
OCCUR = ("*", "BR", "CC0", "EU", "IN", "KE")
IN_EU, IN_US, IN_BR = "lee@uni.example", "roe@college.example", "dias@rio.example"


def policy(text: str = "", head: str = POLICY) -> Policy:
    """The policy of these tests, and this."""
    return parse_toml(Policy, head + text, subject="policy")


@pytest.mark.parametrize(
    ("rules", "researcher", "access", "found"),
    [
        # Without transfers only the policy's jurisdictions count, and `*` is any of them.
        ("", IN_EU, "controlled", "* BR CC0 EU IN KE"),
        (PLACES, "x@elsewhere.example", "public", "* BR CC0 EU IN KE"),
        ('jurisdictions = ["EU", "BR", "FR"]', IN_EU, "controlled", "BR EU"),
        # With them: the row of the jurisdiction, or else the row of all others.
        (TRANSFERS, IN_EU, "controlled", "CC0 EU KE"),
        (TRANSFERS, IN_US, "controlled", "CC0 EU"),
        (TRANSFERS, IN_BR, "controlled", "BR CC0"),
        (NO_REST, IN_EU, "controlled", "CC0 EU"),
        (TRANSFERS.replace('"*" = ["EU"]', '"*" = ["*"]'), IN_BR, "controlled", "BR CC0 KE"),
        # A public release goes everywhere, and somebody unknown may be anywhere.
        (TRANSFERS, IN_EU, "public", "CC0"),
        (TRANSFERS.replace('"*" = ["EU"]', '"*" = ["*"]'), IN_EU, "public", "CC0 KE"),
        (TRANSFERS, "x@elsewhere.example", "controlled", "CC0"),
        # The policy's jurisdictions filter first.
        ('jurisdictions = ["EU", "BR", "FR"]' + TRANSFERS, IN_EU, "controlled", "EU"),
        # Case plays no part, in the table, of the places, nor in what the policy admits.
        (TRANSFERS.replace("EU", "eu"), IN_EU, "controlled", "CC0 EU KE"),
        (PLACES + '[transfers]\neu = ["us"]', IN_US, "controlled", "EU"),
        ('jurisdictions = ["eu", "Br"]', IN_EU, "controlled", "BR EU"),
        # Two rows of one name both hold.
        (TRANSFERS + 'eu = ["US"]', IN_EU, "controlled", "CC0 KE"),
        # An empty table forbids everything.
        ("[transfers]", IN_EU, "controlled", ""),
    ],
)  # fmt: skip
def test_whose_rows_may_go_there(rules: str, researcher: str, access: str, found: str):
    """Default deny: a jurisdiction goes only where its own row, or the row `*`, says so."""
    assert admitted(policy(rules), researcher, OCCUR, access=access) == tuple(found.split())


PARENTS = (
    PLACES
    + """
[transfers]
EU = ["EU"]
EU-DE = ["EU", "US"]
US = []
"*" = ["*"]
"""
)


@pytest.mark.parametrize(
    ("occurs", "researcher", "goes"),
    [
        ("EU-FR", IN_EU, True),
        ("EU-FR", IN_US, False),
        ("eu-fr-idf", IN_US, False),
        ("EU-DE", IN_US, True),
        ("eu-de-by", IN_US, True),
        ("US-CA", IN_US, False),
        ("EUROPE", IN_US, True),
        ("BR-SP", IN_US, True),
    ],
)
def test_a_jurisdiction_within_another(occurs: str, researcher: str, goes: bool):
    """It has the row of what it lies in before the row of all others, and keeps its name."""
    found = admitted(policy(PARENTS), researcher, [occurs], access="controlled")
    assert found == ((occurs,) if goes else ())
    listed = policy('jurisdictions = ["EU"]')
    assert admitted(listed, researcher, [occurs], access="controlled") == ()


@pytest.mark.parametrize("rules", [TRANSFERS, 'jurisdictions = ["EU"]'])
def test_a_record_that_holds_everywhere_admits_no_other(rules: str):
    """`*` among what occurs must not come back, for eligibility would take it for any."""
    assert "*" not in admitted(policy(rules), IN_EU, ["*", "EU"], access="controlled")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (IN_EU, "EU"),
        ("Lee@UNI.example", "EU"),
        ("roe@med.uni.example", "US"),
        (IN_US, "US"),
        ("lee@shop.example", None),
        ("x@evil lee@uni.example", None),
        ("uni.example", None),
    ],
)
def test_where_a_recipient_is(address: str, place: str | None):
    """The first pattern that matches says it, whatever the case of the address."""
    assert place_of(policy(PLACES), address) == place


def test_the_first_place_in_the_file_counts():
    """A general pattern before a special one hides it."""
    lines = PLACES.strip().split("\n")
    swapped = "\n".join([lines[0], '"*@*" = "EU"', *lines[1:]])
    assert place_of(policy(swapped), IN_US) == "EU"


@pytest.mark.parametrize(
    ("rules", "other", "same"),
    [
        ("", "x@elsewhere.example", True),
        (PLACES, IN_US, True),
        (TRANSFERS, IN_US, False),
        (TRANSFERS, "x@elsewhere.example", False),
        (TRANSFERS, "kim@uni.example", True),
        (
            TRANSFERS.replace("[transfers]", '"*@annex.example" = "eu"\n[transfers]'),
            "kim@annex.example",
            True,
        ),
    ],
)
def test_where_a_release_may_be_passed_on(rules: str, other: str, same: bool):
    """To another recipient in the same place; anywhere, where places play no part."""
    assert same_place(policy(rules), IN_EU, other) is same
    assert same_place(policy(rules), other, IN_EU) is same
    assert same_place(policy(rules), "y@nowhere.example", "z@nowhere.example") is (
        "[transfers]" not in rules
    )


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (IN_EU, True),
        ("R.Lee@Uni.Example", True),
        (IN_US, False),
        ("x@evil lee@uni.example", False),
        ("uni.example", False),
    ],
)
def test_who_may_receive(address: str, found: bool):
    """The policy's recipients are patterns of one address each; `*` is everybody."""
    assert recipient_admitted(policy(), address) is found
    everybody = policy(head=POLICY.replace("*@uni.example", "*"))
    assert recipient_admitted(everybody, address)


def test_a_recipient_whose_place_is_not_known():
    """Transfer rules need the place; a public release goes everywhere, and needs none."""
    rules = POLICY.replace("*@uni.example", "*") + TRANSFERS
    asked = REQUEST.replace("r.lee@uni.example", "r.lee@shop.example")
    assert refused(asked, rules) == {"researcher"}
    assert "researcher" not in refused(asked.replace("controlled", "public"), rules)
    assert terms(REQUEST, rules).k == 5
    assert terms(asked, POLICY.replace("*@uni.example", "*") + PLACES).k == 5


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        ('[places]\n"*@uni.example" = "*"', "places.*@uni.example"),
        ('[places]\n"*@uni.example" = ""', "places.*@uni.example"),
        ('[places]\n"" = "EU"', "places..[key]"),
        ('[transfers]\nEU = "EU"', "transfers.EU"),
        ('projects = ["../keys"]', "projects.0"),
        ('projects = ["a", "a"]', "projects"),
        ("[retention]\ndays = 0", "retention.days"),
        ("[retention]\nyears = 1", "retention.years"),
    ],
)
def test_sharing_rules_that_say_nothing(rules: str, key: str):
    """A policy whose rules can't be meant is refused at their key."""
    with pytest.raises(SchemaError) as caught:
        policy(rules)
    assert [violation.key for violation in caught.value.violations] == [key]


@pytest.mark.parametrize(
    ("rules", "access", "last"),
    [
        ("", "controlled", None),
        ("[retention]\ndays = 365", "controlled", date(2027, 1, 31)),
        ("[retention]\ndays = 1", "controlled", date(2026, 2, 1)),
        ("[retention]\ndays = 365", "public", None),
    ],
)
def test_how_long_a_release_may_be_kept(rules: str, access: str, last: date | None):
    """So many days; a public one can't be taken back, and does not expire."""
    assert expires_on(policy(rules), access, date(2026, 1, 31)) == last


def test_the_hash_of_a_policy_is_of_what_it_says():
    """Layout, comments and the order of keys don't count; every rule does."""
    said = policy_sha256(policy(TRANSFERS))
    assert policy_sha256(policy(TRANSFERS + "# so be it\n")) == said
    rows = TRANSFERS.replace('BR = ["BR"]\n', "") + 'BR = ["BR"]\n'
    assert policy_sha256(policy(rows)) == said
    for rule in ("", PLACES, NO_REST, TRANSFERS + "[retention]\ndays = 9", "minors = true"):
        assert policy_sha256(policy(rule)) != said


def test_the_order_of_places_is_part_of_what_a_policy_says():
    """The first match counts, so two orders are two policies."""
    first, second = ('"a@*" = "EU"', '"*@b" = "US"')
    hashes = {
        policy_sha256(policy(f"[places]\n{one}\n{two}"))
        for one, two in ((first, second), (second, first))
    }
    assert len(hashes) == 2
