from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.eligibility import (
    PURPOSE_BOUND,
    RECORD_SCHEMA,
    STRICTNESS,
    State,
    bearing,
    decide,
    eligible,
)
from anonymizer.endings import ENDING_SCHEMA, until_ended
from anonymizer.errors import CoreError
from tests.reference.eligibility import deciding_state
from tests.reference.eligibility import until_ended as until_ended_slowly

NOW = datetime(2024, 6, 1, tzinfo=UTC)
POLICY = {
    "purpose": "research",
    "known_purposes": ["research", "marketing"],
    "cut_off": NOW,
    "legal_bases": ["consent"],
    "jurisdictions": ["EU", "US"],
}
PAIRS = pl.DataFrame({"id": ["ann", "ann", "bob"], "course": ["x", "y", "x"]})
RESTRICTIVE = [s for s in State if s not in (State.NO_RECORD, State.GRANTED)]


def record(learner="ann", state="granted", **cells):
    """A record in force that permits everything, but for what is said."""
    row = {
        "learner": learner,
        "purpose": "research",
        "scope": "*",
        "state": state,
        "legal_basis": "consent",
        "jurisdiction": "EU",
        "effective_from": NOW - timedelta(days=9),
        "effective_to": None,
        "received_at": NOW - timedelta(days=8),
    }
    return row | cells


def permitted(*records, item="course", **policy):
    """The permitted pairs of PAIRS under these records."""
    table = pl.DataFrame(list(records), schema=RECORD_SCHEMA)
    pairs = PAIRS if item else PAIRS.select("id").unique(maintain_order=True)
    return eligible(pairs, table, **POLICY | policy, learner="id", item=item).allowed.rows()


ANN = [("ann", "x"), ("ann", "y")]

instants = st.integers(-2, 2).map(lambda days: NOW + timedelta(days=days))
records_ = st.builds(
    record,
    learner=st.sampled_from(["ann", "bob", "eve", None]),
    state=st.sampled_from(["granted"] * 8 + [str(s) for s in State]),
    purpose=st.sampled_from(["research", "*", "marketing", "reserch"]),
    scope=st.sampled_from(["*", "*", "course:x", "course:y", "course:", "partner:x", "nonsense"]),
    legal_basis=st.sampled_from(["consent", "consent", "contract", None]),
    jurisdiction=st.sampled_from(["EU", "*", "IN", None]),
    effective_from=instants,
    effective_to=st.none() | instants,
    received_at=instants,
)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(records_, max_size=7),
    st.lists(st.tuples(st.sampled_from(["ann", "bob", "cid"]), st.sampled_from("xyz")), max_size=5),
    st.booleans(),
    st.sampled_from([["EU"], ["*"], []]),
)
def test_twin(records, rows, by_item, jurisdictions):
    """Pairs, their order and the counts agree with reading one record at a time."""
    policy = POLICY | {"jurisdictions": jurisdictions}
    rows = rows if by_item else [(learner, None) for learner, _ in rows]
    deciding = [deciding_state(a, c, records, **policy) for a, c in rows]
    pairs = pl.DataFrame(rows, schema={"id": pl.String, "course": pl.String}, orient="row")
    table = pl.DataFrame(records, schema=RECORD_SCHEMA)
    item = "course" if by_item else None
    result = eligible(pairs, table, **policy, learner="id", item=item)
    expected = [pair for pair, state in zip(rows, deciding, strict=True) if state == "granted"]
    assert result.allowed.rows() == expected
    assert result.counts == Counter(deciding)


few = {
    "learner": st.sampled_from(["ann", "ann", "bob", None]),
    "purpose": st.sampled_from(["research", "research", "*"]),
    "scope": st.sampled_from(["*", "*", "course:x"]),
    "state": st.sampled_from(["granted", "withdrawn", "withdrawn", "restricted", "erased"]),
    "effective_from": instants,
    "effective_to": st.none() | instants,
    "received_at": instants,
    "ends": st.sampled_from([None, "withdrawn", "withdrawn", "restricted", "erased"]),
}
histories = st.lists(st.builds(record, **few), max_size=9).map(
    lambda said: [row | {"id": number} for number, row in enumerate(said)]
)


@settings(deadline=None, max_examples=100)
@given(histories, st.integers(0, 9), st.randoms())
def test_ends_twin(records, split, random):
    """Ends agree with comparing every two records, whatever the parts and the order read."""
    expected = until_ended_slowly(records, NOW)
    table = pl.DataFrame(random.sample(records, len(records)), schema=ENDING_SCHEMA)
    ending = table.filter(pl.col("ends").is_not_null())
    parts = [table[:split], table[split:]]
    found = pl.concat(until_ended(part, ending, cut_off=NOW) for part in parts)
    assert found.schema == RECORD_SCHEMA
    slow = pl.DataFrame(expected, schema=RECORD_SCHEMA)
    order = table["id"].to_list()
    assert found.rows() == [slow.row(number) for number in order]
    # Ends that begin after the cut-off, and records that are over, change nothing at it.
    begun = ending.filter(pl.col("effective_from") <= NOW)
    running = pl.col("effective_to").is_null() | (pl.col("effective_to") > NOW)
    kept = until_ended(table.filter(running), begun, cut_off=NOW)
    for item in ("course", None):
        pairs = PAIRS if item else PAIRS.select("id").unique()
        results = [
            eligible(pairs, each, **POLICY, learner="id", item=item) for each in (slow, kept)
        ]
        assert results[0].counts == results[1].counts


