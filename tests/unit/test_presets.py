"""Presets: what a text may say, and what is said of a faulty one."""

import importlib.resources
import re

import pytest

from schemas.violations import SchemaError
from synth.coursera_preset import PROFILE, CourseraPreset
from synth.oulad_preset import OuladPreset
from synth.presets import (
    PRESETS,
    most_courses,
    named_preset,
    parse_preset,
    small_preset,
    world_parts,
)
from synth.sourced import Sourced


def preset_text(name):
    """The text of a preset that comes with kohort."""
    file = importlib.resources.files("synth") / "preset_files" / f"{name}.toml"
    return file.read_text(encoding="utf-8")


def sourced(model):
    """Every parameter of a preset."""
    for value in dict(model).values():
        if isinstance(value, Sourced):
            yield value
        elif hasattr(value, "model_fields_set"):
            yield from sourced(value)


def test_presets_that_come_with_kohort():
    """Each has the shape that it says, and is read once."""
    shapes = {name: type(named_preset(name)) for name in PRESETS}
    assert shapes == {"small": CourseraPreset, "mooc": CourseraPreset, "oulad": OuladPreset}
    assert named_preset("small") is small_preset()


@pytest.mark.parametrize("name", ["small", "mooc"])
def test_every_parameter_has_a_source(name):
    """Nothing but the shape stands without one."""
    preset = named_preset(name)
    found = list(sourced(preset))
    assert len(found) > 60
    plain = {key for key, value in dict(preset).items() if not hasattr(value, "model_fields_set")}
    assert plain == {"shape"}
    assert min(len(parameter.source) for parameter in found) >= 10


def test_a_text_of_ones_own():
    """A changed parameter changes the world, and the others stay."""
    text = preset_text("small").replace(
        "registrations = { value = 1.3", "registrations = { value = 2.4"
    )
    preset = parse_preset(text, subject="own.toml")
    (part,) = world_parts(preset, learners=2_000, courses=30, seed=1)
    enrolled = part["course_memberships"].filter(course_membership_role="LEARNER")
    assert 2.2 < enrolled.height / 2_000 < 2.6
    assert preset.people == small_preset().people


FAULTS = [
    (
        "median_age = { value = 27",
        "median_age = { value = 60",
        "people: youngest + 1 <= median_age < 50",
    ),
    ("absent = { value = 0.35", "absent = { value = 1.35", "outcomes.absent.value"),
    ("absent = { value = 0.35", "absent = { value = 0.9", "outcomes: absent + explored"),
    ("0.44, 0.42]", "0.44, 0.5]", "outcomes: weekly_video: shares that don't rise"),
    ("0.44, 0.42]", "0.44, 0.2]", "outcomes: weekly_video: between explored + certified"),
    ("fewest_items = { value = 12", "fewest_items = { value = 61", "courses: fewest_items <= most"),
    ("most_modules = { value = 8", "most_modules = { value = 2", "courses: fewest_modules <= most"),
    ("registrations = { value = 1.3", "registrations = { value = 9.6", "enrolling: registrations"),
    ("mean_posts = { value = 4", "mean_posts = { value = 1.5", "forum: median_posts <= mean"),
    ("group_sponsored =", "lottery =", "grading: ways: payment, finaid_grant and group"),
    (
        "granted = { value = 0.92",
        "granted = { value = 0.97",
        "rights: granted + withdrawn + denied",
    ),
    (
        "male = 0.71\nfemale = 0.29",
        "male = 0\nfemale = 0",
        "people.genders.value: at least one share",
    ),
    ("\nsurveyed =", "\nsurvey =", "people.surveyed: required, but left out"),
    ("\nsurveyed =", "\nsurvey =", "people.survey: unknown key"),
    ('value = "linked"', 'value = "both"', "ids.value"),
    ('shape = "coursera"', 'shape = "edx"', "shape: one of coursera, oulad was expected"),
    ('shape = "coursera"', "shape = ", "not valid TOML"),
    ("\ncountry_cd = 0.03", "\ncontry_cd = 0.03", "people.missing.value: contry_cd is none of"),
    ("youngest = { value = 13", 'youngest = { value = "13"', "people.youngest.value: a whole num"),
    ("youngest = { value = 13", "youngest = { value = 13.0", "people.youngest.value: a whole num"),
    ("rated = { value = 0.2", "rated = { value = true", "peers.rated.value: a number"),
    ("entry_days = { value = 3", "entry_days = { value = 1e18", "activity.entry_days.value"),
    ("wait_days = { value = 60", "wait_days = { value = inf", "enrolling.wait_days.value"),
    ("popularity = { value = 1.0", "popularity = { value = 12", "courses.popularity.value"),
    ("US = 0.2\n", "US = 1e300\n", "people.countries.value.US"),
    ('source = "Coursera\'s terms of use"', 'source = "x"', "people.youngest.source"),
    ('source = "Coursera\'s terms of use"', "source = 2020-01-01", "people.youngest.source: text"),
]


