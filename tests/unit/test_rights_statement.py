"""How a learner is known, and what may be stated of him."""

from datetime import UTC, datetime

import polars as pl
import pytest

from anonymizer.eligibility import State
from pipelines.errors import RightsError
from pipelines.governance.rights import Statement, registry_digests
from tests.reference.pseudonym import hmac_sha256

KEY = bytes(range(32))
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SAID = {"state": State.WITHDRAWN, "purpose": "Research", "scope": "course : 14.0"}


def test_digests():
    """Digests are HMAC-SHA256 in full, blanks are no part of an id, nulls stay null."""
    found = registry_digests(pl.Series("id", ["ann", " ann ", None], dtype=pl.String), KEY)
    expected = hmac_sha256(KEY, b"ann").hex()
    assert found.to_list() == [expected, expected, None]


def test_a_statement_is_normalized():
    """A statement of a program is held to the rules of a file."""
    said = Statement(**SAID, effective_from=NOW)
    assert (said.purpose, said.scope) == ("research", "course:14")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": State.NO_RECORD}, "no statement"),
        ({"ends": State.ERASED}, "only a state that restricts"),
        ({"ends": State.GRANTED}, "only a state that restricts"),
        ({"purpose": "any"}, "write \\*"),
        ({"purpose": ""}, "no purpose"),
        ({"scope": "x"}, "unknown scope"),
        ({"effective_from": NOW.replace(tzinfo=None)}, "time zone"),
        ({"effective_to": NOW}, "not after"),
        ({"state": State.ERASED}, "erased in part"),
        ({"note": "two\nlines"}, "unseen characters"),
        ({"jurisdiction": "G\0B"}, "unseen characters"),
        ({"purpose": "x\udcff"}, "unseen characters"),
    ],
)
def test_a_statement_refuses_itself(change, words):
    """What can't be meant, or means several things, is no statement."""
    with pytest.raises(RightsError, match=words):
        Statement(**{**SAID, "effective_from": NOW} | change)