@settings(deadline=None, max_examples=50)
@given(st.lists(records_, max_size=7), st.integers(0, 7), st.booleans())
def test_parts_say_what_the_whole_says(records, split, by_item):
    """What two parts of the records say, in any order, decides as the whole does."""
    table = pl.DataFrame(records, schema=RECORD_SCHEMA)
    item = "course" if by_item else None
    parts = [bearing(part, **POLICY, by_item=by_item) for part in (table[split:], table[:split])]
    found = decide(PAIRS, pl.concat(parts), learner="id", item=item)
    whole = eligible(PAIRS, table, **POLICY, learner="id", item=item)
    assert found.counts == whole.counts
    assert found.allowed.equals(whole.allowed)


def ended(*records, cut_off=NOW):
    """The permitted pairs of PAIRS under these records, recorded in this order."""
    rows = [{"ends": None} | row | {"id": number} for number, row in enumerate(records)]
    table = pl.DataFrame(rows, schema=ENDING_SCHEMA)
    until = until_ended(table, table, cut_off=cut_off)
    policy = POLICY | {"cut_off": cut_off}
    return eligible(PAIRS, until, **policy, learner="id", item="course").allowed.rows()


LATER = NOW - timedelta(days=2)
WITHDRAWN = record(state="withdrawn")
BEFORE = WITHDRAWN["effective_from"] - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("later", "permits"),
    [
        ({"ends": None}, False),
        ({"ends": "withdrawn"}, True),
        ({"ends": "objected"}, False),
        ({"ends": "withdrawn", "purpose": "*"}, False),
        ({"ends": "withdrawn", "scope": "course:x"}, False),
        ({"ends": "withdrawn", "learner": "eve"}, False),
        ({"ends": "withdrawn", "effective_from": NOW}, True),
        ({"ends": "withdrawn", "effective_from": NOW + timedelta(seconds=1)}, False),
        ({"ends": "withdrawn", "received_at": NOW + timedelta(seconds=1)}, False),
        ({"ends": "withdrawn", "effective_from": WITHDRAWN["effective_from"]}, True),
        ({"ends": "withdrawn", "effective_from": BEFORE}, False),
    ],
)
def test_consenting_anew(later, permits):
    """A later grant lifts a withdrawal where it says so, of the same purpose and scope."""
    grant = record(**{"effective_from": LATER, "received_at": LATER} | later)
    assert ended(record(), WITHDRAWN, grant) == (ANN if permits else [])


def test_only_what_came_before_is_ended():
    """Withdrawing after having consented anew counts; what a spent record ended stays ended."""
    grant = record(ends="withdrawn", effective_to=NOW)
    assert ended(WITHDRAWN, grant, record()) == ANN
    assert ended(record(), grant, WITHDRAWN) == []


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.builds(record, **few), max_size=6), st.lists(st.builds(record, **few), max_size=4)
)
def test_an_old_file_imported_again_changes_nothing(file, since):
    """What began after everything in a file is untouched by importing it once more."""
    early = [row | {"effective_from": row["effective_from"] - timedelta(days=9)} for row in file]
    once = ended(*early, *since)
    assert ended(*early, *since, *early) == once
    assert ended(*early, *early, *since) == once


def test_what_is_erased_stays_erased():
    """No record ends an erasure, nor what bears on everybody."""
    assert ended(record(state="erased"), record(ends="erased")) == []
    assert ended(record(None, "denied"), record(None, ends="denied")) == []


def test_ends_need_their_columns():
    """Records without number or ends are refused."""
    with pytest.raises(CoreError, match="'ends'"):
        until_ended(GOOD, GOOD, cut_off=NOW)


def test_every_state_has_a_strictness():
    """Each state has one rank, and those bound to a purpose are restrictive."""
    assert sorted(STRICTNESS) == sorted(State)
    assert set(RESTRICTIVE) >= PURPOSE_BOUND


def test_no_record_means_no():
    """Who is on no record, or only on one that says so, is not permitted."""
    assert permitted() == []
    assert permitted(record(state="no_record")) == []


def test_grant_permits_its_learner():
    """A grant permits its own learner, in every item."""
    assert permitted(record()) == ANN


