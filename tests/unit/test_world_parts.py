"""Worlds in parts, in two modes of ids, and the steps whose faults would not be seen."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import synth.coursera
from pipelines.governance.identities import aliases, all_ids, one_id
from pipelines.settings import SourceSettings, create_workspace, find_workspace
from synth.catalogue import FIRST_LAUNCH, make_catalogue
from synth.consent import make_rights
from synth.enrolling import _pairs, registration_shares
from synth.forum import _answered
from synth.parts import gathered
from synth.peers import _pairings
from synth.presets import (
    named_preset,
    parse_preset,
    rights_of,
    small_preset,
    with_ids,
    world_parts,
)
from synth.world import LEARNER, make_world
from tests.unit.test_presets import preset_text

DOMAINS = {
    "demographics_answers": "synth_demographics_user_id",
    "discussion_questions": "synth_discussions_user_id",
    "discussion_answers": "synth_discussions_user_id",
    "peer_submissions": "synth_peer_assignments_user_id",
    "peer_reviews": "synth_peer_assignments_user_id",
}


def parts(learners, *, preset=None, seed=3):
    return list(world_parts(preset or small_preset(), learners=learners, courses=4, seed=seed))


@pytest.fixture(scope="module")
def linked():
    return make_world(300, courses=4, seed=3)


@pytest.fixture(scope="module")
def isolated():
    """The same people in an isolated export."""
    return make_world(300, courses=4, seed=3, preset=with_ids(small_preset(), "isolated"))


def test_blocks(monkeypatch):
    """What a block holds depends on seed and number alone, not on how many blocks follow."""
    monkeypatch.setattr(synth.coursera, "BLOCK", 100)
    two, three = parts(200), parts(250)
    assert [part["users"].height for part in three] == [100, 100, 50]
    assert set(three[1]) == set(three[2]) < set(three[0])
    for ours, theirs in zip(two, three, strict=False):
        for name, table in ours.items():
            assert_frame_equal(table, theirs[name])
    whole = gathered(three)
    assert whole["users"][LEARNER].n_unique() == 250
    assert whole["course_memberships"].filter(course_membership_role="INSTRUCTOR").height == 1
    ids = whole["discussion_answers"]["discussion_answer_id"]
    assert ids.n_unique() == len(ids)


def test_rights_of_parts(monkeypatch):
    """Each part's learners answer for themselves; those of the first as in a world of one part."""
    monkeypatch.setattr(synth.coursera, "BLOCK", 100)
    preset = small_preset()
    first, second = (
        rights_of(preset, part, seed=3, number=number) for number, part in enumerate(parts(200))
    )
    assert_frame_equal(first, make_rights(parts(200)[0]["users"], seed=3))
    assert not set(first["learner_id"]) & set(second["learner_id"])
    states = [rights.sort("learner_id")["state"].to_list() for rights in (first, second)]
    assert states[0] != states[1]


def test_isolated_ids(linked, isolated):
    """Demographics, forums and peer review know other ids; a bridge leads back to the same rows."""
    bridge = isolated["synth_course_user_ids"]
    assert bridge.columns == [LEARNER, *dict.fromkeys(DOMAINS.values())]
    ids = pl.concat([bridge[column] for column in bridge.columns])
    assert ids.n_unique() == 4 * 300
    assert set(isolated) - set(linked) == {"partner_user_ids", "synth_course_user_ids"}
    for name, table in linked.items():
        if name in DOMAINS:
            column = DOMAINS[name]
            back = dict(bridge.select(column, LEARNER).iter_rows())
            table_back = isolated[name].with_columns(
                pl.col(column).replace_strict(back).alias(column)
            )
            assert_frame_equal(table_back.rename({column: LEARNER}), table)
        else:
            assert_frame_equal(isolated[name], table)


