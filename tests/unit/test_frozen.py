"""A later extract beside an earlier one: no finer, nobody otherwise grouped."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from anonymizer.hierarchy import Hierarchy
from anonymizer.measures import TopCodedBins
from pipelines.errors import PrivacyError, RegistryError
from pipelines.figures import risk_figures, utility_figures
from pipelines.frozen import NOTHING_FROZEN, Frozen, merged
from pipelines.frozen_text import Bins, LeastBins, LeastLevel, digest
from pipelines.microdata import anonymize
from pipelines.world import Table, make_world
from tests.property.test_microdata import CLICKS, ITEM, QUASI, frames_of, plan_for

SIX = [("F", "a1"), ("F", "a2"), ("F", "b1"), ("M", "a1"), ("M", "b1"), ("M", "b2")]
EVERY_KIND = pytest.mark.parametrize(
    ("recoding", "m"),
    [("global", 1), ("global", 2), ("global", "full"), ("local", 1), ("local", 2)],
)


def group(quasi, size, *, course="x", clicks=CLICKS[0]):
    """Learners alike in quasi-identifiers; half of them pass."""
    return [
        (
            *quasi,
            "high" if i % 3 else "low",
            [(course, ("Pass", "Fail")[i % 2], clicks, None, None)],
        )
        for i in range(size)
    ]


def labels_of(extract):
    """Learner -> released quasi-identifiers."""
    tables = extract.tables
    people = tables.get("learners", tables["enrolments"])
    return {learner: (a, b) for learner, a, b in people.select("learner", *QUASI).iter_rows()}


def through_text(extract, plan):
    """What a build fixes, by way of the registry."""
    return Frozen.from_text(Frozen.of(extract, plan).to_text())


def without(frames, *learners):
    """The views without some learners."""
    return {name: f.filter(~pl.col("learner").is_in(learners)) for name, f in frames.items()}


def plan_of(m, recoding, *, k=3, limit=0.1):
    """A plan that may leave out a tenth."""
    return plan_for(m, k, limit=limit, item_limit=0.1, recoding=recoding)


@EVERY_KIND
def test_a_class_of_k_leaves_with_one_of_its_learners_and_the_others_stay(recoding, m):
    """Where one of three withdrew two wait; everybody else is labelled as before."""
    people = [*group(SIX[0], 3), *(p for quasi in SIX[1:] for p in group(quasi, 20))]
    frames, plan = frames_of(people), plan_of(m, recoding)
    first = anonymize(frames, plan)
    before = labels_of(first)
    assert len(before) == 103
    again = anonymize(without(frames, "u0"), plan, frozen=through_text(first, plan))
    assert labels_of(again) == {u: own for u, own in before.items() if u not in {"u0", "u1", "u2"}}
    assert again.affected == 2


@EVERY_KIND
def test_nothing_moves_where_nobody_does(recoding, m):
    """The same learners under what their own release fixed: the same tables, and fixed the same."""
    people = [p for i, quasi in enumerate(SIX) for p in group(quasi, 4 * i + 2)]
    frames, plan = frames_of(people), plan_of(m, recoding, limit=0.2)
    first = anonymize(frames, plan)
    again = anonymize(frames, plan, frozen=through_text(first, plan))
    assert all(table.equals(again.tables[name]) for name, table in first.tables.items())
    assert Frozen.of(again, plan).to_text() == Frozen.of(first, plan).to_text()


@pytest.mark.parametrize("later", ["global", "local"])
def test_what_was_told_coarsely_is_never_told_finely(later):
    """Two of a1 and two of a2 were told as A; now that there are nine of each they still are."""
    few = [*group(SIX[0], 2), *group(SIX[1], 2)]
    plan = plan_of(1, "global")
    first = anonymize(frames_of(few), plan)
    assert set(labels_of(first).values()) == {("F", "A")}
    many, plan = frames_of([*group(SIX[0], 9), *group(SIX[1], 9)]), plan_of(1, later)
    free = anonymize(many, plan)
    assert set(labels_of(free).values()) == {("F", "a1"), ("F", "a2")}
    bound = anonymize(many, plan, frozen=through_text(first, plan))
    assert set(labels_of(bound).values()) == {("F", "A")}


def test_levels_may_rise():
    """Where the limit leaves no room for those who are too few, everybody is told less."""
    frames, plan = frames_of([*group(SIX[0], 3), *group(SIX[1], 9)]), plan_of(1, "global")
    first = anonymize(frames, plan)
    assert set(labels_of(first).values()) == {("F", "a1"), ("F", "a2")}
    again = anonymize(without(frames, "u0"), plan, frozen=Frozen.of(first, plan))
    assert set(labels_of(again).values()) == {("F", "A")}
    assert again.affected == 0


def test_under_local_recoding_newcomers_of_no_known_tuple_wait():
    """Many of them come, but their tuple has no class on record; one of a known tuple is in."""
    plan = plan_of(2, "local", limit=0.4)
    first = anonymize(frames_of(group(SIX[0], 12)), plan)
    later = frames_of([*group(SIX[0], 13), *group(SIX[5], 5)])
    again = anonymize(later, plan, frozen=through_text(first, plan))
    assert set(labels_of(again)) == {f"u{i}" for i in range(13)}
    assert again.recoded.found.method == "record"
    assert (again.affected, again.learners, len(again.kept.learners)) == (5, 18, 18)
    with pytest.raises(PrivacyError, match="kohort release recall"):
        anonymize(later, plan_of(2, "local"), frozen=through_text(first, plan))


def test_local_recoding_of_other_quasi_identifiers_binds_nothing():
    """Nor does it bind where recoding is global: what they show together is for the gate."""
    plan = plan_of(1, "local")
    frozen = through_text(anonymize(frames_of(group(SIX[0], 9)), plan), plan)
    assert frozen.fixed(plan).tuples is not None
    other = replace(plan, quasi_identifiers=plan.quasi_identifiers[:1], weights=(1.0,))
    assert frozen.fixed(other).tuples is None
    assert frozen.fixed(plan_of(1, "global")).tuples is None


def test_without_quasi_identifiers_only_bins_are_on_record():
    """Everybody is in one class: there is no tuple to record."""
    plan = replace(plan_of(1, "local"), quasi_identifiers=(), weights=())
    frozen = through_text(anonymize(frames_of(group(SIX[0], 9)), plan), plan)
    assert not frozen.recorded
    assert frozen.fixed(plan).tuples is None
    assert set(frozen.values) == {"enrolments"}


def test_a_hierarchy_that_was_changed_binds_nothing():
    """Its levels are not those that were chosen."""
    plan = plan_of(1, "global")
    gender, region = plan.quasi_identifiers
    frozen = Frozen({"region": LeastLevel(digest(region), 1), "gender": LeastLevel("0" * 64, 1)})
    assert frozen.fixed(plan).least == (0, 1)
    assert digest(gender) != digest(region)


def test_bins_do_not_move_until_they_must():
    """Few have many clicks: so many that leave in a later release are still told apart no finer."""
    plan = plan_of(1, "global")
    few = [*group(SIX[0], 9), *group(SIX[0], 2, clicks=CLICKS[1])]
    first = anonymize(frames_of(few), plan)
    assert set(first.tables["enrolments"]["clicks"]) == {"below 10"}
    many = frames_of(
        [*group(SIX[0], 9), *group(SIX[0], 9, clicks=CLICKS[1]), *group(SIX[0], 9, course="y")]
    )
    free = anonymize(many, plan).tables["enrolments"]
    assert set(free.filter(pl.col(ITEM) == "x")["clicks"]) == set(CLICKS[:2])
    bound = anonymize(many, plan, frozen=through_text(first, plan)).tables["enrolments"]
    assert set(bound.filter(pl.col(ITEM) == "x")["clicks"]) == {"below 10"}
    # What is not on record is free.
    assert set(bound.filter(pl.col(ITEM) == "y")["clicks"]) == {CLICKS[0]}


def test_a_column_that_is_not_on_record_starts_at_its_finest_level():
    """The bins of one column are known: the other's, and a tail, start as if nothing were."""
    known = TopCodedBins.from_bins("clicks", [[1, 10, 100], [10]], missing=False)
    new = TopCodedBins.from_bins("posts", [[1, 10]], missing=False)
    rows = pl.DataFrame({"learner": ["a", "b"], "item": ["x", "y"]})
    table = Table("enrolments", rows, (new, known), "item")
    bins = LeastBins(digest(known), {"x": Bins(2, 1), "gone": Bins(1, 0)})
    assert Frozen(values={"enrolments": {"clicks": bins}}).bins(table) == {"x": (1, 2, 0, 1)}
    for damaged in (Bins(4, 0), Bins(2, 3)):
        wrong = replace(bins, of_item={"x": damaged})
        with pytest.raises(RegistryError, match="damaged"):
            Frozen(values={"enrolments": {"clicks": wrong}}).bins(table)