@pytest.mark.parametrize("state", RESTRICTIVE)
def test_every_restrictive_state_wins(state):
    """Each restrictive state overrides a grant, the dataset-level grant, and a later grant."""
    later = record(effective_from=NOW - timedelta(days=1))
    assert permitted(record(), record(None), later, record(state=state)) == [("bob", "x")]


@pytest.mark.parametrize("state", RESTRICTIVE)
def test_purpose_of_a_restriction(state):
    """Denials, withdrawals and objections keep to a known purpose; the others know none."""
    assert permitted(record(), record(state=state, purpose="reserch")) == []
    kept = permitted(record(), record(state=state, purpose="marketing"))
    assert kept == (ANN if state in PURPOSE_BOUND else [])
    assert permitted(record(), record(state=state, purpose="*")) == []


@pytest.mark.parametrize(
    "cells",
    [
        {"legal_basis": "contract"},
        {"legal_basis": None},
        {"legal_basis": "*"},
        {"jurisdiction": "IN"},
        {"jurisdiction": None},
        {"purpose": "marketing"},
        {"scope": "partner:x"},
        {"scope": "course:z"},
        {"effective_from": NOW + timedelta(seconds=1)},
        {"effective_to": NOW},
        {"received_at": NOW + timedelta(microseconds=1)},
    ],
)
def test_grants_that_count_for_nothing(cells):
    """Another basis, jurisdiction, purpose, scope or time makes a grant no record."""
    assert permitted(record(**cells)) == []


def test_edges_of_the_interval():
    """A record counts from its first instant and its receipt, and no longer at its end."""
    assert permitted(record(effective_from=NOW, received_at=NOW)) == ANN
    over = record(state="withdrawn", effective_to=NOW)
    assert permitted(record(), over) == ANN
    running = record(state="withdrawn", effective_to=NOW + timedelta(microseconds=1))
    assert permitted(record(), running) == []


def test_restrictions_need_no_basis_or_jurisdiction():
    """A withdrawal counts whatever basis and jurisdiction it names."""
    assert permitted(record(), record(state="withdrawn", legal_basis=None, jurisdiction="IN")) == []


def test_jurisdiction_wildcards():
    """A policy that admits any jurisdiction, and a grant that holds in any, both permit."""
    assert permitted(record(jurisdiction=None), jurisdictions=["*"]) == ANN
    assert permitted(record(jurisdiction="*")) == ANN


def test_course_scope():
    """A course-scoped record reaches its course only; any other kind reaches everything."""
    assert permitted(record(scope="course:y")) == [("ann", "y")]
    assert permitted(record(), record(state="denied", scope="course:y")) == [("ann", "x")]
    assert permitted(record(), record(state="denied", scope="partner:q")) == []


def test_learner_table_is_strict():
    """Without an item a restriction on one course blocks, and a grant on one gives nothing."""
    assert permitted(record(), item=None) == [("ann",)]
    assert permitted(record(), record(state="objected", scope="course:z"), item=None) == []
    assert permitted(record(scope="course:x"), item=None) == []


def test_dataset_level_records():
    """A record of nobody bears on everybody, for good and for bad, and outranks nothing."""
    assert permitted(record(None)) == PAIRS.rows()
    assert permitted(record(None), record("bob", "withdrawn")) == ANN
    assert permitted(record(), record(None, "legal_hold")) == []
    assert permitted(record(None), record(None, "denied", scope="course:x")) == [("ann", "y")]


def test_counts_add_up():
    """Counts are by the deciding state and sum to the pairs."""
    table = pl.DataFrame([record(), record("bob", "erased")], schema=RECORD_SCHEMA)
    result = eligible(PAIRS, table, **POLICY, learner="id", item="course")
    assert result.counts == {"granted": 2, "erased": 1}


GOOD = pl.DataFrame([record()], schema=RECORD_SCHEMA)


@pytest.mark.parametrize(
    "pairs, records, cut_off, words",
    [
        (PAIRS, GOOD, NOW.replace(tzinfo=None), "cut_off: has no time zone"),
        (PAIRS.with_columns(id=pl.lit(1)), GOOD, NOW, "expected a text column 'id'"),
        (PAIRS.drop("course"), GOOD, NOW, "expected a text column 'course'"),
        (PAIRS.with_columns(id=pl.lit(None, pl.String)), GOOD, NOW, "'id' holds nulls"),
        (PAIRS, GOOD.drop("scope"), NOW, "expected a column 'scope'"),
        (PAIRS, GOOD.with_columns(state=pl.lit("Withdrawn")), NOW, "unknown state"),
        (PAIRS, GOOD.with_columns(purpose=pl.lit(None, pl.String)), NOW, "'purpose' holds nulls"),
    ],
)
def test_refusals(pairs, records, cut_off, words):
    """Input whose meaning is in doubt is refused by the name of its column."""
    with pytest.raises(CoreError, match=words):
        eligible(pairs, records, **POLICY | {"cut_off": cut_off}, learner="id", item="course")
