"""The rights registry behaves the same on every database."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest
from sqlalchemy import select

from anonymizer.eligibility import RECORD_SCHEMA, State, eligible
from pipelines.errors import RightsError, RoleError
from pipelines.governance import rights_as_of as as_of
from pipelines.governance.rights import (
    Statement,
    erased,
    history,
    import_rights,
    learner_digest,
    record_dataset_basis,
    set_state,
)
from pipelines.governance.rights_as_of import rights_as_of
from pipelines.governance.rights_file import COLUMNS
from pipelines.governance.rights_standing import standing
from pipelines.governance.tables import Action
from pipelines.keys import create_keys, registry_key
from pipelines.people import EVERY_DUTY, Actor, Duty
from pipelines.permitted import permitted
from pipelines.settings import Workspace
from pipelines.views import COURSE, LEARNER
from schemas.policy import Policy
from tests.reference.pseudonym import hmac_sha256

NOW = datetime(2024, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)
START = datetime(2024, 1, 1, tzinfo=UTC)
SAM = Actor("sam@uni.example", "sam", EVERY_DUTY)
POLICY = Policy(purposes=("research", "teaching"), recipients=("*",), legal_bases=("consent",))
LINE = "{},research,*,granted,consent,{},v1,2024-01-01,,portal,"
GRANTED = Statement(State.GRANTED, "research", "*", START, legal_basis="consent", jurisdiction="EU")
WITHDRAWN = Statement(State.WITHDRAWN, "research", "*", START)
ERASED = Statement(State.ERASED, "*", "*", START, note="art. 17")
OCCURRING = pl.DataFrame(
    [("ann", "x"), ("ann", "y"), ("bob", "x"), ("cid", "x"), ("dan", "y")],
    schema={LEARNER: pl.String, COURSE: pl.String},
    orient="row",
)
ANN, BOB, CID = [("ann", "x"), ("ann", "y")], [("bob", "x")], [("cid", "x")]


@pytest.fixture
def workspace(registry_url, registry, tmp_path):
    """A workspace on the registry, with a key."""
    create_keys(tmp_path)
    address = registry_url.render_as_string(hide_password=False)
    return Workspace(tmp_path, {}, POLICY, {}, address)


@pytest.fixture
def digest(workspace):
    """How the registry knows a learner."""
    key = registry_key(workspace.root)
    return lambda name: learner_digest(name, key)


@pytest.fixture
def load(registry, workspace, tmp_path):
    """Import these lines."""

    def load(*lines):
        file = tmp_path / "rights.csv"
        file.write_text("\n".join([",".join([*COLUMNS, "ends"]), *lines]), encoding="utf-8")
        key = registry_key(workspace.root)
        return import_rights(registry, file, registry_key=key, received_at=NOW, actor=SAM)

    return load


@pytest.fixture
def state(registry, workspace, digest):
    """Record a statement of a learner."""
    key = registry_key(workspace.root)

    def state(name, statement, *, at=NOW, actor=SAM):
        set_state(registry, [digest(name)], statement, registry_key=key, actor=actor, at=at)

    return state


@pytest.fixture
def ask(workspace):
    """Who is permitted: the pairs of OCCURRING, and everything else that is said of them."""

    def ask(*, scope="course", policy=POLICY, **options):
        release = SimpleNamespace(access="controlled")
        request = SimpleNamespace(
            purpose="Research", source="small", researcher="r@uni.example", release=release
        )
        plan = SimpleNamespace(item="course", course_scope=scope == "course", request=request)
        place = replace(workspace, policy=policy)
        options = {"cut_off": NOW} | options
        found = permitted(OCCURRING, plan, place, **options)
        return sorted(found.allowed.rows()), found

    return ask


def actions(registry):
    """Kind, subject and detail of all that was done."""
    with registry.connect() as connection:
        query = select(Action.kind, Action.subject, Action.detail, Action.actor, Action.at)
        theirs = query.where(Action.kind != "key.create")
        return [tuple(row) for row in connection.execute(theirs.order_by(Action.id))]


def test_import_is_one_recorded_action(registry, load, digest):
    """Every cell comes back; who imported what and when is on record, and names no learner."""
    result = load(LINE.format("ann", "EU"), "bob,*,course:x,denied,,,,2024-05-01T10:00+02:00,,,")
    assert result.counts == {"denied": 1, "granted": 1}
    parts = list(rights_as_of(registry, source="small", cut_off=NOW))
    found = pl.concat(parts).sort("state")
    denied = datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert found.schema == RECORD_SCHEMA
    assert found.rows() == [
        (digest("bob"), "*", "course:x", "denied", None, None, denied, None, NOW),
        (digest("ann"), "research", "*", "granted", "consent", "EU", START, None, NOW),
    ]
    said = ("rights.import", "a file", "1 denied, 1 granted", SAM.name, NOW)
    assert actions(registry) == [said]


def test_an_erased_learner_is_not_imported_again(registry, load, state, ask):
    """A file that names an erased learner in another state is refused whole, by line numbers."""
    load(LINE.format("bob", "EU"))
    state("ann", ERASED)
    lines = [LINE.format(name, "EU") for name in ("cid", "ann", "ann", "dan")]
    with pytest.raises(RightsError, match=r"2 of a learner who was erased.* \(in lines 3, 4\)"):
        load(*lines)
    assert ask()[0] == BOB
    assert [kind for kind, *_ in actions(registry)] == ["rights.import", "rights.set"]
    load("ann,*,*,erased,,,,2024-01-01,,mail,", LINE.format("cid", "EU"))
    assert ask()[0] == [*BOB, *CID]


def test_nothing_but_reading_of_an_erased_learner(registry, workspace, state, digest):
    """No statement is recorded of an erased learner, under none of the ids."""
    key = registry_key(workspace.root)
    state("ann", ERASED)
    ids = [digest("bob"), digest("ann")]
    assert erased(registry, ids) == {digest("ann")}
    for statement in (GRANTED, WITHDRAWN):
        with pytest.raises(RightsError, match="was erased"):
            set_state(registry, ids, statement, registry_key=key, actor=SAM, at=NOW)
    assert [entry.state for entry in history(registry, ids)] == ["erased"]


def test_only_a_steward_states(state, registry):
    """Neither a researcher nor an engineer records what a learner said."""
    for duty in (Duty.RESEARCHER, Duty.ENGINEER):
        with pytest.raises(RoleError):
            state("ann", WITHDRAWN, actor=Actor("x", "x", frozenset({duty})))
    assert actions(registry) == []


def test_withdrawing_and_consenting_anew(state, ask, load):
    """One command each; a later grant that ends nothing lifts nothing; the past stays as it was."""
    load(LINE.format("ann", "EU"), LINE.format("bob", "EU"))
    state("ann", WITHDRAWN, at=NOW + timedelta(days=1))
    state("ann", GRANTED, at=NOW + timedelta(days=2))
    anew = replace(GRANTED, ends=State.WITHDRAWN, effective_from=NOW + timedelta(days=3))
    state("ann", anew, at=NOW + timedelta(days=3))
    both = [*ANN, *BOB]
    seen = {n: ask(cut_off=NOW + timedelta(days=n))[0] for n in range(4)}
    assert seen == {0: both, 1: BOB, 2: BOB, 3: both}


def test_a_basis_for_a_source(registry, ask, state):
    """A dataset-level grant permits all but the stricter, and is on record as an action."""
    record_dataset_basis(
        registry, source="small", state=State.GRANTED, legal_basis="consent", note="CC BY",
        received_at=NOW, effective_from=NOW, actor=SAM,
    )  # fmt: skip
    record_dataset_basis(
        registry, source="other", state=State.GRANTED, legal_basis="consent", note="CC BY",
        received_at=NOW, effective_from=NOW, actor=SAM,
    )  # fmt: skip
    state("bob", WITHDRAWN)
    rows, found = ask()
    assert rows == sorted(set(OCCURRING.rows()) - set(BOB))
    assert found.jurisdictions == ()
    assert actions(registry)[0] == ("rights.basis", "small", "granted, consent", SAM.name, NOW)


@pytest.mark.parametrize("scope", ["course", "release"])
def test_parts_and_order_change_nothing(ask, load, state, monkeypatch, scope):
    """Who is permitted, what decided and the digest don't depend on how the records are read."""
    load(*(LINE.format(n, "EU") for n in ("dan", "bob", "ann", "eve")))
    record = replace(WITHDRAWN, scope="course:y")
    state("ann", record)
    state("dan", WITHDRAWN)
    state("dan", replace(GRANTED, ends=State.WITHDRAWN))
    state("eve", WITHDRAWN)
    rows, whole = ask(scope=scope)
    assert rows == [*ANN[:1], *BOB, ("dan", "y")] if scope == "course" else [*BOB, ("dan", "y")]
    assert whole.decided["restrictions_without_effect"] == {
        "unknown_learners": 1,
        "unknown_courses": 0,
    }
    monkeypatch.setattr(as_of, "_PART_ROWS", 1)
    monkeypatch.setattr("pipelines.governance.bulk._BATCH", 1)
    again, found = ask(scope=scope)
    assert again == rows
    assert (found.digest, found.decided) == (whole.digest, whole.decided)