def test_an_item_that_is_not_shown_is_not_on_record():
    """Two of y are too few: nothing of y leaves, nor does it bind y later."""
    plan = plan_of(1, "global", limit=0.5)
    people = [*group(SIX[0], 9), *group(SIX[0], 2, course="y")]
    frozen = through_text(anonymize(frames_of(people), plan), plan)
    assert set(frozen.values["enrolments"]["clicks"].of_item) == {"x"}


def test_rows_that_are_held_leave_before_anything_is_counted():
    """Under course scope single rows: nobody is counted in a course that his row is held in."""
    taken = [(c, ("Pass", "Fail")[i % 2], CLICKS[0], None, None) for i, c in enumerate("xy")]
    people = [*group(SIX[0], 8), *(("F", "a1", "high", taken) for _ in range(4))]
    frames, plan = frames_of(people), plan_of(1, "global", limit=0.5)
    held = pl.DataFrame({"learner": ["u8", "u9", "u0", "nobody"], ITEM: ["y", "y", "x", "x"]})
    extract = anonymize(frames, plan, held=held)
    rows = extract.tables["enrolments"].select("learner", ITEM).rows()
    # Two of y remain, fewer than k.
    assert set(rows) == {(f"u{i}", "x") for i in range(1, 12)}
    assert (extract.learners, extract.affected) == (12, 5)
    assert len(extract.kept.learners) == 12
    assert extract.kept.learners.tolist() == [u != "u0" for u in sorted(f"u{i}" for i in range(12))]
    kept = extract.world.enrolments.rows.filter(pl.Series(extract.kept.enrolments))
    assert set(kept.select("learner", ITEM).iter_rows()) == set(rows)
    assert (extract.rows, extract.rows_left_out) == (15, 4)


