"""Worlds in the shape of OULAD: sound, reproducible, and with the published shares."""

import typing
from importlib.resources import files

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.sources import load_family
from schemas.declaration import parse_toml
from schemas.violations import SchemaError
from synth import open_university
from synth.open_university import oulad_parts
from synth.oulad_behaviour import _split
from synth.oulad_catalogue import module_code
from synth.oulad_preset import OuladPreset
from synth.parts import gathered
from synth.permission import Consent
from synth.sourced import Sourced

TEXT = (files("synth") / "preset_files" / "oulad.toml").read_text()
PRESET = parse_toml(OuladPreset, TEXT, subject="oulad.toml")
RUN = ["code_module", "code_presentation"]
KEY = [*RUN, "id_student"]
LEARNERS = 6_000
COLUMNS = {
    "courses": "code_module code_presentation module_presentation_length",
    "assessments": "code_module code_presentation id_assessment assessment_type date weight",
    "vle": "id_site code_module code_presentation activity_type week_from week_to",
    "studentInfo": "code_module code_presentation id_student gender region highest_education "
    "imd_band age_band num_of_prev_attempts studied_credits disability final_result",
    "studentRegistration": "code_module code_presentation id_student date_registration "
    "date_unregistration",
    "studentAssessment": "id_assessment id_student date_submitted is_banked score",
    "studentVle": "code_module code_presentation id_student id_site date sum_click",
}
"""The published files and their columns, in their order."""


@pytest.fixture(scope="module")
def world():
    """A world of some size, made once."""
    return gathered(oulad_parts(PRESET, learners=LEARNERS, courses=7, seed=1))


def without(values, known, *on):
    """Whether some of these values, nulls aside, are not among the known ones."""
    return values.select(on).unique().join(known, on=on, how="anti").height


def test_columns_are_the_published_ones(world):
    """Seven tables, and their columns in the order of the files."""
    assert {name: " ".join(table.columns) for name, table in world.items()} == COLUMNS


@pytest.mark.shared_data
def test_columns_of_the_published_files(shared_data):
    """The list above is what the files have."""
    for name, columns in COLUMNS.items():
        with (shared_data / "oulad" / f"{name}.csv").open() as file:
            assert file.readline().replace('"', "").strip().replace(",", " ") == columns


def test_values_are_the_declared_ones(world):
    """Every closed list of the family holds what the world has, once labels are mended."""
    for table, declared in load_family("oulad").family.tables.items():
        for name, column in declared.columns.items():
            if column.values:
                mended = world[table][name].replace(column.relabel).drop_nulls().unique()
                assert set(mended) <= set(column.values), (table, name)
    assert set(world["studentInfo"]["code_module"]) == {letter * 3 for letter in "ABCDEFG"}
    assert "10-20" in set(world["studentInfo"]["imd_band"])


def test_nulls_stand_where_the_published_files_have_some(world):
    """Null are some bands, days, weeks and scores, and nothing else."""
    nulls = {
        (table, column)
        for table, rows in world.items()
        for column in rows.columns
        if rows[column].null_count()
    }
    assert nulls == {
        ("assessments", "date"),
        ("vle", "week_from"),
        ("vle", "week_to"),
        ("studentInfo", "imd_band"),
        ("studentRegistration", "date_registration"),
        ("studentRegistration", "date_unregistration"),
        ("studentAssessment", "score"),
    }


def test_same_seed_same_world(world):
    """The same arguments give the same tables; another seed gives other learners."""
    again = gathered(oulad_parts(PRESET, learners=LEARNERS, courses=7, seed=1))
    for name, table in world.items():
        assert_frame_equal(table, again[name])
    other = gathered(oulad_parts(PRESET, learners=300, courses=7, seed=2))
    assert without(other["studentInfo"], world["studentInfo"], "id_student") == 300


def test_blocks(monkeypatch):
    """First the catalogue; then blocks that do not depend on how many follow."""
    monkeypatch.setattr(open_university, "BLOCK", 100)
    first, *blocks = oulad_parts(PRESET, learners=250, courses=3, seed=4)
    assert set(first) == set(COLUMNS)
    assert [first[name].height == 0 for name in COLUMNS] == 3 * [False] + 4 * [True]
    assert [b["studentInfo"]["id_student"].n_unique() for b in blocks] == [100, 100, 50]
    for part, alone in zip(
        (first, *blocks), oulad_parts(PRESET, learners=200, courses=3, seed=4), strict=False
    ):
        for name, rows in alone.items():
            assert_frame_equal(part[name], rows)
    for name, rows in gathered([first, *blocks]).items():
        assert rows.schema == first[name].schema
    assert pl.concat([b["studentInfo"] for b in blocks])["id_student"].n_unique() == 250


