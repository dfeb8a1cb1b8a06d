"""Traps before they are built: what is planted, and what `expected.json` says of it."""

import json
from math import exp

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.governance.rights_file import COLUMNS as RIGHTS_COLUMNS
from schemas.request import parse_request
from synth.parts import gathered
from synth.presets import named_preset, world_parts
from synth.traps import make_traps, plant
from synth.traps.claims import MEASURED, Claim
from synth.traps.requests import EPSILON, NOISE_ALARM, within
from synth.workload import TwinShape, budget_shares, workload
from synth.world import LEARNER

DIFFICULTIES = {
    "orphans", "roles", "repeats", "contradictions", "labels", "several-ids", "strangers",
    "silent", "withdrawn", "renewed", "one-course", "minors", "between", "ahead",
    "boundary", "staff", "idle", "rare-set", "odd-times", "unlisted",
    "escapes", "personal-texts", "unknown-columns", "plain-ids",
}  # fmt: skip


@pytest.fixture(scope="module")
def traps():
    """All traps."""
    return make_traps(seed=3)


@pytest.fixture(scope="module")
def parts():
    """A small world in one part."""
    return list(world_parts(named_preset("mooc"), learners=60, courses=2, seed=3))


def claims(traps) -> list[dict]:
    """All claims, as JSON has them."""
    document = json.loads(traps.expected.to_json())
    return [claim for trap in document["traps"].values() for claim in trap["claims"]]


def test_every_difficulty_is_planted_and_says_what_must_come_of_it(traps):
    """Each trap has claims, and each kind of claim is made."""
    document = json.loads(traps.expected.to_json())
    assert document["traps"].keys() == DIFFICULTIES
    assert all(trap["claims"] and trap["what"] for trap in document["traps"].values())
    assert {claim["claim"] for claim in claims(traps)} == {kind.claim for kind in Claim.__args__}


def test_the_same_seed_plants_the_same(traps):
    """Tables, rights and claims; another seed plants other learners in the same courses."""
    again, other = make_traps(seed=3), make_traps(seed=4)
    for name, rows in traps.part.items():
        assert_frame_equal(rows, again.part[name])
    assert_frame_equal(traps.rights, again.rights)
    assert traps.expected == again.expected
    ids = {*traps.part["users"][LEARNER]}
    assert ids.isdisjoint(other.part["users"][LEARNER])
    assert traps.part["courses"]["course_id"].equals(other.part["courses"]["course_id"])


def test_rows_are_only_added(traps, parts):
    """Each part passes as it is; the first one names every table, the last one is the traps'."""
    planted = list(plant(parts, traps))
    assert len(planted) == len(parts) + 1
    for name, rows in parts[0].items():
        assert planted[0][name] is rows
    assert traps.part.keys() <= planted[0].keys()
    assert planted[-1].keys() == traps.part.keys()
    whole = gathered(planted)
    for name, rows in traps.part.items():
        assert whole[name].height == rows.height + sum(part[name].height for part in parts
                                                       if name in part)  # fmt: skip
        assert_frame_equal(planted[-1][name].select(rows.columns), rows)


def test_a_planted_world_is_read_part_by_part(traps, parts):
    """No part is asked for before the one before it was taken."""
    taken = []

    def world():
        for number in range(3):
            taken.append(number)
            yield parts[0]

    planted = plant(world(), traps)
    for number in range(3):
        next(planted)
        assert taken == list(range(number + 1))
    next(planted)
    assert next(planted, None) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda part: {"studentInfo": part["users"]}, "shape of the Coursera export"),
        (lambda part: part | {"users": part["users"].rename({LEARNER: "jhu_user_id"})}, "shape"),
        (lambda part: part | {"courses": part["courses"].drop("course_name")}, "courses has no"),
    ],
)
def test_a_world_that_traps_do_not_fit_is_refused(traps, parts, change, said):
    """Another family, another partner, a missing column."""
    with pytest.raises(ValueError, match=said):
        list(plant([change(parts[0])], traps))


@pytest.mark.parametrize(("changes", "named"), [({"k": 1}, "k"), ({"seed": -1}, "seed")])
def test_what_can_not_be_planted_is_refused(changes, named):
    """By the name of the parameter."""
    with pytest.raises(ValueError, match=f"^{named}: expected at least"):
        make_traps(**{"seed": 0, **changes})