@pytest.mark.parametrize("recoding", ["global", "local"])
def test_learners_who_are_held_count_as_left_out(recoding):
    """Two of twenty are the limit: with three held nothing leaves, and the reason is said."""
    frames, plan = frames_of(group(SIX[0], 20)), plan_of(2, recoding)
    two = anonymize(frames, plan, held=pl.DataFrame({"learner": ["u0", "u1"]}))
    assert set(labels_of(two)) == {f"u{i}" for i in range(2, 20)}
    assert (two.learners, two.affected, two.rows, two.rows_left_out) == (20, 2, 18, 0)
    assert int(two.kept.learners.sum()) == int(two.kept.enrolments.sum()) == 18
    held = pl.DataFrame({"learner": ["u0", "u1", "u2"]})
    with pytest.raises(PrivacyError, match="kohort release recall"):
        anonymize(frames, plan, held=held)
    with pytest.raises(PrivacyError, match="kohort release recall"):
        anonymize(
            frames, plan_of(2, recoding, limit=0.99), held=frames["learners"].select("learner")
        )


@pytest.mark.parametrize(("recoding", "m"), [("global", 1), ("local", 1), ("local", "full")])
def test_the_figures_are_about_everybody(recoding, m):
    """Whom releases hold back is in the source, is attacked in vain, and is not among the kept."""
    plan = plan_of(m, recoding, limit=0.5)
    frames = frames_of([*group(SIX[0], 12), *group(SIX[3], 8)])
    held = (
        frames["enrolments"].select("learner", ITEM).filter(pl.col("learner").is_in(["u0", "u1"]))
    )
    held = held if m == 1 else held.select("learner")
    frozen = through_text(anonymize(frames, plan), plan)
    extract = anonymize(frames, plan, frozen=frozen, held=held)
    utility = utility_figures(extract, plan)
    assert (utility["learners_before"], utility["learners_affected"]) == (20, 2)
    platform = make_world(frames, plan)
    risks = risk_figures(extract, plan, platform, np.random.default_rng(1))
    assert risks["journalist"]["maximum"] == 1 / 8
    # Ten of the twelve of one class are released, and all eight of the other.
    success = risks["attack"]["knows_1"]["mean_success"]
    assert success == pytest.approx((10 / 10 + 8 / 8) / 20, abs=0.01)