@pytest.mark.parametrize("learners, courses", [(1, 1), (1, 40), (40, 1)])
def test_small_worlds(learners, courses):
    """The smallest worlds hold together: everybody studies something."""
    small = gathered(oulad_parts(PRESET, learners=learners, courses=courses, seed=3))
    assert small["studentInfo"]["id_student"].n_unique() == learners
    assert small["courses"]["code_module"].n_unique() == courses


def test_module_codes_never_repeat():
    """After ZZZ comes AAAA."""
    codes = [module_code(number) for number in range(200)]
    assert [codes[n] for n in (0, 6, 25, 26)] == ["AAA", "GGG", "ZZZ", "AAAA"]
    assert len(set(codes)) == 200


def test_referential_soundness(world):
    """Everybody and everything that a table names stands in the table where it belongs."""
    info = world["studentInfo"]
    assert not info.select(KEY).is_duplicated().any()
    assert_frame_equal(info.select(KEY), world["studentRegistration"].select(KEY))
    assert without(info, world["courses"], *RUN) == 0
    assert without(world["studentVle"], info, *KEY) == 0
    assert without(world["studentVle"], world["vle"], *RUN, "id_site") == 0
    scores = world["studentAssessment"].join(world["assessments"], on="id_assessment")
    assert scores.height == world["studentAssessment"].height
    assert without(scores, info, *KEY) == 0
    assert not scores.select("id_assessment", "id_student").is_duplicated().any()
    for table, key in (("assessments", "id_assessment"), ("vle", "id_site")):
        assert world[table][key].is_unique().all()


def test_learners_stay_who_they_are(world):
    """Only the age band may change, and only upwards, with a later presentation."""
    people = world["studentInfo"].group_by("id_student")
    fixed = ["gender", "region", "highest_education", "imd_band", "disability"]
    assert people.agg(pl.col(fixed).n_unique()).select(fixed).max().row(0) == (1,) * len(fixed)
    ages = {"0-35": 0, "35-55": 1, "55<=": 2}
    changed = 0
    for rows in world["studentInfo"].sort("code_presentation").partition_by("id_student"):
        bands = [ages[band] for band in rows["age_band"]]
        assert bands == sorted(bands)
        changed += bands[0] != bands[-1]
    assert changed > 0


def test_days_run_forward(world):
    """Registration, first click, last click, leaving; nothing after the presentation's end."""
    days = (
        world["studentVle"]
        .group_by(KEY)
        .agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"))
    )
    rows = world["studentRegistration"].join(days, on=KEY).join(world["courses"], on=RUN)
    assert rows.height == days.height
    assert (rows["date_registration"] <= rows["first"]).drop_nulls().all()
    assert (rows["last"] <= rows["date_unregistration"]).drop_nulls().all()
    assert (rows["last"] <= rows["module_presentation_length"]).all()
    left = world["studentRegistration"].drop_nulls()
    assert (left["date_registration"] <= left["date_unregistration"]).all()


def test_only_the_withdrawn_leave(world):
    """A day of leaving stands beside a withdrawal only, and what is handed in comes before it."""
    rows = world["studentInfo"].join(world["studentRegistration"], on=KEY)
    left = rows.filter(pl.col("date_unregistration").is_not_null())
    assert set(left["final_result"]) == {"Withdrawn"}
    handed = world["studentAssessment"].join(
        world["assessments"].select(*RUN, "id_assessment"), on="id_assessment"
    )
    of_those = handed.join(left, on=KEY)
    assert of_those.height > 50
    assert (of_those["date_submitted"] <= of_those["date_unregistration"]).all()


def test_rows_of_clicks(world):
    """A row a learner and active day, each with a click."""
    clicks = world["studentVle"]
    assert clicks["sum_click"].min() == 1
    assert not clicks.select(*KEY, "date").is_duplicated().any()


def test_more_sites_a_day_more_rows():
    """The same active days, about three rows each, and still a click in each row."""
    many = PRESET.model_copy(update={"sites_a_day": Sourced[float](value=3, source="this test")})
    three = gathered(oulad_parts(many, learners=300, courses=7, seed=1))["studentVle"]
    one = gathered(oulad_parts(PRESET, learners=300, courses=7, seed=1))["studentVle"]
    days = three.select(*KEY, "date").unique(maintain_order=True)
    assert_frame_equal(days, one.select(*KEY, "date"))
    totals = [t.group_by(KEY).agg(pl.col("sum_click").sum()).sort(KEY) for t in (one, three)]
    assert_frame_equal(*totals)
    assert three.height > 2 * one.height
    assert three["sum_click"].min() == 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 500)), min_size=1, max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_splitting_adds_up(wanted, seed):
    """Every part is at least one, and the parts of a total add up to it."""
    rows = np.array([n for n, _ in wanted])
    totals = rows + np.array([more for _, more in wanted])
    owner = np.repeat(np.arange(len(rows)), rows)
    parts = _split(totals, rows, owner, np.random.default_rng(seed))
    assert parts.min() >= 1
    assert np.bincount(owner, weights=parts).tolist() == totals.tolist()