@pytest.mark.parametrize("k", [2, 5, 11])
def test_groups_are_planted_around_k(k):
    """K learners in one course, k - 1 in the other; requests promise that k."""
    traps = make_traps(seed=0, k=k)
    counts = dict(traps.part["course_memberships"].group_by("course_id").len().iter_rows())
    assert (counts["trap-k"], counts["trap-k-less-one"]) == (k, k - 1)
    for name, text in json.loads(traps.expected.to_json())["requests"].items():
        request = parse_request(text.replace("CATALOGUE", "0" * 64), subject=name)
        if request.release.type == "microdata":
            assert request.release.privacy.k == k


def test_claims_name_requests_that_there_are(traps):
    """And courses, tables and learners that were planted."""
    names = json.loads(traps.expected.to_json())["requests"].keys()
    assert {name for claim in claims(traps) for name in claim.get("requests", ())} == names
    ids = {*traps.part["users"][LEARNER], *traps.part["course_memberships"][LEARNER]}
    for claim in claims(traps):
        if claim["claim"] in {"absent", "present"}:
            assert {*claim["learners"]} <= ids


@pytest.mark.parametrize("k", [5, 11])
def test_a_release_without_planted_learners_is_not_as_expected(k):
    """Of microdata each trap with a course claims learners, or that there are none of a crowd."""
    document = json.loads(make_traps(seed=0, k=k).expected.to_json())
    for name, trap in document["traps"].items():
        if name == "unknown-columns":
            continue
        some = {
            request
            for claim in trap["claims"]
            if claim["claim"] == "present"
            or (claim["claim"] == "counted" and claim["learners"] > claim["within"])
            for request in claim["requests"]
        }
        # Of staff k - 1 learners are left: no course may show them.
        assert {"courses", "learners", "profiles"} - some <= (
            {"courses", "learners"} if name == "staff" else set()
        ), name


def test_a_count_that_noise_blurs_can_fail(traps):
    """It is clear of none, or of all who stand in the course."""
    enrolled = traps.part["course_memberships"].group_by("course_id")
    everybody = dict(enrolled.agg(pl.col(LEARNER).n_unique()).iter_rows())
    for claim in claims(traps):
        if claim["claim"] == "counted" and claim["within"] > 0:
            least, most = (claim["learners"] + way * claim["within"] for way in (-1, 1))
            assert least > 0 or most < everybody[claim["cell"]["course_id"]], claim


def test_rights_are_as_a_rights_file_has_them(traps):
    """Late ones are those of one trap: whoever withdraws late has a grant from before."""
    assert tuple(traps.rights.columns) == tuple(traps.late.columns) == RIGHTS_COLUMNS
    granted = traps.rights.filter(state="granted")["learner_id"]
    assert {*traps.late["learner_id"]} <= {*granted}
    assert {*traps.late["state"]} == {"withdrawn"}


@pytest.mark.parametrize("courses", [25, 1_000])
def test_what_a_twin_measures_by_course_has_its_part_of_the_budget(traps, courses):
    """However many courses there are, each such table is as exact as claims count with."""
    document = json.loads(traps.expected.to_json())
    text = document["requests"]["twin"].replace("CATALOGUE", "0" * 64)
    release = parse_request(text, subject="twin").release
    shape = TwinShape(
        {"reported_or_inferred_gender": 3, "educational_attainment": 5},
        {"course_id": courses, "passing_state": 5},
        "course_id",
        most_rows=release.most_rows,
    )
    chosen = workload(shape)
    for columns, part in zip(chosen, budget_shares(chosen, shape), strict=True):
        if "course_id" in columns:
            assert part * release.budget.micro >= EPSILON * 1_000_000
    measured = {
        frozenset(claim["cell"]) for claim in claims(traps) if claim.get("table") == MEASURED
    }
    assert measured <= {*map(frozenset, chosen)}


@pytest.mark.parametrize("moved", [1, 3])
def test_noise_is_hardly_ever_further_off(moved):
    """The tail of the two-sided geometric distribution, summed up term by term."""
    a = exp(-4.0 / moved)
    w = within(moved)
    beyond = 2 * sum((1 - a) / (1 + a) * a**x for x in range(w + 1, w + 400))
    nearer = 2 * sum((1 - a) / (1 + a) * a**x for x in range(w - 1, w + 400))
    assert beyond <= NOISE_ALARM < nearer