def test_a_refusal_that_no_release_caused_names_none():
    """There is nothing to recall."""
    with pytest.raises(PrivacyError) as refused:
        anonymize(frames_of(group(SIX[0], 2)), plan_of(1, "global"))
    assert "recall" not in str(refused.value)


def test_without_enrolments_learners_are_held_too():
    """A learner table alone."""
    plan, frames = plan_of(2, "global"), frames_of(group(SIX[0], 20))
    release = plan.request.release.model_copy(update={"enrolments": ()})
    request = plan.request.model_copy(update={"release": release})
    plan = replace(plan, request=request, enrolment_ladders=(), models=plan.models[:0])
    extract = anonymize(frames, plan, held=pl.DataFrame({"learner": ["u3"]}))
    assert set(extract.tables) == {"learners"}
    assert "u3" not in set(extract.tables["learners"]["learner"])
    assert (extract.affected, len(extract.kept.enrolments)) == (1, 0)


def test_several_releases_fix_what_each_of_them_does():
    """The higher level of each column; nothing where the hierarchies differ."""
    a, b = "a" * 64, "b" * 64
    old = Frozen(
        {"gender": LeastLevel(a, 1), "region": LeastLevel(a, 0)},
        {"enrolments": {"clicks": LeastBins(a, {"x": Bins(1, 2), "y": Bins(1, 0)})}},
    )
    new = Frozen(
        {"gender": LeastLevel(b, 0), "region": LeastLevel(a, 2), "age": LeastLevel(a, 1)},
        {
            "enrolments": {"clicks": LeastBins(a, {"x": Bins(2, 0)})},
            "learners": {"motivation": LeastBins(a, {"": Bins(1, 0)})},
        },
    )
    found = merged([old, new])
    assert found.levels == {"region": LeastLevel(a, 2), "age": LeastLevel(a, 1)}
    assert found.values == {
        "enrolments": {"clicks": LeastBins(a, {"x": Bins(2, 2), "y": Bins(1, 0)})},
        "learners": {"motivation": LeastBins(a, {"": Bins(1, 0)})},
    }
    other = Frozen(values={"learners": {"motivation": LeastBins(b, {"": Bins(1, 0)})}})
    assert set(merged([old, new, other]).values) == {"enrolments"}
    assert not merged([])
    assert not merged([NOTHING_FROZEN, NOTHING_FROZEN])


def test_of_local_recodings_the_newest_of_the_same_quasi_identifiers_counts():
    """Another request between them changes nothing."""
    plan = plan_of(1, "local")
    first, last = (
        Frozen.of(anonymize(frames_of(group(quasi, 9)), plan), plan) for quasi in SIX[:2]
    )
    other = replace(first.recorded[0], hierarchies={"gender": "c" * 64})
    found = merged([first, last, Frozen(recorded=(other,))])
    assert found.fixed(plan).tuples.equals(last.recorded[0].tuples)
    assert len(found.recorded) == 2