@pytest.mark.parametrize("before, after, message", FAULTS)
def test_faults_are_named_by_key(before, after, message):
    """A fault is told by its key and what was expected."""
    text = preset_text("small")
    assert before in text
    with pytest.raises(SchemaError, match=r"^own\.toml: ") as refusal:
        parse_preset(text.replace(before, after), subject="own.toml")
    assert message in str(refusal.value)


OULAD_FAULTS = [
    ("intercept = -1.24", "intercept = 900", "active_days.value.intercept"),
    ("median = 1198", "median = 1e18", "clicks.value.Distinction.median"),
    ("[0, -322]", "[0, -1e18]", "registration.value.0.1"),
    ("Exam = [-11, 6]", "Exam = [-11, 1e18]", "lateness.value.Exam.1"),
    ("tma = 5\ncma = 0", 'tma = "5"\ncma = 0', "modules.value.0.tma: a whole number"),
    ("exams_recorded = true", "exams_recorded = 1", "exams_recorded"),
    ("30 = 0.115", "thirty = 0.115", "studied_credits.value.thirty"),
    (
        '"HE Qualification" = [0.147',
        '"HE Qualifcation" = [0.147',
        "results_by: highest_education is never 'HE Qualifcation'",
    ),
]


@pytest.mark.parametrize("before, after, message", OULAD_FAULTS)
def test_faults_of_the_other_shape(before, after, message):
    """The same in the shape of OULAD."""
    text = preset_text("oulad")
    assert before in text
    with pytest.raises(SchemaError, match=r"^own\.toml: ") as refusal:
        parse_preset(text.replace(before, after), subject="own.toml")
    assert message in str(refusal.value)


EXTREMES = {
    "popularity": 3,
    "wait_days": 1_000,
    "entry_days": 1_000,
    "longest_gap_days": 1_000,
    "gap_exponent": 1.01,
    "session_gap_exponent": 10,
    "shortest_gap_minutes": 0.01,
    "completion_minutes": 100_000,
    "aged_50": 0.45,
    "median_age": 14,
    "mean_posts": 10_000,
    "most_posts": 10_000,
    "absent_sd": 2,
    "certified_sd": 2,
    "length_slope": 2,
    "session_days": 7,
}


def test_the_bounds_are_where_a_world_still_can_be_made():
    """Every parameter at its bound at once: no warning, which would be an error here."""
    text = preset_text("small")
    for name, value in EXTREMES.items():
        text, found = re.subn(
            rf"^{name} = {{ value = [0-9.]+",
            f"{name} = {{ value = {value}",
            text,
            flags=re.MULTILINE,
        )
        assert found == 1, name
    preset = parse_preset(text, subject="own.toml")
    (part,) = world_parts(preset, learners=300, courses=40, seed=1)
    assert part["course_progress"]["course_progress_ts"].dt.year().min() >= 2016


def test_columns_that_may_lack_are_those_of_the_profile():
    """With a share of one none of them has a value; the key and the moment always do."""
    text = preset_text("small")
    for column in PROFILE:
        text, found = re.subn(rf"^{column} = [0-9.]+$", f"{column} = 1", text, flags=re.MULTILINE)
        assert found == 1
    (part,) = world_parts(parse_preset(text, subject="own"), learners=20, courses=2, seed=1)
    nulls = {name for name in part["users"].columns if part["users"][name].null_count()}
    assert nulls == set(PROFILE) == set(part["users"].columns[2:])


@pytest.mark.parametrize("name, most", [("small", 20_000), ("mooc", 20_000), ("oulad", 1_000)])
def test_courses_are_limited(name, most):
    """Their catalogue lies in memory: a world of more is refused before anything is made."""
    preset = named_preset(name)
    assert most_courses(preset) == most
    with pytest.raises(ValueError, match=f"courses: expected at most {most} with"):
        world_parts(preset, learners=1, courses=most + 1, seed=0)


def test_larger_courses_are_fewer():
    """Items and sessions count, and so do presentations and sites."""
    large = preset_text("small").replace("most_items = { value = 60", "most_items = { value = 900")
    assert most_courses(parse_preset(large, subject="own")) == 4_000_000 // (900 + 117)
    often = preset_text("small").replace(
        "session_days = { value = 28", "session_days = { value = 7"
    )
    assert most_courses(parse_preset(often, subject="own")) == 4_000_000 // (60 + 469)
    sites = preset_text("oulad").replace("[sites]\nvalue = 289", "[sites]\nvalue = 5000")
    assert most_courses(parse_preset(sites, subject="own")) == 4_000_000 // (4 * 5_000)


def test_all_faults_at_once():
    """Whoever mends a preset reads of every fault."""
    text = (
        preset_text("small").replace("posting = {", "posted = {").replace("moved = {", "mowed = {")
    )
    with pytest.raises(SchemaError) as refusal:
        parse_preset(text, subject="own.toml")
    assert {"forum.posted", "forum.posting", "enrolling.mowed", "enrolling.moved"} == {
        violation.key for violation in refusal.value.violations
    }


def test_a_name_that_is_none():
    """The names that there are are listed."""
    with pytest.raises(ValueError, match="expected one of small, mooc, oulad"):
        named_preset("large")
