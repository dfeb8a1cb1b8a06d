"""Presets: what a text may say, and what is said of a faulty one."""

import importlib.resources

import pytest

from schemas.violations import SchemaError
from synth.coursera_preset import CourseraPreset
from synth.oulad_preset import OuladPreset
from synth.presets import PRESETS, named_preset, parse_preset, small_preset, world_parts
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
]


@pytest.mark.parametrize("before, after, message", FAULTS)
def test_faults_are_named_by_key(before, after, message):
    """A fault is told by its key and what was expected."""
    text = preset_text("small")
    assert before in text
    with pytest.raises(SchemaError, match=r"^own\.toml: ") as refusal:
        parse_preset(text.replace(before, after), subject="own.toml")
    assert message in str(refusal.value)


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
