import re

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.governance.rights_file import COLUMNS
from synth.consent import make_rights
from synth.pools import draw
from synth.world import LEARNER, make_world


@pytest.fixture(scope="module")
def world():
    """A world of some size, made once."""
    return make_world(4_000, courses=10, seed=7)


def distinct(table, *columns):
    """The distinct values of these columns."""
    return set(table.select(columns).iter_rows())


@pytest.mark.shared_data
def test_names_of_the_data_dictionary(world, shared_data):
    """Every table has exactly the columns of the export's data dictionary, in its order."""
    dictionary = pl.read_csv(shared_data / "coursera_export" / "data_dictionary.csv")
    for name, table in world.items():
        documented = dictionary.filter(table=name).sort("ordinal")["column"].to_list()
        expected = [LEARNER if c == "partner_user_id" else c for c in documented]
        assert (name, table.columns) == (name, expected)


def test_same_seed_same_world(world):
    """The same arguments give the same tables; another seed gives others."""
    again = make_world(4_000, courses=10, seed=7)
    assert list(again) == list(world)
    for name, table in world.items():
        assert_frame_equal(table, again[name])
    other = make_world(4_000, courses=10, seed=8)
    assert not distinct(other["users"], LEARNER) & distinct(world["users"], LEARNER)


@pytest.mark.parametrize("learners, courses", [(1, 1), (1, 30), (30, 1)])
def test_small_worlds(learners, courses):
    """The smallest worlds hold together: every account is enrolled somewhere."""
    small = make_world(learners, courses=courses, seed=0)
    assert small["users"].height == learners
    assert small["courses"].height == courses
    enrolled = small["course_memberships"].filter(course_membership_role="LEARNER")
    assert enrolled[LEARNER].n_unique() == learners


def test_referential_soundness(world):
    """Nobody and nothing stands in a table without a profile, a course or an item of its own."""
    users, courses = distinct(world["users"], LEARNER), distinct(world["courses"], "course_id")
    for name, table in world.items():
        if LEARNER in table.columns:
            assert distinct(table, LEARNER) <= users, name
        if "course_id" in table.columns:
            assert distinct(table, "course_id") <= courses, name
    items = distinct(world["course_items"], "course_id", "course_item_id")
    assert distinct(world["course_progress"], "course_id", "course_item_id") <= items
    enrolled = world["course_memberships"].filter(course_membership_role="LEARNER")
    pairs = distinct(enrolled, LEARNER, "course_id")
    for name in ("course_progress", "course_grades", "users_courses__certificate_payments"):
        assert distinct(world[name], LEARNER, "course_id") <= pairs, name


@pytest.mark.parametrize(
    "table, key",
    [
        ("users", [LEARNER]),
        ("courses", ["course_id"]),
        ("course_items", ["course_id", "course_item_id"]),
        ("course_grades", [LEARNER, "course_id"]),
        ("users_courses__certificate_payments", [LEARNER, "course_id"]),
        (
            "course_progress",
            [LEARNER, "course_id", "course_item_id", "course_progress_state_type_id"],
        ),
    ],
)
def test_keys_are_unique(world, table, key):
    """No table repeats its key; the log of memberships has none."""
    assert not world[table].select(key).is_duplicated().any()


def test_time_runs_forward(world):
    """Joining comes before enrolling, enrolling before progress, progress before the grade."""
    keys = [LEARNER, "course_id"]
    log = world["course_memberships"].join(world["users"], on=LEARNER)
    assert (log["user_join_ts"] <= log["course_membership_ts"]).all()
    start = (
        world["course_memberships"]
        .filter(course_membership_role="LEARNER")
        .select(*keys, start="course_membership_ts")
    )
    progress = world["course_progress"].join(start, on=keys)
    assert progress.height == world["course_progress"].height
    assert (progress["start"] <= progress["course_progress_ts"]).all()
    last = progress.group_by(keys).agg(pl.col("course_progress_ts").max())
    grades = world["course_grades"].join(last, on=keys)
    assert grades.height == world["course_grades"].height
    assert (grades["course_progress_ts"] <= grades["course_grade_ts"]).all()


def test_items_are_completed_after_their_start(world):
    """A completed item was started before."""
    keys = [LEARNER, "course_id", "course_item_id"]
    states = world["course_progress"].partition_by("course_progress_state_type_id", as_dict=True)
    both = states[(2,)].join(states[(1,)], on=keys)
    assert both.height == states[(2,)].height
    assert (both["course_progress_ts_right"] < both["course_progress_ts"]).all()