def test_the_digest_is_of_the_permitted_pairs(ask, load, digest, workspace, monkeypatch):
    """The digest is a keyed hash of sorted pairs: what a data version said once, it says again."""
    load(*(LINE.format(name, "EU") for name in ("ann", "bob", "cid")))
    pairs = sorted((course, digest(name)) for name, course in [*ANN, *BOB, *CID])
    text = b"kohort eligible set\0" + json.dumps(pairs).encode()
    expected = hmac_sha256(registry_key(workspace.root), text).hex()
    for rows in (1 << 16, 3, 1):
        monkeypatch.setattr("pipelines.permitted._SLICE", rows)
        assert ask()[1].digest == expected


def test_transfers_and_their_jurisdictions(ask, load):
    """Whose rows may not go to the recipient's place is left out; the others are named."""
    load(LINE.format("ann", "EU"), LINE.format("bob", "IN"), LINE.format("cid", ""))
    assert ask()[1].jurisdictions == ("EU", "IN")
    assert ask()[0] == [*ANN, *BOB, *CID]
    named = POLICY.model_copy(update={"jurisdictions": ("EU",)})
    rows, found = ask(policy=named)
    assert (rows, found.jurisdictions) == (ANN, ("EU",))
    update = {"places": {"*@uni.example": "US"}, "transfers": {"IN": ("US",), "EU": ("EU",)}}
    rows, found = ask(policy=POLICY.model_copy(update=update))
    assert (rows, found.jurisdictions) == (BOB, ("IN",))


