import re

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.governance.rights_file import COLUMNS
from pipelines.sources import load_family
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
        expected = [re.sub(r"^partner_(\w+_)?user_id$", LEARNER, c) for c in documented]
        assert (name, table.columns) == (name, expected)


def test_the_family_reads_it(world):
    """Every table and column is declared, and values are of the declared closed lists."""
    family = load_family("coursera").family
    for name, table in world.items():
        if name in family.dropped:
            assert set(table.columns) <= set(family.dropped[name]), name
            continue
        declared = family.tables[name]
        learner = {declared.learner_key(): LEARNER}
        known = {learner.get(column, column): c for column, c in declared.columns.items()}
        assert set(table.columns) <= {*known, *declared.dropped}, name
        for column, declaration in known.items():
            if declaration.values is not None:
                assert set(table[column].drop_nulls()) <= set(declaration.values), column


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
    enrolled = world["course_memberships"].filter(course_membership_role="LEARNER")
    pairs = distinct(enrolled, LEARNER, "course_id")
    for name, table in world.items():
        if {LEARNER, "course_id"} <= set(table.columns) and name != "course_memberships":
            assert distinct(table, LEARNER, "course_id") <= pairs, name


@pytest.mark.parametrize(
    "home, key",
    [
        ("course_branches", ["course_branch_id"]),
        ("course_branches", ["course_id", "course_branch_id"]),
        ("course_modules", ["course_id", "course_module_id"]),
        ("course_lessons", ["course_id", "course_lesson_id"]),
        ("course_items", ["course_id", "course_item_id"]),
        ("course_branch_modules", ["course_branch_id", "course_module_id"]),
        ("course_branch_lessons", ["course_branch_id", "course_lesson_id"]),
        ("course_item_types", ["course_item_type_id"]),
        ("on_demand_sessions", ["course_id", "on_demand_session_id"]),
        ("on_demand_sessions", ["on_demand_session_id", "course_branch_id"]),
        ("specializations", ["specialization_id"]),
        ("specializations_courses", ["specialization_id", "course_id"]),
        ("discussion_course_forums", ["discussion_forum_id"]),
        ("discussion_questions", ["course_id", "discussion_question_id"]),
        ("peer_assignments", ["peer_assignment_id"]),
        ("peer_submissions", ["peer_submission_id"]),
        ("demographics_questions", ["question_id"]),
        ("demographics_choices", ["question_id", "choice_id"]),
    ],
)
def test_whatever_is_named_is_there(world, home, key):
    """Modules, items, sessions, questions, work and choices stand in the table of their kind."""
    there = distinct(world[home], *key)
    assert len(there) == world[home].height
    named = [name for name, table in world.items() if set(key) <= set(table.columns)]
    for name in named:
        rows = world[name].select(key).drop_nulls()
        assert distinct(rows, *key) <= there, name
    assert len(named) > 1


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
        ("course_branch_items", ["course_branch_id", "course_item_id"]),
        ("course_item_grades", [LEARNER, "course_id", "course_item_id"]),
        ("course_branch_grades", [LEARNER, "course_branch_id"]),
        ("users_courses__s12n_enrollments", [LEARNER, "course_id", "specialization_id"]),
        ("discussion_answers", ["discussion_answer_id"]),
        ("peer_submissions", [LEARNER, "peer_assignment_id"]),
        ("peer_reviews", ["peer_review_id"]),
        ("peer_reviews", [LEARNER, "peer_submission_id"]),
        ("demographics_answers", [LEARNER, "question_id"]),
    ],
)
def test_keys_are_unique(world, table, key):
    """No table repeats its key; the log of memberships has none."""
    assert not world[table].select(key).is_duplicated().any()


def test_time_runs_forward(world):
    """Joining, enrolling, progress, the grade; whoever leaves does so after all that, and posts."""
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
    left = world["course_memberships"].filter(course_membership_role="NOT_ENROLLED")
    for table, moment in (
        ("course_progress", "course_progress_ts"),
        ("course_item_grades", "course_item_grade_ts"),
        ("course_grades", "course_grade_ts"),
        ("discussion_questions", "discussion_question_created_ts"),
        ("discussion_answers", "discussion_answer_created_ts"),
    ):
        rows = world[table].join(left, on=keys)
        assert rows.height > 10, table
        assert (rows[moment] < rows["course_membership_ts"]).all(), table