def test_shape_of_ids(world):
    """Ids look like the export's: 22 URL-safe characters a course, 5 an item, hex a user."""
    shapes = {
        ("courses", "course_id"): r"[A-Za-z0-9_-]{22}",
        ("course_items", "course_item_id"): r"[A-Za-z0-9]{5}",
        ("users", LEARNER): r"[0-9a-f]{40}",
    }
    for (table, column), shape in shapes.items():
        assert all(re.fullmatch(shape, value) for value in world[table][column])


def test_lessons_group_items(world):
    """A lesson is up to four items of one course, in order from 0."""
    lessons = (
        world["course_items"]
        .group_by("course_id", "course_lesson_id")
        .agg(pl.col("course_item_order"))
    )
    assert all(
        order == list(range(len(order))) and len(order) <= 4
        for order in lessons["course_item_order"].to_list()
    )


def test_roles(world):
    """The log has several roles a pair, and a few who teach."""
    log = world["course_memberships"]
    assert set(log["course_membership_role"]) == {
        "LEARNER",
        "BROWSER",
        "PRE_ENROLLED_LEARNER",
        "NOT_ENROLLED",
        "INSTRUCTOR",
    }
    assert log.select(LEARNER, "course_id").is_duplicated().any()
    assert log.filter(course_membership_role="INSTRUCTOR").height == 2


def test_distributions(world):
    """Most take one course, the first course is the most popular, profiles have gaps."""
    enrolled = world["course_memberships"].filter(course_membership_role="LEARNER")
    one = enrolled.group_by(LEARNER).len().filter(len=1).height / 4_000
    assert 0.75 < one < 0.9
    sizes = enrolled.group_by("course_id").len().sort("len", descending=True)
    assert sizes["course_id"][0] == world["courses"]["course_id"][0]
    users = world["users"]
    assert 0.24 < users["reported_or_inferred_gender"].null_count() / 4_000 < 0.30
    assert 0.93 < users["employment_status"].null_count() / 4_000 < 0.97
    assert users["country_cd"].value_counts(sort=True)["country_cd"][:2].to_list() == ["US", "IN"]


def test_no_passing_state_rules_a_popular_course(world):
    """In courses of 200 and more no state, `not graded` included, is held by over 75%."""
    enrolled = world["course_memberships"].filter(course_membership_role="LEARNER")
    keys = [LEARNER, "course_id"]
    states = enrolled.join(world["course_grades"], on=keys, how="left").select(
        "course_id", pl.col("course_passing_state_id").fill_null(-1)
    )
    shares = states.group_by("course_id").agg(
        pl.len().alias("enrolled"),
        pl.col("course_passing_state_id").value_counts(normalize=True),
    )
    popular = shares.filter(pl.col("enrolled") >= 200)
    assert popular.height > 3
    worst = max(s["proportion"] for row in popular["course_passing_state_id"] for s in row)
    assert worst < 0.75


@pytest.mark.parametrize(
    "learners, courses, seed, name",
    [(0, 1, 0, "learners"), (1, 0, 0, "courses"), (1, 1, -1, "seed")],
)
def test_refusals(learners, courses, seed, name):
    """An empty world and a negative seed are refused by name."""
    with pytest.raises(ValueError, match=f"{name}: expected at least"):
        make_world(learners, courses=courses, seed=seed)


def test_draw():
    """Values are drawn by their shares, of which zero means never and missing means null."""
    rng = np.random.default_rng(0)
    drawn = draw(rng, {"a": 3.0, "b": 1.0, "c": 0.0}, 4_000, missing=0.5)
    counts = dict(drawn.value_counts().iter_rows())
    assert set(counts) == {"a", "b", None}
    assert abs(counts[None] - 2_000) < 150
    assert 2.5 < counts["a"] / counts["b"] < 3.5


def test_rights(world):
    """Most permit, some withdraw after that, some deny, and some say nothing."""
    rights = make_rights(world["users"], seed=7)
    assert rights.columns == list(COLUMNS)
    assert_frame_equal(rights, make_rights(world["users"], seed=7))
    counts = dict(rights["state"].value_counts().iter_rows())
    assert 0.94 < counts["granted"] / 4_000 < 0.98
    assert 0.02 < counts["withdrawn"] / 4_000 < 0.06
    assert 0.01 < counts["denied"] / 4_000 < 0.03
    assert 0.95 < rights["learner_id"].n_unique() / 4_000 < 1
    both = rights.filter(state="withdrawn").join(rights.filter(state="granted"), on="learner_id")
    assert both.height == counts["withdrawn"]
    assert (both["effective_from"] > both["effective_from_right"]).all()