ALIASES = pl.DataFrame(
    [("ann", "p1"), ("f-ann", "p1"), ("bob", "p2"), ("f-bob", "p2"), ("cid", "p2"), ("z", "p3")],
    schema={"id": pl.String, "person": pl.String},
    orient="row",
)


def test_records_of_any_id_bear_on_the_person(ask, load, state):
    """A withdrawal under a linked id reaches all ids; a grant under one permits all."""
    load(LINE.format("ann", "EU"), LINE.format("f-bob", "EU"), LINE.format("dan", "EU"))
    assert ask()[0] == [*ANN, ("dan", "y")]
    rows, before = ask(aliases=ALIASES)
    assert rows == [*ANN, *BOB, *CID, ("dan", "y")]
    state("f-ann", WITHDRAWN)
    assert ask()[0] == [*ANN, ("dan", "y")]
    rows, found = ask(aliases=ALIASES)
    assert rows == [*BOB, *CID, ("dan", "y")]
    assert found.decided["restrictions_without_effect"]["unknown_learners"] == 0
    assert found.digest != before.digest


@pytest.mark.parametrize("scope", ["course", "release"])
def test_an_id_of_nobody_in_particular_is_not_permitted(ask, load, state, scope):
    """A grant of one of two whom a bridge makes one permits neither; both are counted apart."""
    load(*(LINE.format(name, "EU") for name in ("ann", "bob", "dan")))
    state("f-ann", WITHDRAWN)
    state("cid", WITHDRAWN)
    several = pl.when(pl.col("person") != "p1").then("person").alias("person")
    rows, found = ask(aliases=ALIASES.with_columns(several), scope=scope)
    assert rows == [("dan", "y")]
    assert found.decided["ambiguous_ids"] == {"learners": 1}
    assert found.decided["enrolments"] == (
        {"granted": 1, "withdrawn": 2} if scope == "course" else {"granted": 1}
    )
    assert found.decided["restrictions_without_effect"]["unknown_learners"] == 1
    assert sorted(found.known_as[LEARNER]) == ["ann", "bob", "cid", "dan"]