def test_posts_and_reviews_follow_what_they_are_about(world):
    """An answer comes after its question, a post after the first item, a review after the work."""
    question, work = "discussion_question_id", "peer_submission_id"
    answers = world["discussion_answers"].join(world["discussion_questions"], on=question)
    assert answers.height == world["discussion_answers"].height > 100
    asked, answered = "discussion_question_created_ts", "discussion_answer_created_ts"
    assert (answers[asked] <= answers[answered]).all()
    assert (answers["course_id"] == answers["course_id_right"]).all()
    keys = [LEARNER, "course_id"]
    first = world["course_progress"].group_by(keys).agg(pl.col("course_progress_ts").min())
    for table, moment in (("discussion_questions", asked), ("discussion_answers", answered)):
        posts = world[table].join(first, on=keys)
        assert posts.height == world[table].height
        assert (posts["course_progress_ts"] <= posts[moment]).all()
    reviews = world["peer_reviews"].join(world["peer_submissions"], on=work)
    assert reviews.height == world["peer_reviews"].height > 100
    assert (reviews["peer_submission_created_ts"] <= reviews["peer_review_created_ts"]).all()
    assert (reviews[LEARNER] != reviews[f"{LEARNER}_right"]).all()
    handed_in = distinct(world["peer_submissions"], LEARNER, "peer_assignment_id")
    assert distinct(reviews, LEARNER, "peer_assignment_id") <= handed_in


def test_sessions_run_when_learners_come(world):
    """Who enrols comes into the session that started up to a week ago, or else the next."""
    start, joined = "on_demand_sessions_start_ts", "on_demand_sessions_membership_start_ts"
    keys = ["course_id", "on_demand_session_id", "course_branch_id"]
    log = world["on_demand_session_memberships"].join(world["on_demand_sessions"], on=keys)
    assert log.height == world["on_demand_session_memberships"].height
    first = log.sort(joined).unique([LEARNER, "course_id"], keep="first", maintain_order=True)
    # Before the year's end after which no session starts.
    first = first.filter(pl.col(joined) < pl.datetime(2024, 11, 1))
    wait = (first[start] - first[joined]).dt.total_seconds() / 86_400
    assert wait.is_between(-7, 21).all()
    latest = log.group_by(LEARNER, "course_id").len()["len"].max()
    assert latest == 2


def test_a_course_is_passed_by_passing_each_graded_item(world):
    """The grade of a course is the mean of its items'; branches repeat it."""
    keys = [LEARNER, "course_id"]
    graded = world["course_items"].filter(~pl.col("course_item_optional"))
    wanted = graded.group_by("course_id").len("wanted")
    items = world["course_item_grades"].join(graded, on=["course_id", "course_item_id"])
    assert items.height == world["course_item_grades"].height
    found = items.group_by(keys).agg(
        pl.col("course_item_grade_overall").sum().alias("points"),
        (pl.col("course_item_passing_state_id") > 0).sum().alias("passed"),
    )
    grades = (
        world["course_grades"].join(wanted, on="course_id").join(found, on=keys, how="left")
    ).with_columns(pl.col("points", "passed").fill_null(0))
    assert (grades["points"] / grades["wanted"] - grades["course_grade_overall"]).abs().max() < 1e-4
    assert (grades["passed"] == grades["course_grade_overall_passed_items"]).all()
    passed = grades["course_passing_state_id"] > 0
    assert (passed == (grades["passed"] == grades["wanted"])).all()
    assert grades.filter(passed)["course_grade_overall"].min() >= 0.8
    verified = grades["course_passing_state_id"] == 2
    paid = distinct(world["users_courses__certificate_payments"], *keys)
    assert distinct(grades.filter(verified), *keys) == distinct(grades.filter(passed), *keys) & paid
    branched = world["course_branch_grades"].join(world["course_branches"], on="course_branch_id")
    grade = "course_branch_grade_overall"
    same = branched.select(*keys, grade).join(world["course_grades"], on=keys)
    assert (same[grade] == same["course_grade_overall"]).all()
    assert same.height == world["course_grades"].height


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


def test_modules_start_with_a_video_and_end_with_what_is_graded(world):
    """Whoever comes to a module can watch something, and must do something to pass it."""
    lessons = world["course_lessons"].join(
        world["course_modules"], on=["course_id", "course_module_id"]
    )
    place = ["course_module_order", "course_lesson_order", "course_item_order"]
    items = (
        world["course_items"]
        .join(lessons, on=["course_id", "course_lesson_id"])
        .sort("course_id", *place)
    )
    assert items["course_item_id"].to_list() == (
        world["course_items"].sort("course_id", maintain_order=True)["course_item_id"].to_list()
    )
    modules = items.group_by("course_id", "course_module_id", maintain_order=True).agg(
        "course_item_type_id", pl.col("course_module_order").first()
    )
    for kinds, order in modules.select("course_item_type_id", "course_module_order").iter_rows():
        assert kinds[-1] in {7, 8}
        assert not {7, 8} & set(kinds[:-1])
        assert (kinds[0] == 1) or (order == 0 and kinds[:2] == [3, 1])


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