def test_a_course_knows_its_learners_by_an_id_of_its_own(isolated):
    """One id an enrolment, which no other table has."""
    found = isolated["partner_user_ids"]
    enrolled = isolated["course_memberships"].filter(course_membership_role="LEARNER")
    assert found.height == enrolled.height == found["course_user_id"].n_unique()
    assert (
        found[LEARNER]
        .value_counts()
        .sort(LEARNER)
        .equals(enrolled[LEARNER].value_counts().sort(LEARNER))
    )


def test_the_registry_finds_a_person_in_every_domain(tmp_path, isolated):
    """From a forum id alone, by way of the bridges, as an erasure looks for a person."""
    for name, table in isolated.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    source = SourceSettings(family="coursera", location=str(tmp_path))
    create_workspace(tmp_path / "ws", local=True, sources={"world": source})
    workspace = find_workspace(tmp_path / "ws")
    person = isolated["synth_course_user_ids"].row(7)
    courses = isolated["partner_user_ids"].filter(pl.col(LEARNER) == person[0])
    everything = {*person, *courses["course_user_id"]}
    assert all_ids(workspace, person[2]).ids == everything
    people = aliases(workspace)
    assert people["person"].null_count() == 0
    assert people.filter(person=person[0])["id"].len() == len(everything)


@pytest.mark.parametrize("mean, most", [(1.0, 18), (1.41, 18), (2.4, 18), (1.2, 2), (5.0, 9)])
def test_registrations_have_the_mean(mean, most):
    """A power law between 1 and most, which never rises."""
    shares = registration_shares(mean, most)
    numbers = np.arange(1, most + 1)
    assert (shares * numbers).sum() == pytest.approx(mean, abs=1e-6)
    assert (np.diff(shares) <= 1e-12).all()
    logs = np.log(np.maximum(shares, 1e-300))
    slopes = np.diff(logs) / np.diff(np.log(numbers))
    assert slopes == pytest.approx(np.full(most - 1, slopes[0]), rel=1e-3)


@given(
    number=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    courses=st.integers(5, 7),
    similar=st.sampled_from([0.0, 0.6, 1.0]),
    seed=st.integers(0, 9),
)
def test_each_course_is_taken_once(number, courses, similar, seed):
    """Everybody gets as many different courses as asked for, even nearly all there are."""
    rng = np.random.default_rng(seed)
    catalogue = make_catalogue(courses, small_preset().courses, rng=rng)
    pairs = _pairs(np.array(number), catalogue, similar, rng)
    assert (np.diff(pairs) > 0).all()
    assert np.bincount(pairs // courses, minlength=len(number)).tolist() == number


def session_by_hand(launch, period, count, second):
    """The first session that has not run for a week, else the last."""
    for number in range(count):
        if second <= launch + number * period + 7 * 86_400:
            return number
    return count - 1


@given(seconds=st.lists(st.integers(0, 12 * 365 * 86_400), min_size=1, max_size=9))
def test_sessions(seconds):
    """The session of an enrolment, against a look at one session after the other."""
    catalogue = make_catalogue(2, small_preset().courses, rng=np.random.default_rng(1))
    moments = FIRST_LAUNCH + np.array(seconds)
    for course in (0, 1):
        found = catalogue.sessions_at(np.full(len(moments), course), moments)
        launch, count = int(catalogue.launches[course]), int(catalogue.session_counts[course])
        period = catalogue.session_seconds
        expected = [session_by_hand(launch, period, count, int(m)) for m in moments]
        assert found.tolist() == expected


@given(
    posts=st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=12),
    seed=st.integers(0, 9),
)
def test_answers_are_to_earlier_questions(posts, seed):
    """Every post is about a question of its course that was asked before it, or asks itself."""
    course = np.array(sorted(course for course, _ in posts))
    asks = np.array([asks for _, asks in posts]) | (np.diff(course, prepend=-1) > 0)
    found = _answered(course, asks, np.random.default_rng(seed))
    places = np.flatnonzero(asks)
    for row, (where, question) in enumerate(zip(course, found, strict=True)):
        assert course[places[question]] == where
        assert places[question] <= row


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    reviews=st.integers(1, 5),
)
def test_reviews_go_round(sizes, reviews):
    """Each reviews as many as asked for, or all others of his course; each work gets as many."""
    course = np.repeat(np.arange(len(sizes)), sizes)
    preset = named_preset("small").peers.model_copy(
        update={
            "reviews": named_preset("small").peers.reviews.model_copy(update={"value": reviews}),
            "reviewing": named_preset("small").peers.reviewing.model_copy(update={"value": 1.0}),
        }
    )
    work, reviewer = _pairings(course, preset, np.random.default_rng(0))
    pairs = set(zip(work.tolist(), reviewer.tolist(), strict=True))
    assert len(pairs) == len(work)
    assert all(course[a] == course[b] and a != b for a, b in pairs)
    expected = np.minimum(np.repeat(sizes, sizes) - 1, reviews)
    assert np.bincount(reviewer, minlength=len(course)).tolist() == expected.tolist()
    assert np.bincount(work, minlength=len(course)).tolist() == expected.tolist()