def test_where_only_the_ambiguous_permit_nobody_does(ask, load):
    """The refusal says so."""
    load(LINE.format("ann", "EU"))
    with pytest.raises(RightsError, match="several learner keys in a bridge table"):
        ask(aliases=ALIASES.with_columns(person=pl.lit(None, pl.String)))


def test_aliases_of_nobody_change_nothing(ask, load):
    """A frame that links nothing gives the same digest as none."""
    load(LINE.format("ann", "EU"), LINE.format("cid", "EU"))
    assert ask()[1].digest == ask(aliases=ALIASES.filter(pl.col("person") == "p1"))[1].digest


def test_history_and_standing(registry, workspace, digest, load):
    """What is held of a person, under all ids, each statement once; and what it comes to."""
    load(LINE.format("ann", "EU"))
    ids = [digest("ann"), digest("f-ann")]
    course = Statement(State.OBJECTED, "research", "course:y", NOW, note="by letter")
    key = registry_key(workspace.root)
    set_state(registry, ids, course, registry_key=key, actor=SAM, at=NOW)
    found = history(registry, ids)
    assert [(entry.state, entry.origin, entry.note) for entry in found] == [
        ("granted", "portal", None),
        ("objected", None, "by letter"),
    ]
    stands = standing(registry, ids, policy=POLICY, sources=["small"], at=NOW)
    told = {(each.purpose, each.course): each.state for each in stands}
    assert told == {
        ("research", None): "objected",
        ("research", "y"): "objected",
        ("teaching", None): "no_record",
        ("teaching", "y"): "no_record",
    }


def test_agrees_with_the_truth_table(registry, ask, load, digest):
    """The parts, put together, decide as `eligible` does on all records at once."""
    states = ["granted", "withdrawn", "restricted", "denied"]
    lines = [
        f"{name},{purpose},{scope},{states[(i + j + k) % 4]},consent,EU,v1,2024-0{1 + k}-01,,,"
        for i, name in enumerate(("ann", "bob", "cid", "dan"))
        for j, purpose in enumerate(("research", "*", "teaching")[: 1 + i])
        for k, scope in enumerate(("*", "course:x", "course:y")[: 2 + (i + j) % 2])
    ]
    load(*[line for n, line in enumerate(lines) if n % 3 != 1], LINE.format("ann", "EU"))
    records = pl.concat(rights_as_of(registry, source="small", cut_off=NOW))
    pairs = OCCURRING.with_columns(
        pl.col(LEARNER).map_elements(digest, return_dtype=pl.String).alias("known")
    )
    expected = eligible(
        pairs, records, purpose="research", known_purposes=POLICY.purposes, cut_off=NOW,
        legal_bases=POLICY.legal_bases, jurisdictions=("*",), learner="known", item=COURSE,
    )  # fmt: skip
    rows, found = ask()
    assert rows == sorted(expected.allowed.select(LEARNER, COURSE).rows())
    assert found.decided["enrolments"] == expected.counts
