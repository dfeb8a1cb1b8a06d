"""Format 1 of the audit chain's hashes: these values stand in registries, and never change."""

import hashlib
import json
import random
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.governance.sealing import ORIGIN, entry_hash, is_hash, row_hasher, rows_digest

INDIA = timezone(timedelta(hours=5, minutes=30))
AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
ROW = {
    "created_at": AT,
    "expires_on": date(2027, 2, 28),
    "k": 5,
    "title": 'Zoë "asked"\n\x7f\\ 😀',
    "project": None,
}
ENTRY = {
    "id": 7,
    "at": AT,
    "actor": "s.ahn@platform.example",
    "login": "sahn",
    "kind": "request.approve",
    "subject": "ab" * 32,
    "detail": None,
    "rows": '{"request_event": [1, "' + "cd" * 32 + '"]}',
    "previous": ORIGIN,
}


class Word(StrEnum):
    """A text that has a name."""

    ONE = "one"


def hashed(row) -> str:
    names = sorted(row)
    return row_hasher(names)([row[name] for name in names]).hex()


def test_the_hash_of_a_row():
    """The text that is hashed, and its SHA-256."""
    text = (
        r'{"created_at":"2026-03-01 12:30:15.250000","expires_on":"2027-02-28","k":5,'
        r'"title":"Zo\u00eb \"asked\"\n\u007f\\ \ud83d\ude00"}'
    )
    assert hashed(ROW) == hashlib.sha256(text.encode()).hexdigest()
    assert hashed(ROW) == "6b1254b7a4d1db3e23bea64c01c66369e6e2fe064db09adb964540c3acb33a7c"
    assert hashed({}) == hashlib.sha256(b"{}").hexdigest()


def test_the_hash_of_an_entry():
    """Over all its cells but for the hash itself."""
    assert entry_hash(ENTRY) == entry_hash({**ENTRY, "hash": "x"})
    assert entry_hash(ENTRY) == "957d8d2415b4bb6dca30645ca7201334e281c878846235be6351a9298ced60a7"


def test_the_digest_of_rows():
    """Whatever their order, and however often one stands there."""
    hashes = [hashlib.sha256(bytes([i])).digest() for i in range(50)]
    hashes += [bytes(32), bytes(31) + b"\1", b"\0" + bytes([255] * 31), hashes[0]]
    expected = hashlib.sha256(b"".join(sorted(hashes))).hexdigest()
    random.Random(3).shuffle(hashes)
    assert rows_digest(bytearray(b"".join(hashes))) == expected
    assert rows_digest(bytearray(b"".join(hashes[1:]))) != expected
    assert expected == "721c70a6cf55a883b0d390f11f4b7ec9c7f0d273c1ccbe3de308bc2387842a64"


def test_an_instant_is_one_in_every_zone():
    """And a text that a database gives for it is as good."""
    assert hashed({"at": AT}) == hashed({"at": AT.astimezone(INDIA)})
    assert hashed({"at": AT}) == hashed({"at": "2026-03-01 12:30:15.250000"})
    assert hashed({"at": AT}) == hashed({"at": AT.replace(tzinfo=None)})
    assert hashed({"at": AT}) != hashed({"at": AT + timedelta(microseconds=1)})


def test_a_column_that_is_null_is_not_there():
    """So that a later column leaves older rows as they are; an empty text is no null."""
    assert hashed({"a": "x", "b": None}) == hashed({"a": "x"})
    assert hashed({"a": "x", "b": ""}) != hashed({"a": "x"})


def test_texts_and_numbers_are_apart():
    """Nor does a cell reach into its neighbour."""
    assert hashed({"a": 1}) != hashed({"a": "1"})
    assert hashed({"a": 'x","b":"y'}) != hashed({"a": "x", "b": "y"})
    assert hashed({"a": Word.ONE}) == hashed({"a": "one"})


@pytest.mark.parametrize("cell", [True, 1.5, float("nan"), b"x", [], {"a": 1}, 1j])
def test_what_is_no_cell(cell):
    """Databases would not give it back as it is."""
    with pytest.raises(TypeError, match="no cell of a governed row"):
        hashed({"a": cell})


CELL = st.none() | st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1)


@given(st.dictionaries(st.sampled_from("abcdef"), CELL))
@settings(deadline=None, max_examples=100)
def test_a_row_is_hashed_as_its_json(row):
    """As the documentation says, by the library that writes JSON."""
    kept = {name: cell for name, cell in row.items() if cell is not None}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    assert hashed(row) == hashlib.sha256(text.encode()).hexdigest()


def test_what_could_be_a_hash():
    """64 hex digits, as they are written here."""
    assert is_hash(ORIGIN)
    assert not any(map(is_hash, ["", "0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n", None, 5]))