def test_the_text_says_what_is_fixed_and_counts_nobody():
    """Canonical, and the same again when it was read."""
    plan = plan_of(1, "local")
    people = [*group(SIX[0], 9), *group(SIX[4], 5)]
    frozen = Frozen.of(anonymize(frames_of(people), plan), plan)
    text = frozen.to_text()
    again = Frozen.from_text(text)
    assert again.to_text() == text
    assert again.values == frozen.values
    shuffled = replace(
        frozen.recorded[0], tuples=frozen.recorded[0].tuples.reverse().select(pl.all().reverse())
    )
    assert Frozen(frozen.levels, frozen.values, (shuffled,)).to_text() == text
    gender, region = plan.quasi_identifiers
    assert text == (
        '{"format":"kohort-frozen/1","levels":{},"recorded":[{"classes":[["F","a1"],["M","b1"]],'
        f'"hierarchies":{{"gender":"{digest(gender)}","region":"{digest(region)}"}},'
        '"tuples":[["F","a1",0],["M","b1",1]]}],"values":{"enrolments":{'
        f'"clicks":["{digest(plan.enrolment_ladders[1])}",{{"x":[0,0]}}],'
        f'"final_result":["{digest(plan.enrolment_ladders[0])}",{{"x":[0,0]}}]}}}}}}'
    )


SHA = '"' + "a" * 64 + '"'
BODY = '"levels":{},"values":{},"recorded":'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"format":"kohort-frozen/2","levels":{},"values":{},"recorded":[]}',
        '{"format":"kohort-frozen/1","levels":[],"values":{},"recorded":[]}',
        f'{{"format":"kohort-frozen/1","levels":{{"a":[{SHA},-1]}},"values":{{}},"recorded":[]}}',
        f'{{"format":"kohort-frozen/1","levels":{{"a":[{SHA},true]}},"values":{{}},"recorded":[]}}',
        '{"format":"kohort-frozen/1","levels":{"a":[1,1]},"values":{},"recorded":[]}',
        f'{{"format":"kohort-frozen/1","levels":{{}},"values":{{"t":{{"a":[{SHA}]}}}},"recorded":[]}}',
        *(
            f'{{"format":"kohort-frozen/1",{BODY}[{{"hierarchies":{hierarchies},'
            f'"classes":[["A"]],"tuples":{tuples}}}]}}'
            for hierarchies, tuples in [
                ("{}", "[]"),
                (f'{{"a":{SHA}}}', '[["x",1]]'),
                (f'{{"a":{SHA}}}', '[["x","y",0]]'),
                (f'{{"a":{SHA}}}', '[["x",0],["x",0]]'),
                (f'{{"a":{SHA}}}', "[[1,0]]"),
            ]
        ),
    ],
)
def test_a_damaged_text_is_refused(text):
    """Whatever is wrong with it, in one line that says what to do."""
    with pytest.raises(RegistryError, match="restore the database") as refused:
        Frozen.from_text(text)
    assert "\n" not in str(refused.value)


def test_a_level_above_the_top_is_refused():
    """A record whose digest is right and whose level is not was changed."""
    plan = plan_of(1, "global")
    own = LeastLevel(digest(plan.quasi_identifiers[0]), 9)
    with pytest.raises(RegistryError, match="above the top"):
        Frozen({"gender": own}).fixed(plan)


def test_a_digest_knows_leaves_labels_and_tails():
    """Hierarchies of one name whose levels mean something else are told apart."""
    plain = Hierarchy.from_bins("n", [[1, 10], [1, 10]], missing=False)
    tail = TopCodedBins.from_bins("n", [[1, 10]], missing=False)
    assert [level.tolist() for level in plain.levels] == [level.tolist() for level in tail.levels]
    flat = [Hierarchy.flat("n", values, missing=False) for values in (("a", "b"), ("b", "a"))]
    assert len({digest(h) for h in (plain, tail, *flat)}) == 4
    assert np.array_equal(flat[0].levels[0], flat[1].levels[0])