@pytest.fixture(scope="module")
def recorded():
    """The same world with the clicks of about half of the enrolments."""
    text = preset_text("small").replace("recorded = { value = 0,", "recorded = { value = 0.5,")
    return make_world(300, courses=4, seed=3, preset=parse_preset(text, subject="recorded"))


def test_clicks_are_of_items_that_were_started(linked, recorded):
    """A clickstream changes no other table, and each started item of the recorded has its page."""
    assert {name for name in recorded if name not in linked} == {"clickstream_events"}
    for name, table in linked.items():
        assert_frame_equal(recorded[name], table)
    clicks = recorded["clickstream_events"].with_columns(
        course_item_id=pl.col("url").str.split("/").list.last()
    )
    keys = {"hashed_user_id": LEARNER, "server_timestamp": "course_progress_ts"}
    pages = clicks.filter(key="pageview").rename(keys)
    started = linked["course_progress"].filter(course_progress_state_type_id=1)
    columns = [LEARNER, "course_id", "course_item_id", "course_progress_ts"]
    enrolled = pages.select(LEARNER, "course_id").unique()
    expected = started.join(enrolled, on=[LEARNER, "course_id"], how="semi").select(columns)
    assert_frame_equal(pages.select(columns), expected, check_row_order=False)
    share = enrolled.height / started.select(LEARNER, "course_id").n_unique()
    assert 0.4 < share < 0.6
    videos = clicks.filter(pl.col("key") != "pageview")
    assert videos["value"].str.contains(r'^\{"timecode":\d+\}$').all()
    assert pages["value"].null_count() == pages.height


def test_devices_and_addresses_are_a_learners_own(recorded):
    """One or two cookies and addresses a learner, nobody else's, each with one device."""
    clicks = recorded["clickstream_events"]
    for column in ("hashed_session_cookie_id", "hashed_ip"):
        owners = clicks.group_by(column).agg(pl.col("hashed_user_id").n_unique())
        assert owners["hashed_user_id"].max() == 1
        each = clicks.group_by("hashed_user_id").agg(pl.col(column).n_unique())[column]
        assert set(each) == {1, 2}
    device = clicks.group_by("hashed_session_cookie_id").agg(pl.col("user_agent").n_unique())
    assert device["user_agent"].max() == 1
    kinds = clicks.select("os", "browser", "user_agent").unique()
    assert kinds.height == kinds["user_agent"].n_unique() > 3


def test_the_clickstream_is_not_read(tmp_path, recorded):
    """No family declares it: looked at as a source, the world says so."""
    for name, table in recorded.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    source = SourceSettings(family="coursera", location=str(tmp_path))
    create_workspace(tmp_path / "ws", local=True, sources={"world": source})
    found = one_id(find_workspace(tmp_path / "ws"), recorded["users"][LEARNER][0])
    assert found.unknown == (("world", "clickstream_events"),)