def test_attempts_count_the_presentations_before(world):
    """A learner's second presentation of a module has one attempt more than his first."""
    runs = world["studentInfo"].sort("code_presentation")
    repeated = 0
    for rows in runs.partition_by("id_student", "code_module"):
        attempts = rows["num_of_prev_attempts"].to_list()
        assert attempts == list(range(attempts[0], attempts[0] + len(attempts)))
        repeated += len(attempts) - 1
    further = world["studentInfo"].height - LEARNERS
    # A share of 0.34 of some 780: outside five standard deviations once in a million seeds.
    assert repeated / further == pytest.approx(PRESET.again.value, abs=0.085)


def test_scores(world):
    """Whole numbers up to 100, better with a better result; exams only where they are recorded."""
    scores = world["studentAssessment"].join(world["assessments"].drop("date"), on="id_assessment")
    assert scores["score"].min() >= 0
    assert scores["score"].max() == 100
    means = dict(
        scores.join(world["studentInfo"], on=KEY)
        .group_by("final_result")
        .agg(pl.col("score").mean())
        .iter_rows()
    )
    assert means["Distinction"] > means["Pass"] + 5 > means["Fail"] + 10
    exams = scores.filter(assessment_type="Exam")
    assert set(exams["code_module"]) == {"CCC", "DDD"}


def test_results_go_with_education_and_clicks(world):
    """The better educated withdraw less, and who passes clicks more; by far more than chance."""
    info = world["studentInfo"]
    passed = pl.col("final_result").is_in(["Pass", "Distinction"])
    rate = dict(info.group_by("highest_education").agg(passed.mean()).iter_rows())
    # OULAD: 0.56 against 0.39; each of some 1,000 and 2,700 learners.
    assert rate["HE Qualification"] > rate["Lower Than A Level"] + 0.08
    clicks = world["studentVle"].group_by(KEY).agg(pl.col("sum_click").sum())
    median = dict(
        info.join(clicks, on=KEY)
        .group_by("final_result")
        .agg(pl.col("sum_click").median())
        .iter_rows()
    )
    assert median["Distinction"] > median["Pass"] > 2 * median["Fail"] > median["Withdrawn"]


def test_every_parameter_has_a_source():
    """Each field but the shape is a value with its source, or shares of consent made of such."""
    for name, field in OuladPreset.model_fields.items():
        if name == "shape":
            continue
        kind = field.annotation
        assert kind is Consent or typing.cast("type", kind).__name__.startswith("Sourced["), name


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("value = 0.34", "value = 1.34", "again.value"),
        ("value = [0.8771, 0.1144", "value = [0.9771, 0.1144", "add up to 1"),
        ("[0.1, -142]", "[0.1, -342]", "values that do not fall"),
        ("[[0, -322]", "[[0.005, -322]", "shares that rise from 0 to 1"),
        ("Fail = 0.98, ", "", "a value for Fail"),
        ('North Region" = 0.401', 'Nowhere" = 0.401', "imd_missing: values for East Anglian"),
        ("2014J = { weight = 365", "summer = { weight = 365", "presentations.summer"),
        ("forumng = { sites = 0.0305", "forumng = { sites = 0.3305", "activities"),
        ('source = "measured on OULAD: learners"', "", "source"),
        ("[again]", "[again_and]", "again_and"),
    ],
)
def test_faulty_presets_are_refused(old, new, told):
    """What can't be meant is named by its key."""
    assert old in TEXT
    with pytest.raises(SchemaError) as refusal:
        parse_toml(OuladPreset, TEXT.replace(old, new, 1), subject="mine.toml")
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    "learners, courses, seed, told",
    [
        (0, 1, 0, "learners: expected at least 1"),
        (1, 0, 0, "courses: expected at least 1"),
        (1, 1, -1, "seed: expected at least 0"),
        (2**31, 1, 0, "learners: expected less than"),
    ],
)
def test_refusals(learners, courses, seed, told):
    """An empty world, a negative seed and more learners than ids are refused by name."""
    with pytest.raises(ValueError, match=told):
        next(oulad_parts(PRESET, learners=learners, courses=courses, seed=seed))
